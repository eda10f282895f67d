"""What is seen of long recordings where they are the features themselves: windows over all of them."""

from dataclasses import dataclass, replace

import numpy as np

from affectline.features.text_words import within
from affectline.types import Conversation, Span, Utterance


@dataclass(frozen=True)
class EvenWindows:
    """`count` windows of `seconds` evenly over each longer utterance, the first and the last at its ends.

    Each is a conversation of its own, so this is for models without context; what is no longer than a window
    is there once. `affectline.models.infer` answers with the mean over the windows of an utterance. Of one
    window all is left to the extractors, which take the middle.

    Paper: (SeMuL-PCD, Section 4.5) 32 pictures at 10 a second; not which part of a longer clip they are.
    Code:  pictures and samples evenly over all of the clip, cropped at random in evaluation too.
    Here:  as many windows as the recipe says, for dev, which calibrates, and for all that is judged later.
    """

    count: int = 1
    seconds: float = 3.2

    def __post_init__(self) -> None:
        if self.count < 1 or self.seconds <= 0:
            raise ValueError(f"windows need a count of 1 or more and seconds over 0, got {self}")

    def __call__(self, conversation: Conversation) -> list[Conversation]:
        """Window after window, utterance after utterance."""
        if self.count == 1:
            return [conversation]
        return [replace(conversation, utterances=(w,)) for u in conversation for w in self._windows(u)]

    def _windows(self, utterance: Utterance) -> list[Utterance]:
        spare = 0.0 if utterance.clip is None else utterance.clip.duration - self.seconds
        if spare <= 0:
            return [utterance]
        starts = np.linspace(0.0, spare, self.count).tolist()
        return [replace(window(utterance, s, self.seconds), window=n) for n, s in enumerate(starts)]


def window(utterance: Utterance, start: float, seconds: float) -> Utterance:
    """The part of an utterance from `start` on: sound, pictures and, where their times are known, words."""
    assert utterance.clip is not None
    face = utterance.face and utterance.face.window(start, seconds)
    cut = replace(utterance, clip=utterance.clip.window(start, seconds), face=face)
    if utterance.span is None:
        return cut
    span = Span(utterance.span.start + start, utterance.span.start + start + seconds)
    return replace(within(cut, span), span=span)
