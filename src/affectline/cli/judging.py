"""A corpus and the checkpoints that it judges."""

import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from affectline.cli import terminal

if TYPE_CHECKING:
    import torch

    from affectline.checkpoint import Checkpoint
    from affectline.doctor.manifest import Manifest, Read
    from affectline.evaluation import Run, Truth
    from affectline.features import Extractor
    from affectline.types import Conversation, LabelSpace


class NotJudgedError(ValueError):
    """A corpus and a checkpoint have nothing in common."""


@dataclass(frozen=True)
class Corpus:
    """A part of a corpus that is judged by, and the folder that it lies in."""

    name: str
    module: ModuleType
    folder: Path
    conversations: "Sequence[Conversation]"
    reader: "Read"

    @classmethod
    def read(cls, name: str, root: Path, split: str, manifest: "Manifest | None" = None) -> "Corpus":
        """The part of this name, or what a manifest names of it.

        Raises:
            ValueError: there is no such corpus or part.
        """
        from affectline.corpora import find
        from affectline.doctor.manifest import Read, selected

        folder = root / name
        module = find(name, folder)
        reader: Read = module.read if manifest is None else selected(module.read, manifest, name)
        conversations = reader(folder, split)
        if manifest is not None and not conversations:
            raise ValueError(f"the manifest names no utterance of {name} in the part {split!r}; give --split")
        return cls(name, module, folder, conversations, reader)

    def without(self, lost: Sequence[str]) -> "Corpus":
        """The same, with these modalities or streams taken away.

        Raises:
            ValueError: there is no such modality.
        """
        return replace(self, conversations=[without(c, lost) for c in self.conversations])


def results(
    corpus: Corpus,
    checkpoints: Sequence[str],
    *,
    against: Sequence[str] = (),
    device: "torch.device",
    stages: terminal.Stages,
    must_read: bool = False,
) -> dict[str, Any]:
    """What DESIGN.md 4 calls results, and the differences to another checkpoint.

    Raises:
        NotJudgedError: corpus and checkpoints share no label or, with `must_read`, no stream.
    """
    from affectline.checkpoint import load
    from affectline.evaluation import difference, evaluate

    first = load(checkpoints[0], device)
    judge = Judge(corpus.module, corpus.conversations, first.labels)
    truth = judge.truth(corpus.conversations)
    if must_read:
        judge.require_anything_of(first)
    runs, others = (
        [judge.run(load(name, device), name, stages) for name in side] for side in (checkpoints, against)
    )
    stages("resampling")
    report = evaluate(
        truth,
        runs,
        base_rate=judge.truth(corpus.reader(corpus.folder, "train")).base_rate,
        seeds=range(len(runs)),
        command=shlex.join(["affectline", *sys.argv[1:]]),
    )
    found = report.to_json() | {"labels": list(judge.both), "left_out": judge.left_out}
    if others:
        shown = {name: value.to_json() for name, value in difference(truth, runs, others).items()}
        found["against"] = {"checkpoints": list(against), "difference": shown}
    return found


def without(conversation: "Conversation", what: Sequence[str]) -> "Conversation":
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

    @property
    def both(self) -> tuple[str, ...]:
        """The labels that checkpoint and corpus have, by name, in the checkpoint's order."""
        return tuple(name for name in self.labels.names if name in self.module.LABELS.names)

    @property
    def left_out(self) -> dict[str, list[str]]:
        """The labels that one of them alone has: no judgement is made of these."""
        ours, theirs = self.labels.names, self.module.LABELS.names
        return {
            "checkpoint": [name for name in ours if name not in theirs],
            "corpus": [name for name in theirs if name not in ours],
        }

    def truth(self, conversations: "Sequence[Conversation]") -> "Truth":
        """Of the labels that both have."""
        from affectline.evaluation import Truth

        some, by_speaker = getattr(self.module, "SOME_LABELS", {}), _by_speaker(conversations)
        return Truth.of(self.shared(conversations), self.labels, by_speaker=by_speaker, some=some)

    def shared(self, conversations: "Sequence[Conversation]") -> "list[Conversation]":
        """With the labels that both have: see `affectline.corpora.shared`.

        Raises:
            NotJudgedError: where no label of the checkpoint holds anywhere.
        """
        from affectline.corpora import shared

        found = {emotion for c in conversations for u in c for emotion in u.emotions or ()}
        if not found & set(self.labels.names):
            raise NotJudgedError(
                f"the checkpoint answers {', '.join(self.labels.names)}; the corpus has none of these, but "
                f"{', '.join(sorted(found)) or 'no labels'}: it cannot judge this checkpoint"
            )
        return [shared(c, self.labels, self.module.LABELS.names) for c in conversations]

    def require_anything_of(self, checkpoint: "Checkpoint") -> None:
        """Refuse a corpus in which the checkpoint would see nothing at all.

        Raises:
            NotJudgedError: where no utterance has anything of any of its streams.
        """
        from affectline.features import content_of

        items = [(c, n) for c in self.conversations for n in range(len(c))]
        for e in self.extractors(checkpoint):
            if any(content_of(e, c, n) is not None for c, n in items):
                return
        streams = ", ".join(e.stream for e in checkpoint.extractors)
        raise NotJudgedError(f"no utterance has anything of {streams}: the checkpoint would answer blindly")

    def extractors(self, checkpoint: "Checkpoint") -> "tuple[Extractor, ...]":
        """The checkpoint's, as they see this corpus."""
        from affectline.features.video_faces import seen_whole

        faces = getattr(self.module, "PICTURES_ARE_FACES", False)
        return seen_whole(checkpoint.extractors) if faces else checkpoint.extractors

    def run(self, checkpoint: "Checkpoint", name: str, stages: terminal.Stages) -> "Run":
        """The scores of a checkpoint, and the thresholds that hold for what each utterance has."""
        from affectline.evaluation.robustness import run_of

        checkpoint = self.seeing(checkpoint, name)
        rows = checkpoint.predict(self.shared(self.conversations), progress=lambda share: stages(name, share))
        return run_of(checkpoint, [prediction for row in rows for prediction in row])

    def seeing(self, checkpoint: "Checkpoint", name: str) -> "Checkpoint":
        """The checkpoint as it looks at this corpus.

        Raises:
            ValueError: where it answers other labels than the first one.
        """
        if checkpoint.labels != self.labels:
            raise ValueError(f"{name} has the labels {checkpoint.labels}, the first checkpoint {self.labels}")
        return replace(checkpoint, extractors=self.extractors(checkpoint))


def _by_speaker(conversations: "Sequence[Conversation]") -> bool:
    """Whether these are lone clips of several people: then people, not clips, are what is drawn."""
    people = {u.speaker for c in conversations for u in c}
    return all(len(c) == 1 for c in conversations) and 1 < len(people) < len(conversations)
