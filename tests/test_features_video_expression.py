import numpy as np
import pytest

from affectline import checkpoint
from affectline.features import extract
from affectline.features.video_expression import Expression, shipped
from affectline.media import MemoryClip
from affectline.types import EMOTIONS, Conversation, Modality, Utterance


def pictures(count: int) -> np.ndarray:
    return np.random.default_rng(count).integers(0, 256, (count, 48, 48, 3), dtype=np.uint8)


def shown(images: np.ndarray) -> Conversation:
    clip = MemoryClip(None, 16_000, images, 5.0)
    return Conversation("c", (Utterance(id="u", speaker="A", clip=clip),))


def expression(images: np.ndarray) -> np.ndarray:
    return extract([shown(images)], [Expression(whole=True)])[0][0]["video.expression"]


def test_each_picture_gives_the_scores_and_the_embedding_of_the_face_network():
    found = expression(pictures(3))
    assert found.shape == (3, *Expression().shape)
    assert Expression().shape[0] > len(EMOTIONS)
    assert ((found[:, : len(EMOTIONS)] > 0) & (found[:, : len(EMOTIONS)] < 1)).all()
    assert len(np.unique(found[:, 0])) == 3
    np.testing.assert_allclose(found[1:2], expression(pictures(3)[1:2]), rtol=1e-4, atol=1e-5)


def test_the_scores_of_one_picture_are_those_of_the_checkpoint():
    base = checkpoint.load(checkpoint.installed()["base"] / Modality.VIDEO)
    talk = shown(pictures(1))
    streams = {e.stream: np.zeros((0, *e.shape), e.dtype) for e in base.extractors}
    [seen] = base.decode([talk], [[{**streams, "video.faces": pictures(1)}]])
    scores = expression(pictures(1))[0, : len(EMOTIONS)]
    assert scores == pytest.approx([seen.by_modality[Modality.VIDEO][e] for e in EMOTIONS], abs=1e-4)


def test_no_face_no_expression():
    clip = MemoryClip(None, 16_000, pictures(3), 5.0)
    talk = Conversation("c", (Utterance(id="u", speaker="A", clip=clip),))
    assert extract([talk], [Expression()])[0][0]["video.expression"].shape == (0, *Expression().shape)


def test_the_network_of_another_version_is_refused():
    assert Expression(weights=shipped()[1]) == Expression()
    with pytest.raises(ValueError, match="install the version"):
        Expression(weights="0" * 64)
