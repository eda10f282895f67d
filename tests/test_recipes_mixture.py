"""Several corpora in one training: what is read of them, and what an epoch sees of each."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from affectline.batch import Batch, Stream, collate
from affectline.corpora import synthetic
from affectline.epochs import Shuffled
from affectline.machines import Machines
from affectline.recipes import Recipe, emoje, load, train_recipe
from affectline.recipes.mixture import Part, mixed
from affectline.training import Train
from affectline.types import Conversation, LabelSpace, Utterance

ASKED = LabelSpace(("neutral", "joy", "anger"), multilabel=True)
SIZES = {"large": 23, "small": 3, "whole": 6}
DRAW = {"large": 9, "small": 7}
PARTS = {
    "talks": Part(synthetic.read, synthetic.LABELS),
    "calm": Part(synthetic.read, LabelSpace(("joy", "anger", "boredom"))),
}
"""The same conversations twice; the annotators of the second knew boredom, and nothing neutral."""


def corpora(draw: Mapping[str, int] | None = DRAW, seed: int = 0, size: int = 4) -> Shuffled:
    """Conversations of three corpora, each with a number of its own as its one vector."""
    talks = [
        Conversation(f"{name}/{n}", (Utterance(id="u", speaker="A", emotions=frozenset()),), corpus=name)
        for name, count in SIZES.items()
        for n in range(count)
    ]
    features = [[{"audio.number": np.full((1 + n % 3, 1), n, np.float32)}] for n in range(len(talks))]
    return Shuffled(talks, features, ASKED, size, seed, draw=draw)


def numbers(batches: list[Batch]) -> list[int]:
    return [int(row[0, 0, 0]) for batch in batches for row in batch.streams["audio.number"].values]


def seen(epochs: Shuffled, epoch: int) -> list[str]:
    """The ids of what an epoch has, in its order."""
    return [epochs.conversations[n].id for n in numbers(list(epochs(epoch)))]


def test_an_epoch_has_of_each_corpus_what_is_drawn_and_all_of_one_that_is_not_named() -> None:
    epochs = corpora()
    for epoch in range(4):
        found = seen(epochs, epoch)
        assert Counter(name.split("/")[0] for name in found) == {**DRAW, "whole": 6}
        assert len(list(epochs(epoch))) == len(epochs) == 6
        assert len({name for name in found if name.startswith("whole")}) == 6


def test_all_of_a_corpus_is_seen_before_any_of_it_comes_again() -> None:
    epochs = corpora()
    times = Counter[str]()
    for epoch in range(12):
        times.update(seen(epochs, epoch))
        for corpus, size in SIZES.items():
            told = [times[f"{corpus}/{n}"] for n in range(size)]
            assert max(told) - min(told) <= 1
            assert sum(told) == (epoch + 1) * DRAW.get(corpus, size)


def test_an_epoch_is_the_same_whatever_came_before_and_another_one_is_not() -> None:
    after = corpora()
    first = [seen(after, epoch) for epoch in range(5)]
    assert seen(corpora(), 4) == first[4]
    assert set(first[0]) != set(first[1])
    assert set(seen(corpora(seed=1), 0)) != set(first[0])
    others = [name for name in seen(corpora({"small": 7}), 0) if name.startswith("small")]
    assert sorted(others) == sorted(name for name in first[0] if name.startswith("small"))


def test_what_is_drawn_comes_in_batches_of_like_length_and_is_augmented() -> None:
    def louder(batch: Batch, _: torch.Generator) -> Batch:
        (stream,) = batch.streams.values()
        return replace(batch, streams={"audio.number": Stream(stream.values + 1, stream.mask)})

    plain = corpora(size=8)
    assert sum(len(set(b.streams["audio.number"].mask.sum(dim=2)[:, 0].tolist())) > 1 for b in plain(0)) <= 2
    assert numbers(list(replace(plain, augment=louder)(0))) == [n + 1 for n in numbers(list(plain(0)))]


def test_without_a_draw_an_epoch_has_everything_once() -> None:
    assert sorted(numbers(list(corpora(None)(3)))) == list(range(sum(SIZES.values())))


@pytest.mark.parametrize("draw", [{"smal": 3}, {"small": 0}])
def test_a_draw_that_cannot_be_is_refused_with_what_there_is(draw: dict[str, int], tmp_path: Path) -> None:
    ((name, count),) = draw.items()
    with pytest.raises(ValueError, match=rf"draw\.{name} is {count}: .* there are large, small, whole"):
        len(corpora(draw))
    if name == "smal":
        with pytest.raises(ValueError, match=r"draw\.smal is 3: .* there are talks, calm"):
            load(replace(recipe(), draw=draw), tmp_path, "train")
    with pytest.raises(ValueError, match="there are none by name, as the recipe mixes none"):
        load(replace(recipe(), draw=draw, read=synthetic.read), tmp_path, "train")


def test_a_corpus_knows_what_its_annotators_could_name_and_no_more() -> None:
    talks = mixed(PARTS, ASKED)(Path(), "train")
    batch = collate(talks, [[{"text.none": np.zeros((0, 1))} for _ in c] for c in talks], ASKED)
    of = [c.corpus for c in talks]
    assert Counter(of) == {"talks": 8, "calm": 8}
    for n, conversation in enumerate(talks):
        known = batch.known[n, : len(conversation)]
        assert (known == torch.tensor([of[n] == "talks", True, True])).all()
    assert len({c.id for c in talks}) == len(talks)
    assert {c.id.split("/")[0] for c in talks} == set(PARTS)


def test_a_label_that_is_not_asked_for_is_left_out_and_a_corpus_of_such_alone_refused() -> None:
    def bored(_: Path, split: str) -> list[Conversation]:
        both = [frozenset({"boredom"}), frozenset({"boredom", "joy"}), frozenset[str](), None]
        said = (Utterance(id=f"{n}", speaker="A", emotions=e) for n, e in enumerate(both))
        return [Conversation("c", tuple(said), labels=("boredom", "joy"))]

    part = Part(bored, PARTS["calm"].labels)
    (talk,) = mixed({"bored": part}, ASKED)(Path(), "train")
    assert [u.emotions for u in talk] == [set(), {"joy"}, set(), None]
    assert talk.labels == ("joy",)  # whose annotators were not asked for anger
    (single,) = mixed({"bored": part}, replace(ASKED, multilabel=False))(Path(), "train")
    assert [u.emotions for u in single] == [None, {"joy"}, None, None]
    with pytest.raises(
        ValueError, match="bored names boredom, and none of what is to be learnt, neutral, joy"
    ):
        mixed({"bored": Part(bored, LabelSpace(("boredom",)))}, ASKED)


def test_each_corpus_is_read_from_the_folder_of_its_name(tmp_path: Path) -> None:
    asked = []

    def read(root: Path, split: str) -> list[Conversation]:
        asked.append((root, split))
        return []

    mixture = mixed(dict.fromkeys(("a", "b"), Part(read, ASKED)), ASKED)
    with pytest.raises(ValueError, match=rf"{tmp_path} has no utterance in its part 'dev'"):
        load(replace(recipe(), read=mixture), tmp_path, "dev")
    assert asked == [(tmp_path / "a", "dev"), (tmp_path / "b", "dev")]


def recipe() -> Recipe:
    made = emoje.synthetic()
    return replace(made, corpus=".", read=mixed(PARTS, synthetic.LABELS), draw={"talks": 3, "calm": 2})


def test_a_recipe_of_a_mixture_trains_and_goes_on_to_the_same_weights(tmp_path: Path) -> None:
    for name, epochs in (("broken", 2), ("broken", 4), ("whole", 4)):
        train = Train(
            epochs=epochs, batch=4, schedule="steps", warmup=0.0
        )  # of any number of epochs the same
        made, machines = replace(recipe(), train=train), Machines(device="cpu")
        train_recipe(made, tmp_path, tmp_path / name, machines=machines, resume=epochs == 4)
    files = [tmp_path / name / "last.pt" for name in ("broken", "whole")]
    one, other = (torch.load(file, weights_only=True)["model"] for file in files)
    assert all(weight.equal(other[name]) for name, weight in one.items())
