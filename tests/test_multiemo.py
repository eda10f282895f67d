from dataclasses import replace
from pathlib import Path

import pytest
import torch
from conversation_makers import (
    LABELS,
    STREAMS,
    assert_who_is_the_same_matters_and_no_name,
    batch_of,
    spoilt,
    talks,
)
from torch.nn.functional import relu

from affectline.batch import collate
from affectline.checkpoint import Checkpoint, load, save
from affectline.corpora.synthetic import Pointer
from affectline.models.multiemo import Config, MultiEMO, Objective
from affectline.types import EMOTIONS, Modality

CONFIG = Config(
    classes=len(EMOTIONS), streams=STREAMS, dim=16, heads=2, layers=2, hidden=32, head=12, dropout=0.0
)
COUNTS = (40, 17, 7, 11, 12, 3, 3)


def built(config: Config = CONFIG, seed: int = 0) -> MultiEMO:
    torch.manual_seed(seed)
    model = MultiEMO(config)
    model.fit(talks()[1])
    return model.eval()


@torch.no_grad()
def test_the_answer_is_that_of_the_equations_utterance_by_utterance() -> None:
    model, (conversations, features) = built(), talks()
    for conversation, own in zip(conversations, features, strict=True):
        batch = collate([conversation], [own], LABELS)
        c, there = {}, {}
        for stream, m in zip(STREAMS, Modality, strict=True):
            there[m] = torch.tensor([[len(u[stream]) > 0 for u in own]])
            c[m] = model.contexts[m](batch.streams[stream], batch.speakers, there[m])
        text, audio, video = (
            model.fuse[m](c[m], there[m], [(c[o], there[o]) for o in others])
            for m, others in (
                (Modality.TEXT, (Modality.AUDIO, Modality.VIDEO)),
                (Modality.AUDIO, (Modality.TEXT, Modality.VIDEO)),
                (Modality.VIDEO, (Modality.TEXT, Modality.AUDIO)),
            )
        )
        logits = model(batch).logits[0]
        hidden, _, out = model.classify
        for n in range(len(conversation)):
            f = torch.cat([text[0, n], audio[0, n], video[0, n]])  # Eq. 13
            z = model.join.weight @ f + model.join.bias  # Eq. 14
            expected = out(relu(hidden.weight @ z + hidden.bias))  # Eqs. 15-16  # pyright: ignore
            torch.testing.assert_close(logits[n], expected)


@torch.no_grad()
def test_padding_does_not_change_the_answer_whatever_stands_in_it() -> None:
    model, (conversations, features) = built(), talks()
    batch = spoilt(collate(conversations, features, LABELS))
    together = model(batch)
    for row, (conversation, own) in enumerate(zip(conversations, features, strict=True)):
        alone = model(collate([conversation], [own], LABELS))
        size = len(conversation)
        torch.testing.assert_close(together.logits[row, :size], alone.logits[0], atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(together.z[row, :size], alone.z[0], atol=1e-5, rtol=1e-4)


def test_what_stands_in_padding_reaches_no_gradient() -> None:
    model = built().train()
    batch = spoilt(batch_of())
    sum(Objective(counts=COUNTS)(model, batch).values(), torch.zeros(())).backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


@torch.no_grad()
@pytest.mark.parametrize("only", list(Modality))
def test_one_modality_can_be_built_alone(only: Modality) -> None:
    stream = next(s for s in STREAMS if s.startswith(only))
    model = built(replace(CONFIG, streams={stream: STREAMS[stream]}))
    assert torch.isfinite(model(batch_of()).logits).all()
    assert not any(name.startswith(f"contexts.{m}") for m in Modality if m != only for name in _names(model))


def _names(model: MultiEMO) -> list[str]:
    return [name for name, _ in model.named_parameters()]


@torch.no_grad()
def test_names_of_speakers_do_not_matter_but_who_is_the_same_does() -> None:
    assert_who_is_the_same_matters_and_no_name(built(), batch_of())


@torch.no_grad()
def test_no_answer_depends_on_the_labels() -> None:
    model, batch = built(), batch_of()
    other = replace(batch, targets=batch.targets.roll(1, dims=2), known=torch.zeros_like(batch.known))
    torch.testing.assert_close(model(batch).logits, model(other).logits, rtol=0, atol=0)


def test_every_weight_learns() -> None:
    model = built().train()
    sum(Objective(counts=COUNTS)(model, batch_of()).values(), torch.zeros(())).backward()
    assert not [n for n, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]


def test_two_models_of_one_seed_are_equal() -> None:
    for one, other in zip(built(seed=3).parameters(), built(seed=3).parameters(), strict=True):
        assert torch.equal(one, other)


def test_it_learns_a_few_conversations_by_heart() -> None:
    torch.manual_seed(0)
    model, batch = built().train(), batch_of((3, 2, 3))
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-2)
    for _ in range(40):
        loss = sum(Objective(counts=COUNTS, mu_2=0.1)(model, batch).values(), torch.zeros(()))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    right = model.eval()(batch).logits[batch.mask].argmax(dim=1) == batch.targets[batch.mask].argmax(dim=1)
    assert right.all()


