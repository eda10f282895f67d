"""A checkpoint that goes on with a corpus of one's own: what stays, what is learnt, what goes along."""

from dataclasses import replace
from pathlib import Path
from shutil import rmtree

import numpy as np
import pytest
import torch
from analyze_makers import make_checkpoint
from media_makers import make_sound
from torch import nn

from affectline.checkpoint import Checkpoint, load, load_trained, save, trained
from affectline.checkpoint.vectors import Vectors
from affectline.corpora import mine
from affectline.evaluation import Truth
from affectline.machines import Machines
from affectline.models import emoje, infer
from affectline.models.late_fusion import LateFusion
from affectline.recipes import Tuning, featured, train_recipe
from affectline.recipes.mine import base
from affectline.recipes.relabel import fit_layer
from affectline.recipes.tuning import _begin, _told, blend, recipe_of
from affectline.types import EMOTIONS, LabelSpace, Modality

CPU = Machines(device="cpu")
ALL = LabelSpace(EMOTIONS, multilabel=True)
SEVEN = dict(zip(EMOTIONS, range(7), strict=True))


def corpus(data: Path, low: str, high: str, count: int = 12) -> Path:
    """Low tones are one label and high ones another, in conversations of two."""
    root = data / "mine"
    root.mkdir(parents=True)
    rows = ["clip,labels,conversation,split"]
    for n in range(count):
        label, tone = (low, 200.0) if n % 2 else (high, 2000.0)
        make_sound(root / f"{n}.wav", seconds=0.6, tone=tone + 10 * n)
        rows.append(f"{n}.wav,{label},t{n // 2},{('train', 'train', 'dev', 'test')[n // 2 % 4]}")
    (root / "utterances.csv").write_text("\n".join(rows) + "\n")
    return data


def tuning(checkpoint: Path, epochs: int = 6) -> Tuning:
    recipe = base()
    train = replace(recipe.train, epochs=epochs, batch=4, learning_rate=1e-2, average=0.0)
    return replace(recipe, checkpoint=str(checkpoint), train=train)


def dialogue_checkpoint(folder: Path) -> Path:
    """As `base` is to be: EmoJE on what a network says that lies in a folder of the checkpoint."""
    make_checkpoint(folder / "audio", face=0)
    torch.manual_seed(1)
    config = emoje.Config(
        classes=7,
        streams={"audio.vector": 87},
        dim=8,
        attention=1,
        heads=2,
        layers=1,
        context=4,
        joint=4,
        several=True,
        answers=("audio.vector",),
    )
    rows = {"audio": (0.3,) * 7}
    checkpoint = Checkpoint(
        name="dialogues",
        model=emoje.EmoJE(config).eval(),
        labels=ALL,
        extractors=(Vectors(str(folder / "audio"), Modality.AUDIO, 87, answers=True),),
        thresholds=rows,
        calibration={"audio": ((2.0,) * 7, (0.5,) * 7)},
    )
    save(checkpoint, folder)
    return folder


def test_labels_that_it_knows_are_learnt_and_the_others_stay(tmp_path: Path) -> None:
    data, tiny = corpus(tmp_path / "data", "sadness", "joy"), make_checkpoint(tmp_path / "tiny")
    made = train_recipe(tuning(tiny, epochs=12), data, tmp_path / "out", machines=CPU)
    assert made.labels == ALL
    before = load(tiny)
    talks = mine.read(data / "mine", "test")
    ((high, low),) = load(tmp_path / "out").predict(talks)
    assert [u.emotions for u in talks[0]] == [{"joy"}, {"sadness"}]
    assert high.scores["joy"] > low.scores["joy"]
    assert high.scores["sadness"] < low.scores["sadness"]
    kept = [n for name, n in SEVEN.items() if name not in {"joy", "sadness"}]
    assert [made.thresholds["audio"][n] for n in kept] == [before.thresholds["audio"][n] for n in kept]
    assert [made.calibration["audio"][0][n] for n in kept] == [1.0] * 5
    assert made.about["began_with"]["sha256"] == before.sha256


def test_new_labels_begin_with_all_but_what_is_of_a_label(tmp_path: Path) -> None:
    data, tiny = corpus(tmp_path / "data", "bored", "joy"), make_checkpoint(tmp_path / "tiny")
    before = load(tiny)
    space = mine.labels(data / "mine")
    recipe = recipe_of(tuning(tiny), before, space)
    assert (recipe.labels.names, recipe.labels.multilabel) == (("joy", "bored"), False)
    model = LateFusion(recipe.config)
    fresh = {n: t.clone() for n, t in trained(model).items()}
    _begin(model, before, space)
    old, new = trained(before.model), trained(model)
    head = "branches.audio.network.net.head.weight"
    body = [n for n in new if new[n].shape == old[n].shape]
    assert len(body) > 10
    assert all(torch.equal(new[n], old[n]) for n in body)
    assert torch.equal(new[head][0], old[head][SEVEN["joy"]])
    assert torch.equal(new[head][1], fresh[head][1])
    made = train_recipe(tuning(tiny, epochs=2), data, tmp_path / "out", machines=CPU)
    assert load(tmp_path / "out").labels == made.labels == space


