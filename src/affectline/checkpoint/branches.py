"""A late fusion asked many times: what one of its branches has read before is not read again."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from affectline.batch import Features, Stream
from affectline.features import Array
from affectline.models import Inferred, averaged, first_of
from affectline.models.late_fusion import LateFusion
from affectline.types import Conversation, Modality

SIZE = 16  # arrays that a branch reads at once

Logits = Float[Tensor, " classes"]


class Branches:
    """The answers of a late fusion, each array of features read once by the branch that it is for.

    What is made of `known`, the features of the conversation itself, is kept for good.
    """

    def __init__(self, model: LateFusion, known: Sequence[Sequence[Features]]) -> None:
        self._model = model
        self._kept: dict[tuple[Modality, int], tuple[Array, Logits]] = {}  # by identity: arrays are shared
        for modality, stream in self._streams():
            arrays = [row[stream] for row in chain(*known)]
            said = self._read(modality, arrays)
            self._kept |= {(modality, id(a)): (a, said[id(a)]) for a in arrays}

    def __call__(
        self,
        conversations: Sequence[Conversation],
        features: Sequence[Sequence[Features]],
    ) -> Inferred:
        """As `infer`, but that nothing is known of the truth, and changed pictures are read in `halves`."""
        rows = [*chain(*features)]
        logits: dict[Modality, Float[Tensor, "1 n classes"]] = {}
        present: dict[Modality, Tensor] = {}
        for modality, stream in self._streams():
            arrays = [row[stream] for row in rows]
            known = {id(a): self._kept[modality, id(a)][1] for a in arrays if (modality, id(a)) in self._kept}
            with halves(modality):
                said = self._read(modality, [a for a in arrays if id(a) not in known]) | known
            logits[modality] = torch.stack([said[id(a)] for a in arrays])[None]
            present[modality] = torch.tensor([[len(a) > 0 for a in arrays]], device=logits[modality].device)
        return averaged(fused(self._model, logits, present), first_of(conversations))

    def _streams(self) -> Iterator[tuple[Modality, str]]:
        return ((Modality(m), self._model.branch(Modality(m))[0]) for m in self._model.branches)

    @torch.inference_mode()
    def _read(self, modality: Modality, arrays: Sequence[Array]) -> dict[int, Logits]:
        """What the branch says of each of them, those of a like length together."""
        each = sorted({id(a): a for a in arrays}.values(), key=len)
        branch = self._model.branches[modality]
        device = next(self._model.parameters()).device
        found: dict[int, Logits] = {}
        for some in (each[n : n + SIZE] for n in range(0, len(each), SIZE)):
            values = pad_sequence([torch.from_numpy(a) for a in some], batch_first=True)
            lengths = torch.tensor([len(a) for a in some])
            mask = torch.arange(values.shape[1]) < lengths[:, None]
            said = branch(Stream(values[None].to(device), mask[None].to(device)))[0].float()
            found |= {id(a): row for a, row in zip(some, said, strict=True)}
        return found


@torch.inference_mode()
def fused(
    model: LateFusion,
    said: Mapping[Modality, Float[Tensor, "1 n classes"]],
    there: Mapping[Modality, Bool[Tensor, "1 n"]],
) -> Inferred:
    """What a late fusion makes of what its branches say; nothing is known of the truth."""
    logits = model.fuse(said, there)[0].cpu().numpy()
    return Inferred(
        logits=logits,
        by_modality={m: x[0].cpu().numpy() for m, x in said.items()},
        present={m: x[0].cpu().numpy() for m, x in there.items()},
        targets=np.zeros_like(logits),
        known=np.zeros(logits.shape, bool),
        ratings=np.zeros_like(logits),
    )


def quick() -> bool:
    """Whether the processor multiplies 16-bit floats by tiles, which is some three times as fast."""
    said = getattr(torch.cpu, "get_capabilities", dict[str, object])()  # torch has it from 2.8 on
    return bool(said.get("amx_bf16"))


@contextmanager
def halves(modality: Modality) -> Iterator[None]:
    """Networks that look at pictures compute in bfloat16, where that is quick; all others as they do."""
    with torch.autocast("cpu", torch.bfloat16, enabled=modality is Modality.VIDEO and quick()):
        yield
