"""`affectline evaluate`."""

import json as to_json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from tyro.conf import Positional, arg

from affectline.cli import corpora_matrix, modes_matrix, terminal
from affectline.cli.judging import Corpus, results
from affectline.cli.options import (
    Device,
    ManifestFile,
    UsageError,
    find_checkpoint,
    find_manifest,
    find_root,
    usage,
)
from affectline.cli.tables import Shown, between, estimated, number


def evaluate(
    names: Annotated[
        Positional[tuple[str, ...]], arg(metavar="CHECKPOINT... CORPUS", help_behavior_hint="")
    ] = (),
    /,
    *,
    root: Annotated[Path | None, arg(metavar="DIR", help_behavior_hint="(default: $AFFECTLINE_DATA)")] = None,
    split: Annotated[str, arg(metavar="NAME")] = "test",
    manifest: ManifestFile = None,
    without: Annotated[tuple[str, ...], arg(metavar="MODALITY|STREAM...", help_behavior_hint="")] = (),
    against: Annotated[tuple[str, ...], arg(metavar="CHECKPOINT...", help_behavior_hint="")] = (),
    out: Annotated[Path | None, arg(metavar="FILE", help_behavior_hint="")] = None,
    reliability: Annotated[Path | None, arg(metavar="FILE.svg", help_behavior_hint="")] = None,
    matrix: Annotated[bool, arg(help_behavior_hint="")] = False,
    device: Device = "auto",
    json: Annotated[bool, arg(help_behavior_hint="")] = False,
    markdown: Annotated[bool, arg(help_behavior_hint="")] = False,
) -> int:
    """Judge a checkpoint on a corpus; several are taken as one model trained with several seeds.

    Each metric comes with its 95 % interval over conversations (over speakers, where a corpus has lone clips
    of several people). Thresholds and calibration are the checkpoint's own, chosen on dev. Labels are matched
    by name; what checkpoint or corpus alone has does not count, and is named.

    Several corpora, joined by commas, give a matrix: each checkpoint is a model of its own (join the seeds of
    one model by commas too), judged on each of the corpora over the labels that both have.

    For example:

      affectline evaluate base goemotions --root corpora
      affectline evaluate runs/audio/seed0 runs/audio/seed1 ravdess --without video --json
      affectline evaluate base runs/meld/seed0,runs/meld/seed1 goemotions,meld,elderreact --markdown
      affectline evaluate runs/mosi/seed* mosi --matrix --out matrix.json

    Args:
        names: Checkpoints (an installed name or a folder), then a corpus: goemotions, ravdess, meld, mosi ...
        root: The folder that holds the corpora.
        split: The part that judges: train, dev or test.
        manifest: Judge by exactly the utterances that this file of `affectline doctor` names, in its parts.
        without: What is taken away: a modality (text) or a stream (video.faces).
        against: Also give the differences to this checkpoint, on the same samples, and how significant they
            are; several are one model with several seeds.
        out: Also write the JSON here.
        reliability: Draw here, for each label, how often it holds over its score, and the calibration error
            beside that of perfect scores; of several checkpoints the first.
        matrix: Also judge with each subset of the modes that the checkpoint finds in the corpus, with ever
            more utterances that lost one of them, and with noise; for one corpus.
        device: What computes: auto takes cuda, mps or cpu.
        json: Print the results as JSON.
        markdown: Print the tables as Markdown, to be pasted into a README or a paper.
    """
    if len(names) < 2:
        raise UsageError(
            "evaluate needs a checkpoint and a corpus, such as: affectline evaluate base goemotions"
        )
    if json and markdown:
        raise UsageError("--json and --markdown: give one of them; --out FILE writes the JSON beside either")
    *checkpoints, corpus = names
    corpora = terminal.split(corpus)
    models = [terminal.split(name) for name in checkpoints] if len(corpora) > 1 else [checkpoints]
    for option, given in {"--against": against, "--reliability": reliability, "--matrix": matrix}.items():
        if len(corpora) > 1 and given:
            raise UsageError(f"{option} is for one corpus, not {corpus}; give one, or leave {option} out")
    if matrix and against:
        raise UsageError("--matrix is of one model: leave --against out, and ask about the other by itself")
    from affectline.analyze import find_device

    with usage():
        folder, on = find_root(root), find_device(device)
        for name in (*(name for model in models for name in model), *against):
            find_checkpoint(name)
        named = None if manifest is None else find_manifest(manifest, folder)
        read = [Corpus.read(name, folder, split, named) for name in corpora]
        if matrix:
            modes_matrix.check(read[0], checkpoints, without)
        read = [one.without(without) for one in read]
    with terminal.Stages() as stages:
        stages.begin(f"{corpus} {split}")
        if len(corpora) > 1:
            found = corpora_matrix.results(models, read, device=on, stages=stages)
        else:
            found = results(read[0], checkpoints, against=against, device=on, stages=stages)
            found |= {"corpus": corpus, "checkpoints": checkpoints}
            if matrix:
                found["matrix"] = modes_matrix.results(read[0], checkpoints, device=on, stages=stages)
    found |= {"split": split, "without": list(without)}
    if named is not None:
        found["manifest"] = named.about()
    if reliability is not None:
        from affectline.evaluation.diagrams import reliability_svg
        from affectline.files import atomic_write

        atomic_write(reliability, reliability_svg({f"{checkpoints[0]} on {corpus} {split}": found}))
    _write(found, _shown(found), out, json, markdown)
    return 0


