"""One file per paper. A checkpoint names its model by the keys of MODELS; `infer` runs any of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from affectline.batch import Batch, Features, collate
from affectline.models import amuse, emoje, late_fusion, multiemo, semul_pcd
from affectline.types import Conversation, LabelSpace, Modality

MODELS = {
    "late_fusion": (late_fusion.LateFusion, late_fusion.Config),
    "amuse": (amuse.AMuSE, amuse.Config),
    "emoje": (emoje.EmoJE, emoje.Config),
    "multiemo": (multiemo.MultiEMO, multiemo.Config),
    "semul_pcd": (semul_pcd.SeMuLPCD, semul_pcd.Config),
}


@runtime_checkable
class Output(Protocol):
    """What every model gives: logits, and of each modality whether it was there.

    `by_modality`: the logits of each modality alone, where the model has such a thing.
    """

    @property
    def logits(self) -> Tensor: ...
    @property
    def by_modality(self) -> Mapping[Modality, Tensor]: ...
    @property
    def present(self) -> Mapping[Modality, Tensor]: ...


@dataclass(frozen=True)
class Inferred:
    """Logits and truth of every utterance, conversation after conversation."""

    logits: Float[np.ndarray, "utterance classes"]
    by_modality: dict[Modality, Float[np.ndarray, "utterance classes"]]
    present: dict[Modality, Bool[np.ndarray, " utterance"]]
    targets: Float[np.ndarray, "utterance classes"]
    known: Bool[np.ndarray, "utterance classes"]
    ratings: Float[np.ndarray, "utterance classes"]


def infer(
    model: nn.Module,
    conversations: Sequence[Conversation],
    features: Sequence[Sequence[Features]],
    labels: LabelSpace,
    *,
    size: int = 64,
    progress: Callable[[float], None] = lambda _share: None,
) -> Inferred:
    """Run a model in batches of `size` conversations of like length; the answers come in the order given.

    Windows of one utterance, which stand on end, are answered as one: see `averaged`.
    """
    found = window_by_window(model, conversations, features, labels, size=size, progress=progress)
    return averaged(found, first_of(conversations))


@torch.inference_mode()
def window_by_window(
    model: nn.Module,
    conversations: Sequence[Conversation],
    features: Sequence[Sequence[Features]],
    labels: LabelSpace,
    *,
    size: int = 64,
    progress: Callable[[float], None] = lambda _share: None,
) -> Inferred:
    """As `infer`, but every window is answered by itself."""
    device = next(model.parameters()).device
    lengths = [sum(len(a) for u in row for a in u.values()) for row in features]
    order = sorted(range(len(conversations)), key=lengths.__getitem__)
    found: dict[int, Inferred] = {}
    model.eval()
    for start in range(0, len(order), size):
        chosen = order[start : start + size]
        batch = collate([conversations[i] for i in chosen], [features[i] for i in chosen], labels)
        out = model(batch.to(device))
        for row, i in enumerate(chosen):
            found[i] = _of_conversation(out, batch, row, len(conversations[i]))
        progress((start + len(chosen)) / len(order))
    return joined([found[i] for i in range(len(found))])


def first_of(conversations: Sequence[Conversation]) -> Bool[np.ndarray, " window"]:
    """Which of the windows begin an utterance."""
    return np.array([u.window == 0 for c in conversations for u in c])


def _of_conversation(out: Output, batch: Batch, row: int, length: int) -> Inferred:
    def cut(tensor: Tensor) -> np.ndarray:
        part = tensor[row, :length].cpu()
        return part.numpy() if part.dtype == torch.bool else part.float().numpy()

    return Inferred(
        logits=cut(out.logits),
        by_modality={m: cut(logits) for m, logits in out.by_modality.items()},
        present={m: cut(there) for m, there in out.present.items()},
        targets=cut(batch.targets),
        known=cut(batch.known),
        ratings=cut(batch.ratings),
    )


def averaged(out: Inferred, first: Bool[np.ndarray, " window"]) -> Inferred:
    """Of each utterance, which its first window begins, the mean of the logits that its windows give.

    Where a modality is in some of them alone, the others do not count for it, nor for the whole answer those
    without any. Logits, not probabilities: calibration is affine in them, and fitted on these very means.
    """
    if first.all():
        return out
    starts = np.flatnonzero(first)

    def mean(logits: np.ndarray, there: np.ndarray) -> np.ndarray:
        none = ~np.logical_or.reduceat(there, starts)[first.cumsum() - 1]
        weight = (there | none)[:, None].astype(logits.dtype)
        return np.add.reduceat(weight * logits, starts) / np.add.reduceat(weight, starts)

    return Inferred(
        logits=mean(out.logits, np.any([*out.present.values()], axis=0)),
        by_modality={m: mean(logits, out.present[m]) for m, logits in out.by_modality.items()},
        present={m: np.logical_or.reduceat(there, starts) for m, there in out.present.items()},
        targets=out.targets[first],
        known=out.known[first],
        ratings=out.ratings[first],
    )


def joined(parts: Sequence[Inferred]) -> Inferred:
    """One after the other."""

    def join(of: Callable[[Inferred], np.ndarray]) -> np.ndarray:
        return np.concatenate([of(part) for part in parts])

    return Inferred(
        logits=join(lambda part: part.logits),
        by_modality={m: join(lambda part, m=m: part.by_modality[m]) for m in parts[0].by_modality},
        present={m: join(lambda part, m=m: part.present[m]) for m in parts[0].present},
        targets=join(lambda part: part.targets),
        known=join(lambda part: part.known),
        ratings=join(lambda part: part.ratings),
    )
