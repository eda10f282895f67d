"""What training sees of recordings where they are the features themselves: each time another part."""

from dataclasses import dataclass, replace

import numpy as np

from affectline.features.even_windows import window
from affectline.media import Cut, View, ViewedClip
from affectline.types import Conversation, Utterance


@dataclass(frozen=True)
class RandomViews:
    """Of each utterance `seconds` somewhere in it, its pictures cut, mirrored and coloured at random.

    Sound, pictures and words stay together; all pictures of an utterance are changed alike. `area`: the share
    of the picture that is cut out, at least and at most, and made a square of `size`; `aspect`: how much
    wider than high, or the other way round, at most; the colours change by what their fields say, at most.

    Paper: (SeMuL-PCD, Section 4.5) "random resize crop", flip, "color augmentation".
    Code:  brightness by 32/255, contrast, saturation and hue by .4.
    Here:  the hue by .1: red faces are not green.
    """

    size: int = 224
    seconds: float = 3.2
    area: tuple[float, float] = (0.35, 1.0)
    aspect: float = 4 / 3
    mirrored: float = 0.5
    brightness: float = 32 / 255
    contrast: float = 0.4
    saturation: float = 0.4
    hue: float = 0.1

    def __call__(self, conversation: Conversation, rng: np.random.Generator) -> Conversation:
        return replace(conversation, utterances=tuple(self._utterance(u, rng) for u in conversation))

    def _utterance(self, utterance: Utterance, rng: np.random.Generator) -> Utterance:
        clip = utterance.clip
        if clip is None:
            return utterance
        spare = clip.duration - self.seconds
        if spare > 0:
            utterance = window(utterance, rng.uniform(0, spare), self.seconds)
        assert utterance.clip is not None
        return replace(utterance, clip=ViewedClip(utterance.clip, self._view(rng)), face=None)

    def _view(self, rng: np.random.Generator) -> View:
        aspect = self.aspect ** rng.uniform(-1, 1)
        return View(
            cut=Cut(self.size, rng.uniform(*self.area), aspect, x=rng.random(), y=rng.random()),
            mirrored=bool(rng.random() < self.mirrored),
            brightness=rng.uniform(-self.brightness, self.brightness),
            contrast=1 + rng.uniform(-self.contrast, self.contrast),
            saturation=1 + rng.uniform(-self.saturation, self.saturation),
            hue=rng.uniform(-self.hue, self.hue),
        )
