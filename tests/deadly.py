"""What kills the worker that does it; processes of Ray import this by its name."""

import os
import signal
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from affectline.features import Item
from affectline.scale import Worker
from affectline.types import Conversation


class ByName:
    """What extractors of tests share: an utterance is known by its name."""

    shape = ()
    dtype = np.float32
    stored = True

    def content(self, conversation: Conversation, index: int) -> str | None:
        return conversation.utterances[index].id


@dataclass(frozen=True)
class Deadly(ByName):
    """Kills the process that reads an utterance of this name; `once`: where this file is not there yet."""

    id: str
    once: str = ""

    stream = "audio.deadly"

    def __call__(self, items: Sequence[Item]) -> list[np.ndarray]:
        ids = [c.utterances[n].id for c, n in items]
        if self.id in ids and not (self.once and Path(self.once).exists()):
            if self.once:
                Path(self.once).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return [np.array([len(id)], np.float32) for id in ids]


def marking(folder: Path) -> Worker[int, bytes]:
    """Marks every item that it begins, and says which process it is."""

    def made(item: int, deadly: Collection[str]) -> Iterator[str | bytes]:
        (folder / str(item)).touch()
        yield "all of it"
        time.sleep(0.05)
        yield str(os.getpid()).encode()

    return made


def hopeless() -> Worker[int, bytes]:
    """Cannot be loaded."""
    raise ImportError("the extra that this needs is missing")
