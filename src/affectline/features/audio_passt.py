"""The stream "audio.passt": what PaSST, which learnt to name sounds, makes of them (AMuSE, Section III-A).

Koutini et al. 2022: Efficient training of audio transformers with patchout. The package hear21passt is under
Apache-2.0 and fetches its weights, trained on AudioSet, when they are first needed.
"""

import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from functools import cache

import numpy as np
import torch
from jaxtyping import Float32

from affectline.features import Item
from affectline.types import Conversation, Modality, Waveform

RATE = 32000  # of the sound that it was trained on
SEGMENTS = 64  # at most
_SHORTEST = RATE * 160 // 2000 + 1  # samples: the package mirrors half a window of 160 ms at either end


@dataclass(frozen=True)
class PaSST:
    """Its features of windows of 160 ms, every 50 ms, averaged over equal stretches: (64 or fewer, 768).

    A sound of 80 ms or less has none: length 0. `device`: where it is computed.

    Paper: the PaSST feature of each segment; how long these are is not said.
    Code:  openSMILE's 6373 functionals, or one vector of PaSST for all of the sound.
    Here:  the package's own windows, averaged to 64 at most; its 527 logits beside the features are left out.

    Raises:
        ImportError: if the extra `passt` is not installed.
    """

    device: str = field(default="cpu", repr=False)

    stream = "audio.passt"
    shape = (768,)
    dtype = np.float32
    stored = True

    def content(self, conversation: Conversation, index: int) -> str | None:
        clip = conversation.utterances[index].clip
        return clip.content(Modality.AUDIO) if clip is not None and clip.has_audio else None

    def __call__(self, items: Sequence[Item]) -> list[Float32[np.ndarray, "_time 768"]]:
        clips = [conversation.utterances[index].clip for conversation, index in items]
        return [self.of(clip.waveform(RATE)) for clip in clips if clip is not None]

    def of(self, waveform: Waveform) -> Float32[np.ndarray, "time 768"]:
        """The features of sound at 32 kHz."""
        network = _network(self.device)
        if len(waveform) < _SHORTEST:
            return np.zeros((0, *self.shape), np.float32)
        from hear21passt.base import get_timestamp_embeddings  # pyright: ignore[reportMissingImports]

        with redirect_stdout(sys.stderr), torch.random.fork_rng(devices=[]):  # it prints, and draws numbers
            windows, _ = get_timestamp_embeddings(torch.from_numpy(waveform)[None], network)
        return averaged(windows[0].cpu().numpy(), SEGMENTS)


def averaged(steps: Float32[np.ndarray, "steps dim"], limit: int) -> Float32[np.ndarray, "time dim"]:
    """The means over `limit` stretches that are as equal as can be; fewer steps stay as they are."""
    edges = np.linspace(0, len(steps), min(len(steps), limit) + 1).astype(int)
    return np.add.reduceat(steps, edges[:-1], axis=0) / np.diff(edges)[:, None].astype(np.float32)


@cache
def _network(device: str) -> torch.nn.Module:
    try:
        from hear21passt.base import load_model  # pyright: ignore[reportMissingImports]
    except ModuleNotFoundError as error:
        raise ImportError(
            'hear21passt is not installed; pip install "affectline[passt]" brings it'
        ) from error
    with redirect_stdout(sys.stderr), torch.random.fork_rng(devices=[]):
        return load_model(mode="embed_only").to(device).eval()