def test_the_terms_are_weighted_and_named() -> None:
    model, batch = built(), batch_of()
    whole = Objective(counts=COUNTS, mu_1=0.4, mu_2=0.3)(model, batch)
    half = Objective(counts=COUNTS, mu_1=0.2, mu_2=0.15)(model, batch)
    assert set(whole) == {"ce", "swfc", "soft_hgr"}
    torch.testing.assert_close(whole["swfc"], 2 * half["swfc"])
    torch.testing.assert_close(whole["soft_hgr"], 2 * half["soft_hgr"])
    torch.testing.assert_close(whole["ce"] / 0.3, half["ce"] / 0.65)
    assert set(Objective(mu_1=0.0, mu_2=0.0)(model, batch)) == {"ce"}


def test_utterances_without_a_label_do_not_train() -> None:
    model, batch = built(), batch_of()
    unknown = batch.known.clone()
    unknown[2, 3:] = False
    hidden = replace(batch, known=unknown)
    lies = replace(hidden, targets=torch.where(unknown, batch.targets, batch.targets.roll(1, dims=2)))
    objective = Objective(counts=COUNTS, mu_2=0.0)
    for name, term in objective(model, hidden).items():
        torch.testing.assert_close(objective(model, lies)[name], term)
        assert not torch.isclose(objective(model, batch)[name], term)


def test_classes_must_be_counted_before_training() -> None:
    with pytest.raises(ValueError, match=r"take objective\.fitted"):
        Objective()(built(), batch_of())
    counted = Objective().fitted(torch.eye(7).repeat(3, 1))
    assert counted.counts == (3,) * 7


def test_statistics_are_those_of_what_it_was_fitted_on() -> None:
    _, features = talks()
    model = built()
    voices = torch.cat([torch.from_numpy(u["audio.voice"]) for row in features for u in row])
    standardise = model.contexts["audio"].features.standardise  # pyright: ignore
    seen = standardise(voices)  # pyright: ignore[reportCallIssue]
    torch.testing.assert_close(seen.mean(dim=0), torch.zeros(12), atol=1e-5, rtol=0)
    torch.testing.assert_close(seen.std(dim=0), torch.ones(12), atol=1e-4, rtol=0)


@torch.no_grad()
def test_a_checkpoint_that_was_saved_and_loaded_gives_the_same_numbers(tmp_path: Path) -> None:
    model = built()
    extractors = tuple(Pointer(stream, width) for stream, width in STREAMS.items())
    checkpoint = Checkpoint("tiny", model, LABELS, extractors[:0], {}, temperature=1.7)
    save(checkpoint, tmp_path)
    found = load(tmp_path)
    torch.testing.assert_close(found.model(batch_of()).logits, model(batch_of()).logits)
    assert found.temperature == 1.7


def test_word_pieces_are_read_by_an_encoder_that_learns_at_its_own_rate() -> None:
    from affectline.features import extract
    from affectline.features.text_turns import Turns

    torch.manual_seed(0)
    model = MultiEMO(replace(CONFIG, streams={"text.turns": 0})).eval()
    conversations, _ = talks((2, 3))
    said = [
        replace(c, utterances=tuple(replace(u, text=" ".join(u.emotions or ())) for u in c))
        for c in conversations
    ]
    batch = collate(said, extract(said, (Turns(),)), LABELS)
    Objective(counts=COUNTS, mu_2=0.0)(model, batch)["ce"].backward()
    encoder = [
        n for n, p in model.named_parameters() if p.grad is not None and n.startswith(model.pretrained)
    ]
    assert len(encoder) > 90
    assert not any("embeddings" in n for n in encoder)
