"""`affectline export`."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from affectline.cli import terminal
from affectline.cli.options import ManifestFile, find_manifest, find_root, usage


def export(
    corpus: Annotated[Positional[str], arg(metavar="CORPUS")],
    /,
    *,
    out: Annotated[Path, arg(metavar="DIR")],
    root: Annotated[Path | None, arg(metavar="DIR", help_behavior_hint="(default: $AFFECTLINE_DATA)")] = None,
    split: Annotated[str, arg(metavar="LIST")] = "train,dev,test",
    manifest: ManifestFile = None,
    media: Annotated[bool, arg(help_behavior_hint="")] = False,
) -> int:
    """Write a corpus as a folder that Hugging Face `datasets` loads, with a card that carries its licence.

    For example:

      affectline export mine --root corpora --out shared
      python -c "from datasets import load_dataset; print(load_dataset('shared'))"

    Args:
        corpus: mine, goemotions, meld ...
        out: A new folder.
        root: The folder that holds the corpora.
        split: The parts.
        manifest: Exactly the utterances that this file of `affectline doctor` names, in its parts.
        media: With the sound of each utterance: only where the licence lets you pass it on.
    """
    from affectline.corpora import find, mine
    from affectline.doctor.copies import find_folder
    from affectline.doctor.manifest import selected
    from affectline.sharing import Shared, share

    with usage():
        data = find_root(root)
        folder = find_folder(corpus, data)
        named = None if manifest is None else find_manifest(manifest, data)
        module = find(corpus, folder)
    said = Shared(module.SOURCE, module.LABELS)
    if corpus == "mine":
        own = mine.about(folder)
        if not own.licence:
            raise ValueError(
                f"{folder / mine.ABOUT} must say under which licence others may have it, such as "
                '{"licence": "CC BY 4.0"}'
            )
        source = replace(module.SOURCE, licence=own.licence, page=own.page or "(not said where)")
        said = Shared(source, module.LABELS, own.languages)
    read = module.read if named is None else selected(module.read, named, corpus)
    with terminal.Stages() as stages:
        stages.begin(corpus)
        parts = {part: read(folder, part) for part in terminal.split(split)}
        counts = share(said, parts, out, media=media, progress=stages)
    print(f"{out}: {', '.join(f'{part} {n:,}' for part, n in counts.items())}; {said.source.licence}")
    return 0