def test_as_many_labels_with_other_names_are_not_taken_for_those_it_had(tmp_path: Path) -> None:
    before = load(make_checkpoint(tmp_path / "tiny"))
    space = LabelSpace((*"abcdef", "joy"), multilabel=True)
    model = LateFusion(recipe_of(tuning(tmp_path / "tiny"), before, space).config)
    fresh = {n: t.clone() for n, t in trained(model).items()}
    _begin(model, before, space)
    head = "branches.audio.network.net.head.weight"
    assert torch.equal(trained(model)[head][0], fresh[head][0])
    assert torch.equal(trained(model)[head][6], trained(before.model)[head][SEVEN["joy"]])


@pytest.mark.parametrize("label", ["sadness", "bored"])
def test_networks_that_it_reads_by_go_along(tmp_path: Path, label: str) -> None:
    data, old = corpus(tmp_path / "data", label, "joy"), dialogue_checkpoint(tmp_path / "old")
    statistics = {n: t for n, t in trained(load(old).model).items() if "standardise" in n}
    assert statistics
    made = train_recipe(tuning(old, epochs=1), data, tmp_path / "out", machines=CPU)
    for name, value in statistics.items():  # of other data than these
        torch.testing.assert_close(trained(made.model)[name], value)
    rmtree(old)
    again = load(tmp_path / "out")
    ((first, *_), *_) = again.predict(mine.read(data / "mine", "test"))
    assert first.modalities == (Modality.AUDIO,)
    assert again.labels.names == (EMOTIONS if label == "sadness" else ("joy", "bored"))
    assert np.isfinite([*first.scores.values()]).all()


def test_dialogues_tell_other_labels_from_what_they_said_of_theirs(tmp_path: Path) -> None:
    data, before = corpus(tmp_path / "data", "bored", "keen"), load(dialogue_checkpoint(tmp_path / "old"))
    with torch.no_grad():  # as if all of it were trained
        for weight in before.model.parameters():
            weight.add_(0.05 * torch.randn_like(weight))
    space = mine.labels(data / "mine")
    recipe = recipe_of(tuning(tmp_path / "old"), before, space)
    talks = [c for split in ("train", "dev", "test") for c in mine.read(data / "mine", split)]
    learnt = featured(recipe, talks, "all")
    model = emoje.EmoJE(recipe.config).eval()
    assert recipe.start is not None
    _told(model, before, learnt, space)
    found = infer(model, talks, learnt.features, space)
    assert found.logits.shape == found.by_modality[Modality.AUDIO].shape == (12, 2)
    assert (found.logits.argmax(axis=1) == found.targets.argmax(axis=1)).all()  # before any training
    again = emoje.EmoJE(replace(recipe.config, asked=0)).eval()
    load_trained(again, trained(before.model))
    unasked = [replace(c, utterances=tuple(replace(u, emotions=None) for u in c)) for c in talks]
    said = infer(again, unasked, learnt.features, ALL).logits
    assert isinstance(model.ask, nn.Linear)
    told = torch.from_numpy(said).float() @ model.ask.weight.T + model.ask.bias
    torch.testing.assert_close(torch.from_numpy(found.logits).float(), told, rtol=1e-4, atol=1e-4)


def test_a_layer_is_fitted_to_what_is_known_of_each_label() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 3)) * [1, 5, 1] + [0, 3, 0]
    targets = np.stack([x[:, 1] > 4, rng.random(400) < 0.2], axis=1)
    known = np.stack([np.ones(400, dtype=bool), np.arange(400) < 200], axis=1)
    targets[200:, 1] = True  # which nobody said
    layer = nn.Linear(3, 2)
    fit_layer(layer, x, Truth(targets, known, np.arange(400), LabelSpace(("a", "b"), multilabel=True)))
    with torch.no_grad():
        said = torch.sigmoid(layer(torch.from_numpy(x).float())).numpy()
    assert ((said[:, 0] > 0.5) == targets[:, 0]).mean() > 0.97
    assert said[:, 1].mean() == pytest.approx(targets[:200, 1].mean(), abs=0.03)


def test_of_what_it_began_with_a_share_is_kept() -> None:
    first, model = nn.Linear(2, 1), nn.Linear(2, 1)
    begun, learnt = first.weight.detach().clone(), model.weight.detach().clone()
    blend(model, trained(first), 0.25)
    torch.testing.assert_close(model.weight.detach(), 0.25 * begun + 0.75 * learnt)
    torch.testing.assert_close(first.weight.detach(), begun)


def test_what_cannot_go_on_is_refused(tmp_path: Path) -> None:
    tiny = make_checkpoint(tmp_path / "tiny")
    other = replace(load(tiny), model=torch.nn.Linear(1, 1))
    with pytest.raises(ValueError, match="Linear, and cannot go on: LateFusion, EmoJE can"):
        recipe_of(tuning(tiny), other, ALL)
    data = corpus(tmp_path / "data", "sadness", "joy", count=4)  # no dev part
    with pytest.raises(ValueError, match="no utterance with known labels in its part 'dev'"):
        train_recipe(tuning(tiny), data, tmp_path / "out", machines=CPU)
