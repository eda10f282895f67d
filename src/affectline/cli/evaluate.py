"""`affectline evaluate`."""

import json as to_json
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Annotated, Any

from rich.markup import escape
from rich.table import Table
from tyro.conf import Positional, arg

from affectline.cli import terminal
from affectline.cli.options import Device, UsageError, find_checkpoint, find_root, usage

if TYPE_CHECKING:
    import torch

    from affectline.checkpoint import Checkpoint
    from affectline.evaluation import Run, Truth
    from affectline.types import Conversation, LabelSpace


def evaluate(
    names: Annotated[
        Positional[tuple[str, ...]], arg(metavar="CHECKPOINT... CORPUS", help_behavior_hint="")
    ] = (),
    /,
    *,
    root: Annotated[Path | None, arg(metavar="DIR", help_behavior_hint="(default: $AFFECTLINE_DATA)")] = None,
    split: Annotated[str, arg(metavar="NAME")] = "test",
    without: Annotated[tuple[str, ...], arg(metavar="MODALITY|STREAM...", help_behavior_hint="")] = (),
    against: Annotated[tuple[str, ...], arg(metavar="CHECKPOINT...", help_behavior_hint="")] = (),
    out: Annotated[Path | None, arg(metavar="FILE", help_behavior_hint="")] = None,
    device: Device = "auto",
    json: Annotated[bool, arg(help_behavior_hint="")] = False,
    markdown: Annotated[bool, arg(help_behavior_hint="")] = False,
) -> int:
    """Judge a checkpoint on a corpus; several are taken as one model trained with several seeds.

    Each metric comes with its 95 % interval over conversations (over speakers, where a corpus has lone clips
    of several people). Thresholds and calibration are the checkpoint's own, chosen on dev.

    For example:

      affectline evaluate base goemotions --root corpora
      affectline evaluate runs/audio/seed0 runs/audio/seed1 ravdess --without video --json

    Args:
        names: Checkpoints (an installed name or a folder), then a corpus: goemotions, ravdess, meld, mosi ...
        root: The folder that holds the corpora.
        split: The part that judges: train, dev or test.
        without: What is taken away: a modality (text) or a stream (video.faces).
        against: Also give the differences to this checkpoint, on the same samples, and how significant they
            are; several are one model with several seeds.
        out: Also write the JSON here.
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
    from affectline.analyze import find_device

    with usage():
        module, folder, on = _corpus(corpus), find_root(root) / corpus, find_device(device)
        for name in (*checkpoints, *against):
            find_checkpoint(name)
        conversations = [_without(c, without) for c in module.read(folder, split)]
    with terminal.Stages() as stages:
        stages.begin(f"{corpus} {split}")
        results = _results(
            module, folder, conversations, checkpoints, against=against, device=on, stages=stages
        )
    results |= {"corpus": corpus, "split": split, "without": list(without), "checkpoints": checkpoints}
    text = to_json.dumps(results, indent=1, allow_nan=False)
    if out is not None:
        from affectline.files import atomic_write

        atomic_write(out, text + "\n")
    tables = _tables(results)
    if json:
        print(text)
    elif markdown:
        print("\n\n".join(table.markdown() for table in tables))
    else:
        for table in tables:
            terminal.show(table.at_terminal())
    return 0


def _results(
    module: ModuleType,
    folder: Path,
    conversations: "Sequence[Conversation]",
    checkpoints: Sequence[str],
    *,
    against: Sequence[str],
    device: "torch.device",
    stages: terminal.Stages,
) -> dict[str, Any]:
    """What DESIGN.md 4 calls results, and the differences to another checkpoint."""
    from affectline.checkpoint import load
    from affectline.evaluation import difference
    from affectline.evaluation import evaluate as judged

    judge = Judge(module, conversations, load(checkpoints[0], device).labels)
    truth = judge.truth(conversations)
    runs, others = (
        [judge.run(load(name, device), name, stages) for name in side] for side in (checkpoints, against)
    )
    stages("resampling")
    report = judged(
        truth,
        runs,
        base_rate=judge.truth(module.read(folder, "train")).base_rate,
        seeds=range(len(runs)),
        command=shlex.join(["affectline", *sys.argv[1:]]),
    )
    results = report.to_json()
    if others:
        shown = {name: found.to_json() for name, found in difference(truth, runs, others).items()}
        results["against"] = {"checkpoints": list(against), "difference": shown}
    return results


def _corpus(name: str) -> ModuleType:
    """The module of a corpus."""
    import pkgutil

    from affectline import corpora

    known = sorted(m.name for m in pkgutil.iter_modules(corpora.__path__))
    if name not in known:
        raise ValueError(f"there is no corpus {name!r}; there are {', '.join(known)}")
    return import_module(f"affectline.corpora.{name}")


def _without(conversation: "Conversation", what: Sequence[str]) -> "Conversation":
    from affectline.types import Modality

    for name in what:
        if name.partition(".")[0] not in set(Modality):
            raise ValueError(
                f"--without {name}: there is no such modality or stream; give {', '.join(Modality)} or a"
                " stream of one, such as video.faces"
            )
    return conversation.without(*what)


@dataclass(frozen=True)
class Judge:
    """A part of a corpus that checkpoints with these labels are judged on."""

    module: ModuleType
    conversations: "Sequence[Conversation]"
    labels: "LabelSpace"

    def truth(self, conversations: "Sequence[Conversation]") -> "Truth":
        """Of the labels that the checkpoint has."""
        from affectline.evaluation import Truth

        some, by_speaker = getattr(self.module, "SOME_LABELS", {}), _by_speaker(conversations)
        return Truth.of(self.shared(conversations), self.labels, by_speaker=by_speaker, some=some)

    def shared(self, conversations: "Sequence[Conversation]") -> "list[Conversation]":
        """With the labels that the checkpoint has; what else a corpus names does not count.

        Where one label holds, an utterance of another one does not count at all: no answer would be right.

        Raises:
            ValueError: where no label of the checkpoint holds anywhere.
        """
        names = set(self.labels.names)
        found = {emotion for c in conversations for u in c for emotion in u.emotions or ()}
        if not found & names:
            raise ValueError(
                f"the checkpoint answers {', '.join(self.labels.names)}; the corpus has none of these, but "
                f"{', '.join(sorted(found)) or 'no labels'}: it cannot judge this checkpoint"
            )

        def kept(emotions: frozenset[str] | None) -> frozenset[str] | None:
            some = None if emotions is None else emotions & names
            return some if some or self.labels.multilabel else None

        return [
            replace(c, utterances=tuple(replace(u, emotions=kept(u.emotions)) for u in c))
            for c in conversations
        ]

    def run(self, checkpoint: "Checkpoint", name: str, stages: terminal.Stages) -> "Run":
        """The scores of a checkpoint, and the thresholds that hold for what each utterance has."""
        import numpy as np

        from affectline.checkpoint import subset
        from affectline.evaluation import Run
        from affectline.features.video_faces import Faces

        if checkpoint.labels != self.labels:
            raise ValueError(f"{name} has the labels {checkpoint.labels}, the first checkpoint {self.labels}")
        if getattr(self.module, "PICTURES_ARE_FACES", False):
            extractors = tuple(
                replace(e, whole=True) if isinstance(e, Faces) else e for e in checkpoint.extractors
            )
            checkpoint = replace(checkpoint, extractors=extractors)
        rows = checkpoint.predict(self.shared(self.conversations), progress=lambda share: stages(name, share))
        predictions = [prediction for row in rows for prediction in row]
        half = (0.5,) * len(self.labels.names)
        scores = [[p.scores[label] for label in self.labels.names] for p in predictions]
        thresholds = [checkpoint.thresholds.get(subset(p.by_modality), half) for p in predictions]
        return Run(np.array(scores), np.array(thresholds))


def _by_speaker(conversations: "Sequence[Conversation]") -> bool:
    """Whether these are lone clips of several people: then people, not clips, are what is drawn."""
    people = {u.speaker for c in conversations for u in c}
    return all(len(c) == 1 for c in conversations) and 1 < len(people) < len(conversations)


METRICS = (
    "accuracy",
    "weighted_f1",
    "weighted_f1_5",
    "macro_f1",
    "micro_f1",
    "uar",
    "map",
    "auroc",
    "brier_skill",
    "ece",
)


@dataclass(frozen=True)
class Shown:
    """A table of results as text: a row for each metric or label."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]

    def at_terminal(self) -> Table:
        table = Table(title=escape(self.title))
        for n, name in enumerate(self.columns):
            table.add_column(escape(name), justify="right" if n else "left")
        for row in self.rows:
            table.add_row(*map(escape, row))
        return table

    def markdown(self) -> str:
        """As GitHub and Pandoc read it, with its title above."""
        marks = [":--", *["--:"] * (len(self.columns) - 1)]
        rows = (self.columns, marks, *self.rows)
        lines = ["| " + " | ".join(cell.replace("|", r"\|") for cell in row) + " |" for row in rows]
        return "\n".join([f"**{self.title}**", "", *lines])


