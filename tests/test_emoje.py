from dataclasses import replace
from pathlib import Path

import pytest
import torch
from conversation_makers import (
    LABELS,
    STREAMS,
    assert_padding_changes_nothing,
    assert_who_is_the_same_matters_and_no_name,
    batch_of,
    talks,
    with_steps,
)
from torch.nn.functional import cosine_similarity

from affectline.batch import Batch, collate
from affectline.checkpoint import Checkpoint, load, save
from affectline.losses import binary_cross_entropy, focal, rating_cross_entropy
from affectline.machines import Machines
from affectline.models.emoje import Config, EmoJE, Objective
from affectline.nn.joint_space import weights
from affectline.recipes import load as load_split
from affectline.recipes import run
from affectline.recipes.find import find
from affectline.types import EMOTIONS, Modality

CONFIG = Config(
    classes=len(EMOTIONS),
    streams=STREAMS,
    dim=8,
    attention=1,
    heads=2,
    layers=1,
    context=6,
    joint=6,
    dropout=0.0,
)
SEEN = {"text.words": 8, "video.aus": 5, "video.scene": 4}


def built(config: Config = CONFIG, seed: int = 0) -> EmoJE:
    torch.manual_seed(seed)
    model = EmoJE(config)
    features = talks(streams=config.streams)[1]
    model.fit(features)
    model.fit_prior(batch_of().targets[batch_of().mask], batch_of().known[batch_of().mask])
    return model.eval()


def with_pictures(batch: Batch | None = None) -> Batch:
    conversations, features = talks((6, 5), streams=SEEN)
    return batch or collate(conversations, features, LABELS)


@torch.no_grad()
def test_before_it_has_learnt_it_says_what_its_encoders_say() -> None:
    torch.manual_seed(0)
    streams = {"text.words": 8, "audio.voice": 12, "video.mien": 3}
    model = EmoJE(replace(CONFIG, streams=streams, answers=("text.words", "audio.voice"))).eval()
    conversations, features = talks((3, 2), streams=streams)
    batch = collate(conversations, features, LABELS)
    out = model(batch)
    for modality, stream in ((Modality.TEXT, "text.words"), (Modality.AUDIO, "audio.voice")):
        said = batch.streams[stream].pooled()[..., -len(EMOTIONS) :]
        here = out.present[modality]
        assert here.any()
        torch.testing.assert_close(out.by_modality[modality][here], said[here])
    assert (out.by_modality[Modality.VIDEO] == 0).all()
    words = [{s: a if s == "text.words" else a[:0] for s, a in u.items()} for u in features[0]]
    lone = collate(conversations[:1], [words], LABELS)
    said = lone.streams["text.words"].pooled()[..., -len(EMOTIONS) :]
    torch.testing.assert_close(model(lone).logits[lone.mask], said[lone.mask])


@torch.no_grad()
def test_the_answer_is_that_of_the_figure_utterance_by_utterance() -> None:
    model, batch = built(), with_steps()
    real = batch.mask
    f = [
        enter({s: (batch.streams[s].values[real], batch.streams[s].mask[real])})
        for s, enter in zip(STREAMS, model.unimodal, strict=True)
    ]
    c = model.man(dict(zip(STREAMS, f, strict=True)))
    assert model.space is not None
    z, alone_too = torch.zeros(*real.shape, CONFIG.dim), torch.zeros(*real.shape, CONFIG.classes)
    by_itself = [
        (x * mask[..., None]).sum(dim=1) / mask.sum(dim=1, keepdim=True).clamp(min=1) for x, mask in f
    ]
    for n, (row, column) in enumerate(real.nonzero().tolist()):
        own = torch.stack([c[s][n] for s in STREAMS])[None]
        there = torch.tensor([[bool(batch.streams[s].mask[row, column].any()) for s in STREAMS]])
        scores = model.query(own)
        guess = model.space(own, scores, there)[1]
        q = sum(w * x for w, x in zip(weights(scores, there)[0], own[0], strict=True))
        parts = [own[0, m] if there[0, m] else guess[0, m] for m in range(len(STREAMS))]
        z[row, column] = model.join(torch.cat([torch.as_tensor(q), *parts]))
        for w, head, x in zip(weights(scores, there)[0], model.heads, by_itself, strict=True):
            alone_too[row, column] += w * head(x[n])
    around = torch.cat([z, model.speaker(z, batch.speakers, real), model.dialogue(z, real)], dim=2)
    expected = around[real] @ model.classify.weight.T + model.classify.bias + alone_too[real]
    out = model(batch)
    torch.testing.assert_close(out.logits[real], expected)
    for m, x, head in zip(Modality, by_itself, model.heads, strict=True):
        here = out.present[m][real]
        torch.testing.assert_close(out.by_modality[m][real][here], head(x[here]))


