"""Several corpora in one training, each of which lacks modalities, or labels, by nature."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from affectline.corpora import shared
from affectline.recipes import Read
from affectline.types import Conversation, LabelSpace


@dataclass(frozen=True)
class Part:
    """A corpus of a mixture: how it is read, and the labels that its annotators could name."""

    read: Read
    labels: LabelSpace


def mixed(parts: Mapping[str, Part], labels: LabelSpace) -> Read:
    """All of these corpora, one after the other, each from the folder of its name; a recipe's corpus is ".".

    Each conversation says of which `corpus` it is, and its id begins with that; utterances keep theirs, by
    which files of features name them. What a corpus does not name is not known of it: it is no example of the
    label's absence. What it names and `labels` lacks is dropped, as where a checkpoint is judged by a corpus
    (see `affectline.corpora.shared`): else nothing could be learnt from those that name more than others.

    Raises:
        ValueError: a corpus names none of the labels; while reading, where a part of it is not there.
    """
    for name, part in parts.items():
        if not set(part.labels.names) & set(labels.names):
            raise ValueError(
                f"{name} names {', '.join(part.labels.names)}, and none of what is to be learnt, "
                f"{', '.join(labels.names)}; leave it out of the mixture"
            )

    def read(root: Path, split: str) -> list[Conversation]:
        return [
            replace(shared(c, labels, part.labels.names), id=f"{name}/{c.id}", corpus=name)
            for name, part in parts.items()
            for c in part.read(root / name, split)
        ]

    return read
