"""What every model must do with what is missing: never read it, answer by the rest, abstain on nothing."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch
from conversation_makers import LABELS as ONE
from conversation_makers import LOST, STREAMS, batch_of, spoilt, talks, with_steps
from raw_makers import CONFIG as RAW
from raw_makers import LABELS as SEVERAL
from raw_makers import raw_batch, raw_conversations, raw_spoilt
from torch import nn

from affectline.abstention import EVIDENCE, Abstention
from affectline.batch import Batch
from affectline.checkpoint import Checkpoint
from affectline.models import MODELS, amuse, emoje, late_fusion, multiemo, semul_pcd
from affectline.types import EMOTIONS, LabelSpace, Modality

CLASSES = len(EMOTIONS)
SMALL = {"classes": CLASSES, "streams": STREAMS, "dim": 16, "heads": 2, "dropout": 0.0}


@dataclass(frozen=True)
class Case:
    """A tiny model of random weights, and what it is tried on."""

    model: Callable[[], nn.Module]
    objective: Callable[..., dict[str, torch.Tensor]]
    batch: Callable[[], Batch] = batch_of
    talks: Callable[[], Any] = talks
    spoil: Callable[[Batch], Batch] = spoilt
    labels: LabelSpace = ONE

    def built(self) -> Any:
        torch.manual_seed(0)
        model = self.model()
        if isinstance(model, amuse.AMuSE | emoje.EmoJE | multiemo.MultiEMO):
            model.fit(talks()[1])
        if isinstance(model, emoje.EmoJE):
            model.fit_prior(*(x[batch_of().mask] for x in (batch_of().targets, batch_of().known)))
        if isinstance(model, late_fusion.LateFusion):
            nn.init.normal_(model.prior)
        return model.eval()


def _emoje(joint: int) -> Callable[[], nn.Module]:
    config = emoje.Config(**SMALL, attention=1, layers=1, context=6, joint=joint)
    return lambda: emoje.EmoJE(config)


CASES = {
    "late_fusion": Case(
        lambda: late_fusion.LateFusion(late_fusion.Config(classes=CLASSES, vectors=STREAMS, dropout=0.0)),
        late_fusion.Objective(),
        labels=replace(ONE, multilabel=True),
    ),
    "amuse": Case(
        lambda: amuse.AMuSE(amuse.Config(**SMALL, layers=1, context=6, attention=1)),
        amuse.Objective(),
        with_steps,
    ),
    "emoje": Case(_emoje(6), emoje.Objective(), with_steps),
    "emoje without a joint space": Case(_emoje(0), emoje.Objective(), with_steps),
    "multiemo": Case(
        lambda: multiemo.MultiEMO(multiemo.Config(**SMALL, layers=1, hidden=32, head=12)),
        multiemo.Objective(counts=(40, 17, 7, 11, 12, 3, 3), hgr="paper"),
    ),
    "semul_pcd": Case(
        lambda: semul_pcd.SeMuLPCD(RAW),
        semul_pcd.Objective(),
        raw_batch,
        raw_conversations,
        raw_spoilt,
        SEVERAL,
    ),
}
Cases = pytest.mark.parametrize("name", CASES)


def test_every_model_is_tried() -> None:
    assert set(MODELS) == {name.split()[0] for name in CASES}


@torch.no_grad()
@Cases
def test_a_mode_that_is_lost_says_nothing_and_one_that_is_there_does(name: str) -> None:
    case = CASES[name]
    model, batch = case.built(), case.batch()
    real, whole = batch.mask, model(batch).logits
    for stream in batch.streams:
        lost = batch.without(stream)
        silent, loud = model(lost), model(case.spoil(lost))
        torch.testing.assert_close(silent.logits[real], loud.logits[real], rtol=0, atol=0)
        assert (silent.logits[real] - whole[real]).abs().max() > 1e-4
        assert not silent.present[Modality(stream.split(".")[0])].any()


@Cases
@pytest.mark.parametrize("gone", LOST, ids="+".join)
def test_every_set_of_modalities_gives_finite_answers_and_gradients(name: str, gone: tuple[str, ...]) -> None:
    case = CASES[name]
    model, batch = case.built().train(), case.spoil(case.batch().without(*gone))
    terms = case.objective(model, batch)
    sum(terms.values(), torch.zeros(())).backward()
    assert all(torch.isfinite(t) for t in terms.values())
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


@Cases
def test_where_there_is_nothing_the_answer_is_the_prior_and_it_abstains(name: str) -> None:
    case = CASES[name]
    model, (conversations, features) = case.built(), case.talks()
    sure = Abstention((0.0,) * len(EVIDENCE), intercept=-9.0)
    checkpoint = Checkpoint(name, model, case.labels, (), {}, abstention=sure)
    assert not all(p.abstained for p in checkpoint.decode(conversations, features))
    nothing = [[{s: a[:0] for s, a in u.items()} for u in row] for row in features]
    predictions = checkpoint.decode(conversations, nothing)
    scores = np.array([list(p.scores.values()) for p in predictions])
    assert all(p.abstained and not p.by_modality for p in predictions)
    assert ((scores > 0) & (scores < 1)).all()
    if hasattr(model, "prior"):
        several, prior = case.labels.multilabel, model.prior.detach()
        expected = prior.sigmoid() if several else prior.softmax(dim=0)
        np.testing.assert_allclose(scores, np.tile(expected, (len(scores), 1)), rtol=1e-5)
    if isinstance(model, emoje.EmoJE):
        batch = batch_of()
        count = batch.targets[batch.mask].sum(dim=0) + 1
        np.testing.assert_allclose(scores[0], count / count.sum(), rtol=1e-5)
