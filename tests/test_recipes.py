from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from model_makers import LABELS, conversations_with_features

from affectline.checkpoint import load, save, trained
from affectline.machines import Machines
from affectline.models import Inferred
from affectline.models.late_fusion import Config, LateFusion, Objective
from affectline.recipes import SELECT, Data, Fusion, Recipe, joining, run
from affectline.recipes.decisions import finish, thresholds
from affectline.training import Train
from affectline.types import EMOTIONS, Modality

AUDIO = Recipe(
    labels=LABELS,
    corpus="none",
    read=lambda _root, _split: [],
    extractors=(),
    model=LateFusion,
    config=Config(classes=7, audio=8, dropout=0.0),
    objective=Objective(ratings=1.0),
    train=Train(epochs=2, batch=8, learning_rate=3e-3),
    select="uar",
)


def spoken(count: int, seed: int) -> Data:
    conversations, features = conversations_with_features(count, seed, turns=1)
    return Data(conversations, [[{"audio.mel": u["audio.mel"]} for u in row] for row in features])


def inferred(logits: np.ndarray, targets: np.ndarray, modality: Modality) -> Inferred:
    known = np.ones(targets.shape, dtype=bool)
    present = {modality: np.ones(len(targets), dtype=bool)}
    return Inferred(logits, {modality: logits}, present, targets, known, targets)


def test_a_recipe_trains_is_finished_on_dev_and_survives_its_file(tmp_path: Path) -> None:
    train, dev = spoken(24, 0), spoken(16, 1)
    said: list[str] = []
    model = run(
        AUDIO,
        train,
        dev,
        tmp_path,
        machines=Machines(device="cpu"),
        progress=lambda stage, *_: said.append(stage),
    )
    checkpoint = finish(AUDIO, model, dev, name="tiny")
    assert {"epoch 1", "epoch 2"} <= set(said)
    assert set(checkpoint.thresholds) == {"audio"}
    assert checkpoint.abstention is not None
    save(checkpoint, tmp_path / "saved")
    again = load(tmp_path / "saved").decode(dev.conversations, dev.features)
    for a, b in zip(checkpoint.decode(dev.conversations, dev.features), again, strict=True):
        np.testing.assert_allclose(list(a.scores.values()), list(b.scores.values()), atol=1e-5)
        assert a.abstained == b.abstained


def test_scores_that_choose_an_epoch_are_those_of_worked_cases() -> None:
    targets = np.array([[1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 1, 1]], dtype=float)
    logits = np.array([[2, 0, 0], [0, 2, 0], [0, 2, 0], [2, 0, 0]], dtype=float)
    out = inferred(logits, targets, Modality.TEXT)
    assert SELECT["accuracy"](out) == pytest.approx(2 / 3)  # the last row is led by no label alone
    assert SELECT["uar"](out) == pytest.approx((1 / 2 + 1) / 2)


def test_thresholds_are_kept_apart_by_what_is_there() -> None:
    out = inferred(np.array([[3.0], [-3.0], [3.0], [-3.0]]), np.array([[1.0], [0], [1], [0]]), Modality.TEXT)
    both = {
        Modality.TEXT: np.array([True, True, False, False]),
        Modality.AUDIO: np.array([False, False, True, True]),
    }
    assert set(thresholds(replace(out, present=both))) == {"text", "audio"}


def test_made_up_utterances_show_one_label_in_every_modality() -> None:
    targets = np.array([[1, 0], [0, 1], [1, 1], [0, 1], [1, 0]], dtype=float)
    alone = {
        m: joining.Judged(inferred(np.zeros((5, 2)), targets[order], m), [{m: n} for n in range(5)])
        for m, order in ((Modality.TEXT, [0, 1, 2, 3, 4]), (Modality.AUDIO, [4, 3, 2, 1, 0]))
    }
    rows = joining.tuples(alone, 10, seed=0)
    shown = [alone[m].out.targets[rows[m]] for m in alone]
    np.testing.assert_array_equal(shown[0], shown[1])
    assert (shown[0].sum(axis=1) == 1).all()
    assert shown[0].sum(axis=0).tolist() == [10, 10]


def test_the_modality_that_knows_more_gets_the_weight() -> None:
    torch.manual_seed(0)
    model = LateFusion(Config(classes=7, audio=8, face=8)).eval()
    rng = np.random.default_rng(0)
    targets = np.eye(7)[rng.integers(0, 7, 300)]
    good, noise = 6 * targets - 3 + rng.normal(size=targets.shape), rng.normal(size=targets.shape)
    both = inferred(good, targets, Modality.AUDIO)
    joining.learn_weights(
        model, replace(both, by_modality={Modality.AUDIO: good, Modality.VIDEO: noise}), steps=60
    )
    assert (model.weights["audio"] > model.weights["video"] + 1).all()


def test_joining_takes_each_branch_from_its_part() -> None:
    torch.manual_seed(0)
    parts = {
        Modality.AUDIO: LateFusion(Config(classes=7, audio=8)),
        Modality.VIDEO: LateFusion(Config(classes=7, face=8)),
    }
    audio = Data(*conversations_with_features(40, 2, turns=1))
    recipes = {m: replace(AUDIO, config=p.config) for m, p in parts.items()}
    streams = {Modality.AUDIO: "audio.mel", Modality.VIDEO: "video.faces"}
    dev = {
        m: Data(audio.conversations, [[{streams[m]: u[streams[m]]} for u in row] for row in audio.features])
        for m in parts
    }
    checkpoints = {m: finish(recipes[m], p.eval(), dev[m], name=m) for m, p in parts.items()}
    fusion = Fusion(parts=recipes, config=Config(classes=7, audio=8, face=8), extractors=(), tuples=5)
    checkpoint = joining.join(fusion, checkpoints, dev, name="both")
    assert set(checkpoint.thresholds) == {"audio", "video", "audio+video"}
    for m, part in checkpoints.items():
        state = trained(checkpoint.model)
        for name, value in trained(part.model).items():
            if name.startswith(f"branches.{m}."):
                torch.testing.assert_close(state[name], value)
    assert checkpoint.labels.names == EMOTIONS
