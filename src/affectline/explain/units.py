"""Action units that speak for an emotion, where a model reads the stream "video.aus"."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from affectline.explain.parts import Mask, Part, enough
from affectline.features.video_aus import UNITS
from affectline.media import ChangedClip
from affectline.types import Conversation, Modality

UNITS_OF = "units"
"""The kind of part that these are, beside the regions of a picture."""
STILL, HALF = 0.0, 0.5  # of a unit that is off: it does not move; where it is judged, it moves by half
NAMES = {
    "AU01": "inner brow raiser",
    "AU02": "outer brow raiser",
    "AU04": "brow lowerer",
    "AU06": "cheek raiser",
    "AU07": "lid tightener",
    "AU10": "upper lip raiser",
    "AU12": "lip corner puller",
    "AU14": "dimpler",
    "AU15": "lip corner depressor",
    "AU17": "chin raiser",
    "AU23": "lip tightener",
    "AU24": "lip pressor",
}
"""Of the Facial Action Coding System (Ekman and Friesen 1978)."""


@dataclass(frozen=True)
class Units:
    """An utterance in whose face action units are held still, in every picture."""

    conversation: Conversation
    index: int
    parts: tuple[Part, ...]
    held: float = STILL

    modality = Modality.VIDEO

    @property
    def absent(self) -> str:
        return "no movement" if self.held == STILL else "half a movement"

    @property
    def shown(self) -> dict[str, Any]:
        """Nothing but their names."""
        return {}

    @property
    def judge(self) -> "Units":
        """The same parts with another "absent", by which an explanation is judged."""
        return replace(self, held=HALF)

    def __call__(self, mask: Mask) -> Conversation:
        clip = self.conversation.utterances[self.index].clip
        if mask.all() or clip is None:
            return self.conversation
        held = {name: self.held for name, on in zip(UNITS, mask, strict=True) if not on}
        return self.conversation.edit(self.index, clip=PosedClip(clip, held))


def units(conversation: Conversation, index: int) -> Units:
    """The twelve action units of the speaker's face.

    Raises:
        ValueError: there is no picture.
    """
    own = conversation.utterances[index]
    if Modality.VIDEO in own.missing or own.clip is None or not own.clip.has_video:
        raise ValueError(f"utterance {own.id!r} has no picture; explain its words or its sound")
    parts = tuple(Part(f"{name} {NAMES[name]}", own.id, own.span) for name in UNITS)
    enough(parts, own, "one action unit")
    return Units(conversation, index, parts)


@dataclass(frozen=True)
class PosedClip(ChangedClip):
    """A clip that shows what it did, but whose action units are held at these values."""

    held: Mapping[str, float] = field(hash=False)

    def window(self, start: float, duration: float) -> "PosedClip":
        return replace(self, clip=self.clip.window(start, duration))

    def content(self, modality: Modality) -> str:
        own = self.clip.content(modality)
        if modality is not Modality.VIDEO:
            return own
        return hashlib.sha256(f"{own} {sorted(self.held.items())}".encode()).hexdigest()
