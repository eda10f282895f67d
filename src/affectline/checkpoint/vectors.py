"""The streams "text.vector", "audio.vector", "video.vector": utterances as a trained classifier sees them."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from typing import TypeVar

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from affectline.features import Array, Extractor, Item
from affectline.features.video_faces import seen_whole
from affectline.models.late_fusion import Branch, LateFusion
from affectline.types import Conversation, Modality

Network = TypeVar("Network", bound=nn.Module)

HELD = 64  # utterances whose words, spectrograms or crops are in memory at once
SIZE = 16  # of them that a network sees at once


@dataclass(frozen=True)
class Vectors:
    """One vector for each utterance, (1, width): what the last layer of a late fusion's branch reads.

    So a model of dialogues can learn on networks that were trained on one modality each, in seconds, and an
    explanation encodes only what it changed. `checkpoint`: the name of an installed one, or a folder.
    `answers`: that the branch's calibrated logits follow, which `width` then counts too. `whole`: as in
    `Faces`, whatever the branch was trained on.

    Raises:
        ValueError: once it is used, where there is no such checkpoint, it is damaged, or it is no late fusion
            with a branch for the modality.
    """

    checkpoint: str
    modality: Modality
    width: int
    answers: bool = False
    whole: bool = False

    dtype = np.float32
    stored = True

    @property
    def stream(self) -> str:
        return f"{self.modality}.vector"

    @property
    def shape(self) -> tuple[int]:
        return (self.width,)

    def load(self) -> None:
        """Load the network, which is else done when it is first used."""
        _encoder(self.checkpoint, self.modality)

    def content(self, conversation: Conversation, index: int) -> str | None:
        encoder, source = self._encoder, self.source
        if not conversation.utterances[index].has(source.stream):
            return None
        read = source.content(conversation, index)
        return read and f"{source!r} {read} {encoder.sha256}"

    @torch.inference_mode()
    def __call__(self, items: Sequence[Item]) -> list[Float32[np.ndarray, "_time width"]]:
        encoder, source = self._encoder, self.source
        found: list[Float32[np.ndarray, "_time width"]] = []
        for start in range(0, len(items), HELD):
            arrays = source(items[start : start + HELD])
            vectors = [np.zeros((0, self.width), np.float32)] * len(arrays)
            there = sorted((n for n, a in enumerate(arrays) if len(a)), key=lambda n: len(arrays[n]))
            for rows in (there[i : i + SIZE] for i in range(0, len(there), SIZE)):
                for n, vector in zip(rows, self._seen(encoder, rows, arrays), strict=True):
                    vectors[n] = vector[None]
            found += vectors
        return found

    def _seen(
        self, encoder: "_Encoder", rows: Sequence[int], arrays: Sequence[Array]
    ) -> Float32[np.ndarray, "n width"]:
        vectors = encoder.embed([arrays[n] for n in rows])
        if self.answers:
            vectors = torch.cat([vectors, encoder.model.answer(self.modality, vectors)], dim=1)
        return vectors.float().numpy()  # where explanations ask it is in half the precision

    @property
    def source(self) -> Extractor:
        """What extracts what the network reads."""
        (source,) = seen_whole([self._encoder.source], self.whole)
        return source

    @property
    def network(self) -> LateFusion:
        """What the branch is of."""
        return self._encoder.model

    @property
    def _encoder(self) -> "_Encoder":
        return _encoder(self.checkpoint, self.modality)


@dataclass(frozen=True)
class ShuffledVectors(Vectors):
    """The same by a network whose weights are shuffled: what an explanation is held against."""

    seed: int = 0

    @property
    def _encoder(self) -> "_Encoder":
        return _shuffled(self.checkpoint, self.modality, self.seed)


@dataclass(frozen=True)
class _Encoder:
    """Of a checkpoint what reads one modality; `sha256`: of its weights."""

    source: Extractor
    model: LateFusion
    branch: Branch
    sha256: str

    def embed(self, arrays: Sequence[Array]) -> Float[Tensor, "n dim"]:
        values = pad_sequence([torch.from_numpy(array) for array in arrays], batch_first=True)
        lengths = torch.tensor([len(array) for array in arrays])
        return self.branch.embed(values, torch.arange(values.shape[1]) < lengths[:, None])


@torch.no_grad()
def shuffled(model: Network, seed: int) -> Network:
    """A copy with the values of each weight shuffled among themselves."""
    made = copy.deepcopy(model)
    generator = torch.Generator().manual_seed(seed)
    for weight in made.parameters():
        order = torch.randperm(weight.numel(), generator=generator).to(weight.device)
        weight.copy_(weight.flatten()[order].reshape(weight.shape))
    return made


@lru_cache(maxsize=3)
def _shuffled(checkpoint: str, modality: Modality, seed: int) -> _Encoder:
    found = _encoder(checkpoint, modality)
    model = shuffled(found.model, seed)
    return replace(found, model=model, branch=model.branch(modality)[1])


@cache
def _encoder(checkpoint: str, modality: Modality) -> _Encoder:
    from affectline.checkpoint import load  # which names this module's extractor

    try:
        found = load(checkpoint)
        if not isinstance(found.model, LateFusion):
            raise ValueError(f"it is a {type(found.model).__name__}, and a LateFusion is needed")
        stream, branch = found.model.branch(modality)
    except ValueError as error:
        raise ValueError(f"{checkpoint!r} gives no {modality}.vector: {error}") from error
    (source,) = (e for e in found.extractors if e.stream == stream)
    return _Encoder(source, found.model, branch, found.sha256)
