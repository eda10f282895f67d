"""Integrated gradients: of functions worked by hand, and through the encoders of checkpoints."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from explain_makers import spoken, with_face
from test_checkpoint_vectors import LABELS, saved
from torch import Tensor, nn

from affectline.analyze.explaining import Explainer, Wanted
from affectline.analyze.soft import Soft
from affectline.checkpoint import Checkpoint
from affectline.checkpoint.asking import Asked
from affectline.explain.gradients import integrated
from affectline.explain.parts import Perturbation
from affectline.explain.regions import regions
from affectline.explain.words import words
from affectline.features.text_tokens import Tokens
from affectline.features.video_faces import Faces
from affectline.models.emoje import Config, EmoJE
from affectline.models.late_fusion import Config as Fused
from affectline.models.late_fusion import LateFusion
from affectline.types import Conversation, Prediction

SAID = "Unbelievable,  what a lovely day!"


def test_weights_of_a_function_worked_by_hand() -> None:
    """Of m1 m2 + 0.2 m3 along the diagonal: half of the product goes to each of its factors."""

    def soft(masks: Tensor) -> Tensor:
        joy = masks[:, 0] * masks[:, 1] + 0.2 * masks[:, 2]
        return torch.stack([1 - joy, joy], dim=1)

    perturbation = words(spoken("a b c d"), 0)
    found = integrated(perturbation, soft, ["anger", "joy"], absent="nothing")
    np.testing.assert_allclose(found.weights["joy"], [0.5, 0.5, 0.2, 0.0], atol=1e-5)
    np.testing.assert_allclose(found.weights["anger"], [-0.5, -0.5, -0.2, 0.0], atol=1e-5)
    assert (found.method, found.samples) == ("ig", 32)
    assert found.fit["joy"] == pytest.approx(1.0, abs=1e-4)
    assert found.probabilities == pytest.approx({"anger": -0.2, "joy": 1.2})


def fused() -> Checkpoint:
    torch.manual_seed(0)
    model = LateFusion(Fused(classes=7, text=2, face=8))
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.uniform_(layer.weight, 0.5, 1.5)
    nn.init.normal_(model.weights["text"], std=0.5)
    key = {"text": ((1.5,) * 7, (0.3,) * 7), "video": ((0.7,) * 7, (-0.2,) * 7)}
    return Checkpoint("fused", model.eval(), LABELS, (Tokens(), Faces(48)), {}, calibration=key)


def joined(folder: Path) -> Checkpoint:
    torch.manual_seed(0)
    extractors = (saved("text", folder / "words"), saved("audio", folder / "voice"))
    streams = {"text.vector": 384, "audio.vector": 40}
    model = EmoJE(Config(classes=7, streams=streams, dim=8, heads=2, layers=1, context=4, several=True))
    return Checkpoint("joined", model.eval(), LABELS, extractors, {})


def same_ends(checkpoint: Checkpoint, soft: Soft, talk: Conversation, index: int, parts: int) -> None:
    """With all parts there it says what the checkpoint does."""
    (said,) = Asked(checkpoint, talk)([talk])
    with torch.no_grad():
        (whole,) = soft(torch.ones(1, parts))
    assert whole.tolist() == pytest.approx([said[index].scores[e] for e in ("joy", "fear")], abs=1e-4)


@pytest.mark.parametrize("kind", ["late fusion", "vectors"])
def test_words_are_told_apart_by_gradients(kind: str, tmp_path: Path) -> None:
    checkpoint = fused() if kind == "late fusion" else joined(tmp_path)
    talk = spoken("hello there", SAID, "oh my")
    perturbation = words(talk, 1, around=1, turns=True)
    soft = Soft(checkpoint, perturbation, ("joy", "fear"))
    same_ends(checkpoint, soft, talk, 1, len(perturbation.parts))
    masks = torch.ones(1, len(perturbation.parts), requires_grad=True)
    soft(masks)[0, 0].backward()
    assert masks.grad is not None
    named = dict(zip([p.name for p in perturbation.parts], masks.grad[0].abs().tolist(), strict=True))
    assert min(named[word] for word in SAID.split()) > 0
    assert (named["hello there"] > 0) == (kind == "vectors")  # a late fusion sees no other turn


def test_each_word_piece_belongs_to_its_word() -> None:
    """A word that is off is one whose pieces are padding: its own, whatever their number."""
    perturbation = words(spoken(SAID), 0)
    reader = Soft(fused(), perturbation, ("joy",))._read.__closure__  # pyright: ignore
    pieces = next(c.cell_contents for c in reader or () if isinstance(c.cell_contents, dict))[0]
    ids, spans = Tokens().pieces(SAID)
    of = [perturbation.parts[o].name if o < 5 else None for o in pieces.owner.tolist()]
    assert of[0] is of[-1] is None
    for (begin, end), word in zip(spans[1:-1], of[1:-1], strict=True):
        assert SAID[begin:end] in (word or "")
    assert len(ids) > 7
    assert {"Unbelievable,", "day!"} < set(of)


def test_a_face_is_explained_by_gradients_and_the_ends_are_those_of_the_perturbation() -> None:
    rng = np.random.default_rng(0)
    talk = with_face(rng.integers(0, 256, (6, 120, 120, 3), dtype=np.uint8))
    perturbation, checkpoint = regions(talk, 0, kind="parts"), fused()
    count = len(perturbation.parts)
    soft = Soft(checkpoint, perturbation, ("joy", "fear"))
    same_ends(checkpoint, soft, talk, 0, count)
    half = np.arange(count) % 2 == 0
    ((said,),) = checkpoint.predict([perturbation(half)])
    with torch.no_grad():
        (found,) = soft(torch.from_numpy(half).float()[None])
    assert found.tolist() == pytest.approx([said.scores["joy"], said.scores["fear"]], abs=1e-4)


def test_a_checkpoint_is_explained_and_judged_by_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("affectline.analyze.explaining.ORDERS", 3)
    explainer = Explainer(fused(), spoken(SAID))
    (found,) = explainer.explain("u0001", Wanted(method="ig", emotions=("joy", "fear")))
    assert found.emotions == ("joy", "fear")
    assert found.absent == "padding"
    judged = found.faithfulness["fear"]
    assert judged.absent == "[MASK]"
    assert judged.stability is None
    assert judged.sanity is not None
    assert judged.sanity < 1
    assert min(found.fit.values()) > 0.9


def test_random_orders_are_asked_once_for_all_methods(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("affectline.analyze.explaining.ORDERS", 3)
    explainer, masked, ask = Explainer(fused(), spoken(SAID)), list[str](), Asked.__call__

    def counted(asked: Asked, conversations: Sequence[Conversation]) -> list[list[Prediction]]:
        said = [c.utterances[0].text or "" for c in conversations]
        masked.extend(text for text in said if "[MASK]" in text)
        return ask(asked, conversations)

    monkeypatch.setattr(Asked, "__call__", counted)
    wanted = [Wanted(method=how, samples=60, checked=False) for how in ("lime", "shap")]
    again = [explainer.explain("u0001", one)[0] for one in wanted]
    assert len(masked) == len(set(masked))
    first, second = (next(iter(one.faithfulness.values())) for one in again)
    assert first.random_deletion == second.random_deletion
    assert first.stability is first.sanity is None
    masked.clear()
    fewer = explainer.explain("u0001", Wanted(samples=60, around=1, checked=False, orders=1))[0]
    assert masked  # which are other parts: nothing of theirs is known
    assert next(iter(fewer.faithfulness.values())).orders == 1
    with pytest.raises(ValueError, match="orders is 0"):
        Wanted(orders=0)


def test_what_gradients_do_not_lead_to_is_said(tmp_path: Path) -> None:
    checkpoint = joined(tmp_path)
    with pytest.raises(ValueError, match="do not lead from the answers of 'joined' to its audio"):
        Soft(checkpoint, _of("audio", words(spoken(SAID), 0)), ("joy",))


def _of(modality: str, perturbation: Perturbation) -> Perturbation:
    """The perturbation as one of another modality."""
    return type("Other", (type(perturbation),), {"modality": modality})(**vars(perturbation))
