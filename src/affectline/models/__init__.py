"""One file per paper. A checkpoint names its model by the keys of MODELS; `infer` runs any of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import nn

from affectline.batch import Batch, Features, collate
from affectline.models import late_fusion
from affectline.types import Conversation, LabelSpace, Modality

MODELS = {
    "late_fusion": (late_fusion.LateFusion, late_fusion.Config),
}


@dataclass(frozen=True)
class Inferred:
    """Logits and truth of every utterance, conversation after conversation."""

    logits: Float[np.ndarray, "utterance classes"]
    by_modality: dict[Modality, Float[np.ndarray, "utterance classes"]]
    present: dict[Modality, Bool[np.ndarray, " utterance"]]
    targets: Float[np.ndarray, "utterance classes"]
    known: Bool[np.ndarray, "utterance classes"]
    ratings: Float[np.ndarray, "utterance classes"]


@torch.inference_mode()
def infer(
    model: nn.Module,
    conversations: Sequence[Conversation],
    features: Sequence[Sequence[Features]],
    labels: LabelSpace,
    *,
    size: int = 64,
    progress: Callable[[float], None] = lambda _share: None,
) -> Inferred:
    """Run a model in batches of `size` conversations of like length; the answers come in the order given."""
    device = next(model.parameters()).device
    lengths = [sum(len(a) for u in row for a in u.values()) for row in features]
    order = sorted(range(len(conversations)), key=lengths.__getitem__)
    rows: dict[int, tuple[np.ndarray, ...]] = {}
    modalities: tuple[Modality, ...] = ()
    model.eval()
    for start in range(0, len(order), size):
        chosen = order[start : start + size]
        batch = collate([conversations[i] for i in chosen], [features[i] for i in chosen], labels)
        out = model(batch.to(device))
        modalities = tuple(out.by_modality)
        for row, i in enumerate(chosen):
            rows[i] = _row(out, batch, row, len(conversations[i]))
        progress((start + len(chosen)) / len(order))
    logits, targets, known, ratings, *rest = (
        np.concatenate(column) for column in zip(*(rows[i] for i in range(len(rows))), strict=True)
    )
    by_modality = dict(zip(modalities, rest[: len(modalities)], strict=True))
    present = dict(zip(modalities, rest[len(modalities) :], strict=True))
    return Inferred(logits, by_modality, present, targets, known, ratings)


def _row(out: late_fusion.Output, batch: Batch, row: int, length: int) -> tuple[np.ndarray, ...]:
    tensors = (
        out.logits,
        batch.targets,
        batch.known,
        batch.ratings,
        *out.by_modality.values(),
        *out.present.values(),
    )
    return tuple(
        tensor[row, :length].float().cpu().numpy()
        if tensor.dtype != torch.bool
        else tensor[row, :length].cpu().numpy()
        for tensor in tensors
    )
