from dataclasses import replace

import numpy as np
import pytest
import torch

from affectline.batch import Batch
from affectline.corpora.synthetic import LABELS
from affectline.epochs import Drawn, Epochs
from affectline.features.random_views import RandomViews
from affectline.features.video_frames import Pixels
from affectline.media import MemoryClip
from affectline.types import Conversation, Utterance


def talks(count: int) -> list[Conversation]:
    """Each with forty pictures of a brightness of its own."""
    found = []
    for n in range(count):
        clip = MemoryClip(None, 16_000, np.full((40, 8, 8, 3), 20 * n, np.uint8), 10.0)
        found.append(Conversation(f"c{n}", (Utterance(id=f"u{n}", speaker="A", clip=clip),)))
    return found


def drawn(**changes: object) -> Drawn:
    plain = RandomViews(size=8, contrast=0.0, saturation=0.0, hue=0.0)
    made = Drawn(talks(5), (Pixels(size=8),), LABELS, size=2, seed=0, view=plain)
    return replace(made, **changes)  # pyright: ignore[reportArgumentType]


def pictures(batches: list[Batch]) -> list[torch.Tensor]:
    return [batch.streams["video.frames"].values for batch in batches]


def brightness(batches: list[Batch]) -> np.ndarray:
    """Of each conversation; a view adds up to 32 to it."""
    return np.concatenate([x.float().mean(dim=(1, 2, 3, 4, 5)).numpy() for x in pictures(batches)])


def test_each_epoch_has_every_conversation_once_in_another_order_and_another_view() -> None:
    epochs = drawn(view=lambda conversation, _: conversation)
    assert isinstance(epochs, Epochs)
    first, second = list(epochs(0)), list(epochs(1))
    assert [len(batch.mask) for batch in first] == [2, 2, 1]
    assert len(epochs) == 3
    assert sorted(brightness(first)) == sorted(brightness(second)) == [0, 20, 40, 60, 80]
    assert brightness(first).tolist() != brightness(second).tolist()
    seen = [sorted(brightness(list(drawn()(epoch)))) for epoch in (0, 1)]
    assert seen[0] != pytest.approx(seen[1], abs=1)


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_the_same_epoch_is_the_same_whoever_makes_it() -> None:
    alone, again, beside = (pictures(list(drawn(workers=n)(3))) for n in (0, 0, 2))
    for other in (again, beside):
        assert all(torch.equal(a, b) for a, b in zip(alone, other, strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(alone, pictures(list(drawn(seed=1)(3))), strict=True))