@torch.no_grad()
def test_what_a_modality_says_by_itself_is_its_own_whatever_the_others_hold() -> None:
    model, batch = built(), with_steps()
    words = replace(batch.streams["text.words"], values=batch.streams["text.words"].values + 3)
    other = replace(batch, streams={**batch.streams, "text.words": words})
    here, there = model(batch), model(other)
    for m in (Modality.AUDIO, Modality.VIDEO):
        torch.testing.assert_close(here.by_modality[m], there.by_modality[m])
    assert (here.by_modality[Modality.TEXT] - there.by_modality[Modality.TEXT]).abs().max() > 1e-3


@torch.no_grad()
@pytest.mark.parametrize("make", [batch_of, with_steps])
def test_padding_does_not_change_the_answer_whatever_stands_in_it(make: type) -> None:
    assert_padding_changes_nothing(built(), make())


@torch.no_grad()
def test_of_several_classes_each_has_its_own_prior_of_those_who_annotated_it() -> None:
    model = EmoJE(replace(CONFIG, several=True)).eval()
    targets, known = torch.zeros(4, len(EMOTIONS)), torch.ones(4, len(EMOTIONS), dtype=torch.bool)
    targets[0, :2] = targets[1, 0] = targets[2, 0] = 1
    known[2:, 1] = False
    model.fit_prior(targets, known)
    said = model(batch_of().without(*Modality)).logits[0, 0].sigmoid()
    torch.testing.assert_close(said[:3], torch.tensor([4 / 6, 2 / 4, 1 / 6]))


def test_of_several_classes_those_that_nobody_annotated_teach_nothing() -> None:
    model, batch = built(replace(CONFIG, several=True)), batch_of()
    known = batch.known.clone()
    known[..., 2] = False
    said = model(batch).logits[batch.mask]
    expected = binary_cross_entropy(said, batch.targets[batch.mask], known[batch.mask])
    terms = Objective()(model, replace(batch, known=known))
    torch.testing.assert_close(terms["classes"], expected)
    other = replace(batch, known=known, targets=torch.where(known, batch.targets, 1 - batch.targets))
    torch.testing.assert_close(Objective()(model, other), terms)
    rated = Objective(ratings=1.0)(model, batch)["classes"] - Objective()(model, batch)["classes"]
    ratings = batch.ratings[batch.mask]
    torch.testing.assert_close(rated, rating_cross_entropy(said, ratings, batch.known[batch.mask]))


@torch.no_grad()
def test_a_face_may_be_lost_without_the_body_and_both_are_pictures() -> None:
    model, batch = built(replace(CONFIG, streams=SEEN)), with_pictures()
    whole, blind = model(batch), model(batch.without("video.aus"))
    assert list(whole.by_modality) == [Modality.TEXT, Modality.VIDEO]
    assert not blind.there["video.aus"].any()
    assert blind.present[Modality.VIDEO].equal(batch.present("video.scene"))
    body = model.heads[2](torch.zeros(CONFIG.dim))
    assert not torch.allclose(blind.by_modality[Modality.VIDEO][batch.mask][0], body)
    assert (whole.logits - blind.logits).abs().max() > 1e-4


@torch.no_grad()
@pytest.mark.parametrize("only", list(Modality))
def test_one_modality_can_be_built_alone(only: Modality) -> None:
    stream = next(s for s in STREAMS if s.startswith(only))
    model = built(replace(CONFIG, streams={stream: STREAMS[stream]}))
    out = model(batch_of())
    assert torch.isfinite(out.logits).all()
    assert list(out.by_modality) == [only]
    assert set(Objective()(model, batch_of())) == {"classes", "heads"}


@torch.no_grad()
def test_no_answer_depends_on_the_labels() -> None:
    model, batch = built(), batch_of()
    other = replace(batch, targets=batch.targets.roll(1, dims=2), known=torch.zeros_like(batch.known))
    torch.testing.assert_close(model(batch).logits, model(other).logits, rtol=0, atol=0)