def _tables(results: dict[str, Any]) -> tuple[Shown, Shown]:
    """All utterances, and label by label."""
    against = results.get("against")
    minus = (f"minus {' '.join(against['checkpoints'])}", "p") if against else ()
    rows = []
    for name in (metric for metric in METRICS if metric in results):
        row = [name, _shown(results[name]), _range(results[name])]
        if against:
            found = against["difference"][name]
            row += [f"{_number(found['mean'])} ({_range(found)})", _number(found["p"])]
        rows.append(row)
    title = f"{' '.join(results['checkpoints'])} on {results['corpus']} {results['split']}"
    kinds = ("f1", "precision", "recall", "ap", "auroc", "brier_skill")
    labels = [
        [label, str(results["support"][label]), *(_number(values[kind]) for kind in kinds)]
        for label, values in results["per_label"].items()
    ]
    return (
        Shown(title, ("metric", "value", "95 % interval", *minus), rows),
        Shown(f"by label, {results['n']} utterances", ("label", "holds in", *kinds), labels),
    )


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _range(estimate: dict[str, float | None]) -> str:
    return f"{_number(estimate['low'])} to {_number(estimate['high'])}"


def _shown(estimate: dict[str, float | None]) -> str:
    spread = f" \N{PLUS-MINUS SIGN} {_number(estimate['sd'])}" if estimate["sd"] is not None else ""
    return f"{_number(estimate['mean'])}{spread}"
