"""Attention maps: of planted attention, and of models whose answers stay what they were."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from affectline.analyze.attention import watched
from affectline.checkpoint import Checkpoint
from affectline.explain.attention import Attention, documents
from affectline.features import Item
from affectline.features.ready import Ready
from affectline.models import amuse, emoje, multiemo
from affectline.types import Conversation, LabelSpace, Utterance

LABELS = LabelSpace(("joy", "anger"), multilabel=False)
STREAMS = {"text.t": 6, "audio.a": 6, "video.v": 6}
SMALL: dict[str, Any] = {"dim": 8, "heads": 2, "layers": 1, "context": 4}
READ = tuple(Ready(s, w) for s, w in STREAMS.items())


def talk(lacks: dict[int, set[str]] | None = None) -> Conversation:
    rng = np.random.default_rng(0)
    said = [
        Utterance(
            id=f"u{n}",
            speaker="AB"[n % 2],
            ready={s: rng.normal(size=w).astype(np.float32) for s, w in STREAMS.items()},
            missing=frozenset((lacks or {}).get(n, ())),
        )
        for n in range(4)
    ]
    return Conversation("talk", tuple(said))


def checkpoint(model: nn.Module) -> Checkpoint:
    return Checkpoint("made", model.eval(), LABELS, READ, {})


def multi(layers: int = 2) -> multiemo.MultiEMO:
    torch.manual_seed(0)
    sizes: dict[str, Any] = {"dim": 8, "heads": 2, "layers": layers, "hidden": 8, "head": 4}
    return multiemo.MultiEMO(multiemo.Config(classes=2, streams=STREAMS, recurrent=(), **sizes))


def test_a_planted_look_is_found_at_its_utterance_and_modality() -> None:
    """Keys of sound are large in u2 and alike in all others: there the words look."""
    model, conversation = multi(), talk({1: {"audio"}})
    for layer in model.fuse["text"].layers:  # pyright: ignore
        for cross in layer.cross:
            nn.init.zeros_(cross.query.weight)
            nn.init.ones_(cross.query.bias)
            nn.init.zeros_(cross.key_value.weight)
            nn.init.zeros_(cross.key_value.bias)
        sound = layer.cross[0]  # the first of the others
        sound.key_value.weight.data[:8] = 50 * torch.eye(8)
    context = model.contexts["audio"]
    nn.init.zeros_(context.project.weight)  # pyright: ignore
    nn.init.zeros_(context.project.bias)  # pyright: ignore
    context.project.weight.data[:] = 1.0  # pyright: ignore
    loud = conversation.utterances[2].ready["audio.a"]
    loud[:] = 100.0
    for n in (0, 3):
        conversation.utterances[n].ready["audio.a"][:] = -1.0
    by = {a.looks: a for a in watched(checkpoint(model), conversation, 3)}
    assert set(by) == {"text", "audio", "video"}
    found = by["text"]
    assert found.at == ("audio", "video")
    assert found.utterances == ("u0", "u1", "u2", "u3")
    np.testing.assert_allclose(found.shares[0], [0, 0, 0.5, 0], atol=1e-3)
    np.testing.assert_allclose(found.shares[1], [0.125] * 4, atol=1e-6)
    assert found.most(1)[0][:2] == ("u2", "audio")


def test_each_utterance_has_its_own_look() -> None:
    """The words of each look for the number that the sound of another one is; u0 is not there at all."""
    model, conversation = multi(layers=1), talk({0: {"text", "audio", "video"}})
    sought = {1: 3, 2: 1, 3: 2}
    cross = model.fuse["text"].layers[0].cross[0]  # pyright: ignore
    for linear, scale in ((cross.query, 1.0), (cross.key_value, 1.0)):
        nn.init.zeros_(linear.bias)
        linear.weight.data[:8] = scale * torch.eye(8)
    for name in ("text", "audio"):
        project = model.contexts[name].project
        nn.init.zeros_(project.bias)  # pyright: ignore
        project.weight.data[:] = torch.eye(8)[:, :6]  # pyright: ignore
    for n, utterance in enumerate(conversation):
        utterance.ready["audio.a"][:] = 20.0 * (np.arange(6) == n)
        utterance.ready["text.t"][:] = 20.0 * (np.arange(6) == sought.get(n))
    for n, at in sought.items():
        by = {a.looks: a for a in watched(checkpoint(model), conversation, n)}
        assert by["text"].most(1)[0][:2] == (f"u{at}", "audio")


def test_what_is_missing_is_not_looked_at() -> None:
    found = watched(checkpoint(multi()), talk({1: {"audio"}, 2: {"audio", "video", "text"}}), 0)
    by = {a.looks: a for a in found}
    text = by["text"]
    assert (text.shares[0] > 0).tolist() == [True, False, False, True]
    assert (text.shares[1] > 0).tolist() == [True, True, False, True]
    assert text.shares.sum() == pytest.approx(1.0)
    others = watched(checkpoint(multi()), talk({1: {"audio"}}), 1)
    assert {a.looks for a in others} == {"text", "video"}


def test_watched_attention_is_that_of_the_forward_pass() -> None:
    """With values that tell the keys apart, what `attend` gives is what the weights say."""
    torch.manual_seed(0)
    from affectline.nn.attention import CrossAttention, Keys

    cross = CrossAttention(8, 2, 0.0).eval()
    query, other = torch.randn(1, 3, 8), torch.randn(1, 4, 8)
    keys = Keys.of(other, torch.tensor([[True, True, False, True]]))
    nn.init.eye_(cross.out.weight)
    nn.init.zeros_(cross.out.bias)
    cross.key_value.weight.data[:8].view(2, 4, 8)[1] = cross.key_value.weight.data[:8].view(2, 4, 8)[0]
    cross.query.weight.data.view(2, 4, 8)[1] = cross.query.weight.data.view(2, 4, 8)[0]
    cross.query.bias.data[4:] = cross.query.bias.data[:4]
    cross.key_value.bias.data[4:8] = cross.key_value.bias.data[:4]  # both heads look alike
    values = cross.key_value(keys.values)[..., 8:]
    torch.testing.assert_close(cross.weights(query, keys) @ values, cross.attend(query, keys))


@pytest.mark.parametrize("kind", [multiemo, amuse, emoje])
def test_watching_changes_no_answer(kind: object) -> None:
    torch.manual_seed(0)
    model = {
        multiemo: multi,
        amuse: lambda: amuse.AMuSE(amuse.Config(classes=2, streams=STREAMS, **SMALL)),
        emoje: lambda: emoje.EmoJE(emoje.Config(classes=2, streams=STREAMS, **SMALL)),
    }[kind]()  # pyright: ignore
    made, conversation = checkpoint(model), talk()
    before = made.predict([conversation])
    if kind is amuse:
        with pytest.raises(ValueError, match="no modality looks at another"):
            watched(made, conversation, 1)  # each mode is one step
    else:
        watched(made, conversation, 1)
    assert made.predict([conversation]) == before
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


def test_how_much_each_mode_counts_is_said_of_emoje() -> None:
    torch.manual_seed(0)
    model = emoje.EmoJE(emoje.Config(classes=2, streams=STREAMS, **SMALL))
    (found,) = watched(checkpoint(model), talk({1: {"audio"}}), 1)
    assert (found.looks, found.at, found.utterances) == ("all", tuple(STREAMS), ("u1",))
    assert found.shares[1, 0] == 0
    assert found.shares.sum() == pytest.approx(1.0)


@dataclass(frozen=True)
class Steps:
    """Three steps of two numbers, of a ready vector of six."""

    stream: str
    shape = (2,)
    dtype = np.float32
    stored = False

    def content(self, conversation: Conversation, index: int) -> str | None:
        return Ready(self.stream, 6).content(conversation, index)

    def __call__(self, items: Sequence[Item]) -> list[np.ndarray]:
        return [c.utterances[n].ready[self.stream].reshape(3, 2) for c, n in items]


def test_steps_of_other_modes_are_watched_where_there_are_several() -> None:
    """The words look at three pictures, as by hand; these see a single step of words, which says nothing."""
    torch.manual_seed(0)
    streams = {"text.t": 6, "video.v": 2}
    model = amuse.AMuSE(amuse.Config(classes=2, streams=streams, **SMALL))
    layer = model.man.centres[0].layers[0]  # pyright: ignore
    nn.init.eye_(layer.keys[0].weight)  # pyright: ignore
    seen: list[torch.Tensor] = []
    model.unimodal["video"].register_forward_hook(lambda _m, _i, out: seen.append(out[0]))
    made = Checkpoint("made", model.eval(), LABELS, (Ready("text.t", 6), Steps("video.v")), {})
    (found,) = watched(made, talk(), 2)
    assert (found.looks, found.at, found.utterances) == ("text", ("video",), ("step 1", "step 2", "step 3"))
    entered = model.man.centres[0].enter(model.unimodal["text"]({"text.t": _rows()})[0])  # pyright: ignore
    q = layer.query(entered)[2, 0]  # pyright: ignore
    scores = (q.detach().view(2, 4) * seen[0][2].view(3, 2, 4)).sum(dim=2) / 2  # two heads, four wide
    torch.testing.assert_close(
        torch.from_numpy(found.shares[0]).float(), scores.softmax(dim=0).mean(dim=1), atol=1e-5, rtol=0
    )


@dataclass(frozen=True)
class Uneven(Steps):
    """Three overlapping steps of four numbers; two where A speaks."""

    shape = (4,)

    def __call__(self, items: Sequence[Item]) -> list[np.ndarray]:
        own = [c.utterances[n] for c, n in items]
        steps = [np.lib.stride_tricks.sliding_window_view(u.ready[self.stream], 4).copy() for u in own]
        return [s[:2] if u.speaker == "A" else s for u, s in zip(own, steps, strict=True)]


@pytest.mark.parametrize("kind", [amuse, emoje])
def test_padding_neither_looks_nor_is_looked_at(kind: Any) -> None:
    """Of two steps beside utterances of three the map is what it is without these."""
    torch.manual_seed(0)
    streams = {"text.t": 4, "video.v": 4}
    model = {amuse: amuse.AMuSE, emoje: emoje.EmoJE}[kind](kind.Config(classes=2, streams=streams, **SMALL))
    for mode in model.modules():
        if isinstance(mode, amuse.Unimodal):
            mode.attention = nn.ModuleList()  # which makes steps alike before it has learnt
            mode.project[0].weight.data *= 10.0  # pyright: ignore
    for centre in model.man.centres:
        centre.layers[0].query.weight.data *= 100.0  # pyright: ignore
    read = tuple(Uneven(s) for s in streams)
    made = Checkpoint("made", model.eval(), LABELS, read, {})
    alone = replace(talk(), utterances=talk().utterances[2:3])
    beside, own = (
        {a.looks: a for a in watched(made, *at) if a.looks != "all"} for at in ((talk(), 2), (alone, 0))
    )
    assert set(beside) == set(own)
    assert len(own) == 2
    for looks, found in own.items():
        assert found.utterances == ("step 1", "step 2")
        assert abs(found.shares - 0.5).max() > 0.05
        np.testing.assert_allclose(beside[looks].shares[:, :2], found.shares[:, :2], atol=1e-5)


def _rows() -> tuple[torch.Tensor, torch.Tensor]:
    """The words of all utterances, as a mode takes them."""
    values = torch.from_numpy(np.stack([u.ready["text.t"] for u in talk()]))[:, None]
    return values, torch.ones(4, 1) > 0


def test_a_map_becomes_plain_json() -> None:
    one = Attention("u1", "text", ("audio",), ("u0", "u1"), np.array([[0.75, 0.25]]))
    (found,) = documents([one])
    assert (found["modality"], found["looks"], found["emotion"]) == ("attention", "text", None)
    assert found["parts"][0] == {"name": "audio", "utterance": "u0", "weight": 0.75}


def test_a_model_without_attention_says_so() -> None:
    from affectline.models.late_fusion import Config, LateFusion

    made = checkpoint(LateFusion(Config(classes=2, vectors=STREAMS)))
    with pytest.raises(ValueError, match="'made' has no attention between modalities"):
        watched(made, talk(), 0)
