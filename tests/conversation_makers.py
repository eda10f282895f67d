"""Conversations with made-up vectors for the tests of the models that know context."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch
from torch import nn

from affectline.batch import Batch, Features, Stream, collate
from affectline.types import EMOTIONS, Conversation, LabelSpace, Modality, Utterance

LABELS = LabelSpace(EMOTIONS)
STREAMS = {"text.words": 8, "audio.voice": 12, "video.mien": 10}
LOST = [(), ("text",), ("audio",), ("video",), ("text", "audio"), ("audio", "video"), tuple(Modality)]
"""Modalities that may be lost together: none of them, some, all."""


def talks(
    lengths: tuple[int, ...] = (3, 1, 7), seed: int = 0, streams: Mapping[str, int] = STREAMS
) -> tuple[list[Conversation], list[list[Features]]]:
    """Three speakers, vectors that lean towards their label, and here and there a stream that is missing."""
    rng = np.random.default_rng(seed)
    leaning = {s: rng.normal(size=(len(EMOTIONS), width)) for s, width in streams.items()}
    conversations, features = [], []
    for n, length in enumerate(lengths):
        labels = rng.integers(0, len(EMOTIONS), size=length)
        speakers = rng.choice(["A", "B", "C"], size=length)
        conversations.append(
            Conversation(
                f"{n}",
                tuple(
                    Utterance(id=f"{n}.{i}", speaker=str(who), emotions=frozenset({EMOTIONS[label]}))
                    for i, (who, label) in enumerate(zip(speakers, labels, strict=True))
                ),
            )
        )
        features.append(
            [
                {
                    s: (leaning[s][label] + 0.3 * rng.normal(size=(1, w))).astype(np.float32)[
                        : int(rng.random() < 0.8 or s == "text.words")
                    ]
                    for s, w in streams.items()
                }
                for label in labels
            ]
        )
    return conversations, features


def batch_of(lengths: tuple[int, ...] = (3, 1, 7), seed: int = 0) -> Batch:
    return collate(*talks(lengths, seed), LABELS)


def with_steps(count: int = 4) -> Batch:
    """A batch whose streams have several time steps, some utterances more than others."""
    batch = batch_of()
    generator = torch.Generator().manual_seed(0)
    streams = {}
    for name, s in batch.streams.items():
        values = torch.randn(*s.values.shape[:2], count, s.values.shape[3], generator=generator)
        long = torch.randint(1, count + 1, s.mask.shape[:2], generator=generator)
        mask = s.mask & (torch.arange(count) < long[..., None])
        streams[name] = Stream(values.masked_fill(~mask[..., None], 0.0), mask)
    return replace(batch, streams=streams)


def alone(batch: Batch, row: int) -> Batch:
    """One conversation of a batch, without padding."""
    length = int(batch.mask[row].sum())
    return Batch(
        {
            n: Stream(s.values[row : row + 1, :length], s.mask[row : row + 1, :length])
            for n, s in batch.streams.items()
        },
        *(
            getattr(batch, name)[row : row + 1, :length]
            for name in ("mask", "speakers", "targets", "known", "ratings")
        ),
    )


def spoilt(batch: Batch) -> Batch:
    """Nan wherever the masks say that nothing is."""
    streams = {
        n: Stream(s.values.masked_fill(~s.mask.unsqueeze(-1), torch.nan), s.mask)
        for n, s in batch.streams.items()
    }
    return replace(batch, streams=streams)


def assert_padding_changes_nothing(model: nn.Module, batch: Batch) -> None:
    """Whatever stands in it: each conversation is answered as it is by itself."""
    together = model(spoilt(batch)).logits
    for row, length in enumerate(batch.mask.sum(dim=1).tolist()):
        by_itself = model(alone(batch, row)).logits[0]
        torch.testing.assert_close(together[row, :length], by_itself, atol=1e-5, rtol=1e-4)


def assert_who_is_the_same_matters_and_no_name(model: nn.Module, batch: Batch) -> None:
    """Speakers may change their names, and not become one."""
    renamed = replace(batch, speakers=torch.where(batch.speakers >= 0, 2 - batch.speakers, -1))
    one = replace(batch, speakers=torch.where(batch.speakers >= 0, 0, -1))
    here, same, other = (model(b).logits[batch.mask] for b in (batch, renamed, one))
    torch.testing.assert_close(here, same)
    assert (here - other).abs().max() > 1e-4