def _shown(found: dict[str, Any]) -> Sequence[Shown]:
    if "cells" in found:
        return corpora_matrix.tables(found)
    return modes_matrix.tables(found, METRICS) if "matrix" in found else _tables(found)


def _write(
    found: dict[str, Any], tables: Sequence[Shown], out: Path | None, json: bool, markdown: bool
) -> None:
    text = to_json.dumps(found, indent=1, allow_nan=False)
    if out is not None:
        from affectline.files import atomic_write

        atomic_write(out, text + "\n")
    if json:
        print(text)
    elif markdown:
        print("\n\n".join(table.markdown() for table in tables))
    else:
        for table in tables:
            terminal.show(table.at_terminal())


METRICS = (
    *("accuracy", "weighted_f1", "weighted_f1_5", "macro_f1", "micro_f1", "uar", "map", "auroc"),
    *("f1_samples", "jaccard", "wf1_bin", "acc_label", "brier_skill", "ece"),
)


def _tables(results: dict[str, Any]) -> tuple[Shown, Shown]:
    """All utterances, beside another checkpoint or answers that see no input, and label by label."""
    against, half = results.get("against"), results["at_half"]
    baselines = {} if against else results["baselines"]
    rows = []
    for name in (metric for metric in METRICS if metric in results):
        row = [name, estimated(results[name]), between(results[name])]
        row += [number(half[name]["mean"]) if name in half else ""] if half else []
        if against:
            found = against["difference"][name]
            row += [f"{number(found['mean'])} ({between(found)})", number(found["p"])]
        rows.append([*row, *(number(values[name]) for values in baselines.values())])
    columns = ["metric", "value", "95 % interval", *(["at 0.5"] if half else [])]
    columns += [f"minus {' '.join(against['checkpoints'])}", "p"] if against else []
    title = f"{' '.join(results['checkpoints'])} on {results['corpus']} {results['split']}"
    by_label = f"by label, {results['n']} utterances{_left_out(results)}"
    kinds = ("f1", "precision", "recall", "accuracy", "ap", "auroc", "brier_skill")
    values = {label: results["per_label"][label] for label in results["labels"]}
    labels = [
        [label, str(results["support"][label]), *(number(of[kind]) for kind in kinds)]
        for label, of in values.items()
    ]
    return (
        Shown(title, [*columns, *(name.replace("_", " ") for name in baselines)], rows),
        Shown(by_label, ("label", "holds in", *kinds), labels),
    )


def _left_out(results: dict[str, Any]) -> str:
    sides = {"checkpoint": "the checkpoint's", "corpus": "the corpus'"}
    named = [f"{sides[side]} {', '.join(names)}" for side, names in results["left_out"].items() if names]
    return f"; left out: {' and '.join(named)}" if named else ""
