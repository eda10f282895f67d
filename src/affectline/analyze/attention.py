"""What the attention of a checkpoint's model does, watched from outside while it answers as ever.

Of MultiEMO which utterances each modality looks at in the others, of AMuSE which steps of the other modes of
an utterance, and of EmoJE also how much each mode counts.
"""

from collections.abc import Iterator, MutableMapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from affectline.batch import Batch, collate
from affectline.checkpoint import Checkpoint
from affectline.explain.attention import Attention
from affectline.features import Array, extract
from affectline.models.amuse import AMuSE
from affectline.models.emoje import EmoJE
from affectline.models.multiemo import MultiEMO
from affectline.nn.attention import CrossAttention, MultiAttn, MultiAttnLayer
from affectline.nn.joint_space import weights
from affectline.nn.man import Centre, Layer
from affectline.types import Conversation, modality_of

MODELS = (MultiEMO, AMuSE, EmoJE)


def watched(
    checkpoint: Checkpoint,
    conversation: Conversation,
    index: int,
    memo: MutableMapping[str, Array] | None = None,
) -> list[Attention]:
    """Where each modality of an utterance looks; the mean of the layers and heads. `memo`: as in `extract`.

    Raises:
        ValueError: the model has no attention to watch, or there is none in this utterance.
    """
    model = checkpoint.model
    if not isinstance(model, MODELS):
        names = ", ".join(m.__name__ for m in MODELS)
        raise ValueError(f"{checkpoint.name!r} has no attention between modalities to show; {names} have")
    (features,) = extract([conversation], checkpoint.extractors, memo=memo)
    batch = collate([conversation], [features], checkpoint.labels)
    batch = batch.to(next(model.parameters()).device)
    found = _multiemo(model, batch, conversation, index) if isinstance(model, MultiEMO) else []
    if isinstance(model, AMuSE | EmoJE):
        found = _modes(model, batch, conversation.utterances[index].id, index)
    if not found:
        raise ValueError(f"in utterance {conversation.utterances[index].id!r} no modality looks at another")
    return found


def _multiemo(model: MultiEMO, batch: Batch, talk: Conversation, index: int) -> list[Attention]:
    """Rows of slots are utterances of which anything is there, in their order."""
    there = {modality_of(s): (batch.present(s) & batch.mask)[0] for s in model.streams}
    seen = torch.stack([*there.values()]).any(dim=0)
    slots = [n for n, there in enumerate(seen.tolist()) if there]
    found: list[Attention] = []
    for modality in there:
        if not there[modality][index] or len(there) < 2:
            continue
        fuse = model.fuse[modality]
        assert isinstance(fuse, MultiAttn)
        with _watched([*fuse.layers]) as calls:
            _run(model, batch)
        others = [other for other in there if other != modality]
        rows = _mean([_stages(*call).cpu().numpy() for call in calls])  # stage, slot, slot
        shares = np.zeros((len(others), len(talk)))
        shares[:, slots] = rows[:, slots.index(index)]
        found.append(_attention(talk.utterances[index].id, modality, others, [u.id for u in talk], shares))
    return found


@torch.inference_mode()
def _stages(layer: nn.Module, arguments: tuple[Any, ...]) -> Float[Tensor, "stage slot slot"]:
    """Of a layer's cross-attentions, one after the other, as its forward runs them."""
    assert isinstance(layer, MultiAttnLayer)
    x, others = arguments
    found = []
    for cross, norm, keys in zip(layer.cross, layer.norms, others, strict=True):
        assert isinstance(cross, CrossAttention)
        found.append(cross.weights(x, keys)[0])
        x = norm(x + cross.attend(x, keys))
    return torch.stack(found)


def _modes(model: AMuSE | EmoJE, batch: Batch, own: str, index: int) -> list[Attention]:
    """The steps of the other modes, which stand in the columns; of EmoJE how much each mode counts."""
    names = [str(m) for m in model.man.modes]
    found: list[Attention] = []
    for name, centre in zip(names, model.man.centres, strict=True):
        assert isinstance(centre, Centre)
        with _watched([centre, *centre.layers]) as calls:
            _run(model, batch)
        (_, ((_, mine), _)), *layers = calls
        rows = [_peripherals(layer, seen, mine[index], index) for layer, seen in layers]
        longest = max((len(row) for row in rows[0]), default=0)
        if not mine[index].any() or longest < 2:  # one step is all that there is to look at
            continue
        shares = np.stack(
            [
                _mean([np.pad(row[n], (0, longest - len(row[n]))) for row in rows])
                for n in range(len(names) - 1)
            ]
        )
        places = [f"step {n + 1}" for n in range(longest)]
        if shares.any():
            found.append(_attention(own, name, [o for o in names if o != name], places, shares))
    return [*found, *_counted(model, batch, own, index)]


@torch.inference_mode()
def _peripherals(
    layer: nn.Module, arguments: tuple[Any, ...], mine: Bool[Tensor, " time"], index: int
) -> list[np.ndarray]:
    """Of each other mode how much of each of its steps the steps of this one take, in the mean."""
    assert isinstance(layer, Layer)
    g, others = arguments
    found = zip(layer.weights(g, others), others, strict=True)
    return [(w[index][mine].mean(dim=0) * mask[index]).cpu().numpy() for w, (_, mask) in found]


def _counted(model: AMuSE | EmoJE, batch: Batch, own: str, index: int) -> list[Attention]:
    if not isinstance(model, EmoJE):
        return []
    said: list[Tensor] = []
    hook = model.query.register_forward_hook(lambda _m, _seen, out: said.append(out))  # pyright: ignore
    try:
        _run(model, batch)
    finally:
        hook.remove()
    there = torch.stack([batch.present(s)[0] for s in model.streams], dim=1)
    shares = weights(said[0], there)[index].cpu().numpy()[:, None].astype(np.float64)
    modes = [s.removesuffix(".vector") for s in model.streams]  # of which there is one of a modality
    return [_attention(own, "all", modes, [own], shares)] if shares.any() else []


@torch.inference_mode()
def _run(model: nn.Module, batch: Batch) -> None:
    model.eval()
    model(batch)


@contextmanager
def _watched(layers: Sequence[nn.Module]) -> Iterator[list[tuple[nn.Module, tuple[Any, ...]]]]:
    """What each of these is called with."""
    calls: list[tuple[nn.Module, tuple[Any, ...]]] = []
    hooks = [x.register_forward_pre_hook(lambda m, seen: calls.append((m, seen))) for x in layers]
    try:
        yield calls
    finally:
        for hook in hooks:
            hook.remove()


def _mean(found: Sequence[np.ndarray]) -> np.ndarray:
    return np.asarray(np.mean([*found], axis=0, dtype=np.float64))


def _attention(
    own: str, looks: str, at: Sequence[str], utterances: Sequence[str], shares: np.ndarray
) -> Attention:
    """With shares that sum to one."""
    total = shares.sum()
    return Attention(own, str(looks), tuple(map(str, at)), tuple(utterances), shares / (total or 1.0))