@torch.no_grad()
def test_the_speakers_other_utterances_matter_more_than_their_names() -> None:
    assert_who_is_the_same_matters_and_no_name(built(), batch_of())


def test_every_weight_learns() -> None:
    model = built().train()
    sum(Objective()(model, with_steps()).values(), torch.zeros(())).backward()
    assert not [n for n, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]


def learn(model: EmoJE, batch: Batch, objective: Objective, steps: int, rate: float) -> None:
    optimizer = torch.optim.Adam(model.train().parameters(), lr=rate)
    for _ in range(steps):
        loss = sum(objective(model, batch).values(), torch.zeros(()))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()


def test_it_learns_a_few_conversations_by_heart() -> None:
    model, batch = built(), batch_of((3, 2, 3))
    learn(model, batch, Objective(contrast=0.1), steps=30, rate=3e-2)
    right = model(batch).logits[batch.mask].argmax(dim=1) == batch.targets[batch.mask].argmax(dim=1)
    assert right.all()


def test_the_joint_embedding_pulls_the_modes_of_an_utterance_together() -> None:
    model, batch = built(), batch_of((6, 6))

    @torch.no_grad()
    def closer() -> float:
        """How much nearer a voice is to its own words than to those of others."""
        out = model(batch)
        both = out.there["text.words"] & out.there["audio.voice"]
        words, voice = (out.joint[s][both] for s in ("text.words", "audio.voice"))
        near = cosine_similarity(words[:, None], voice[None], dim=2)
        return float(near.diagonal().mean() - near.mean())

    before = closer()
    learn(model, batch, Objective(heads=0.0, guided=0.0, compensation=0.0), steps=16, rate=1e-2)
    assert closer() > before + 0.1


def test_the_terms_are_weighted_and_named() -> None:
    model, batch = built(replace(CONFIG, streams=SEEN)), with_pictures()
    whole, half = (
        Objective()(model, batch),
        Objective(heads=0.5, contrast=0.5, guided=0.25, compensation=0.05),
    )
    halved = half(model, batch)
    assert set(whole) == {"classes", "heads", "joint", "guided", "compensation"}
    for name in whole:
        torch.testing.assert_close((1.0 if name == "classes" else 0.5) * whole[name], halved[name])
    labels = batch.targets[batch.mask].argmax(dim=1)
    torch.testing.assert_close(whole["classes"], focal(model(batch).logits[batch.mask], labels, gamma=1.0))
    assert set(Objective()(built(replace(CONFIG, joint=0)), batch_of())) == {"classes", "heads"}


def test_the_body_is_guided_by_the_face_and_the_face_by_nothing() -> None:
    model, batch = built(replace(CONFIG, streams=SEEN)), with_pictures()
    Objective()(model, batch)["guided"].backward()
    assert model.space is not None
    _, face, body = (mode[-1].weight.grad for mode in model.space.enter)  # pyright: ignore
    assert body.abs().sum() > 0
    assert face is None or not face.any()
    assert Objective()(model, batch.without("video.aus"))["guided"] == 0


def test_a_guess_is_learned_from_what_is_there_and_does_not_move_it() -> None:
    model = built()
    Objective()(model, batch_of())["compensation"].backward()
    assert model.space is not None
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.space.leave.parameters())
    out = model(batch_of().without("audio", "video"))
    assert not out.told.any()


@torch.no_grad()
def test_a_checkpoint_that_was_saved_and_loaded_gives_the_same_numbers(tmp_path: Path) -> None:
    model, batch = built(), batch_of().without("audio")
    save(Checkpoint("tiny", model, LABELS, (), {}), tmp_path)
    for seen in (batch, batch.without(*Modality)):
        torch.testing.assert_close(load(tmp_path).model(seen).logits, model(seen).logits)


def test_gaps_are_made_in_training_and_never_where_it_is_judged(tmp_path: Path) -> None:
    recipe = find("emoje.synthetic", ["train.epochs=1"])
    told: list[int] = []

    def gaps(batch: Batch, generator: torch.Generator) -> Batch:
        told.append(len(batch.mask))
        return recipe.augment(batch, generator)  # pyright: ignore

    train, dev = (load_split(recipe, Path(), split) for split in ("train", "dev"))  # pyright: ignore
    run(replace(recipe, augment=gaps), train, dev, tmp_path, machines=Machines(device="cpu"))  # pyright: ignore
    assert sum(told) == len(train.conversations)
