"""The stream "text.minilm": what all-MiniLM-L6-v2 makes of the words."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32
from torch import Tensor

from affectline.features import Item
from affectline.features.text_tokens import Tokens
from affectline.nn.minilm import load_minilm
from affectline.types import Conversation

if TYPE_CHECKING:
    from transformers import BertModel

_BATCH = 32


@dataclass(frozen=True)
class MiniLM:
    """The last hidden states of the word pieces, [CLS] and [SEP] included: (time, 384).

    `pooled`: their mean at length one instead, as one time step, which is what sentence-transformers gives
    for a sentence. `limit`: word pieces read at most; the encoder was trained on sentences up to 256.
    `device`: where it is computed.
    """

    pooled: bool = False
    limit: int = 256
    device: str = field(default="cpu", repr=False)

    stream = "text.minilm"
    shape = (384,)
    dtype = np.float32
    stored = True

    def content(self, conversation: Conversation, index: int) -> str | None:
        return Tokens(self.limit).content(conversation, index)

    def __call__(self, items: Sequence[Item]) -> list[Float32[np.ndarray, "_time 384"]]:
        tokens = Tokens(self.limit)(items)
        by_length = sorted(range(len(tokens)), key=lambda n: len(tokens[n]))
        states: dict[int, Float32[np.ndarray, "time 384"]] = {}
        for start in range(0, len(by_length), _BATCH):
            chosen = by_length[start : start + _BATCH]
            encoded = self._encode([torch.from_numpy(tokens[n]) for n in chosen])
            states |= dict(zip(chosen, encoded, strict=True))
        return [states[n] for n in range(len(tokens))]

    @torch.inference_mode()
    def _encode(self, tokens: Sequence[Tensor]) -> list[Float32[np.ndarray, "_time 384"]]:
        ids = torch.nn.utils.rnn.pad_sequence(list(tokens), batch_first=True)
        lengths = torch.tensor([len(t) for t in tokens])
        mask = torch.arange(ids.shape[1]) < lengths[:, None]
        states = _network(self.device)(
            input_ids=ids.to(self.device), attention_mask=mask.to(self.device)
        ).last_hidden_state.cpu()
        if self.pooled:
            return list(_pool(states, mask)[:, None].numpy())
        return [s[:length].numpy().copy() for s, length in zip(states, lengths.tolist(), strict=True)]


def _pool(
    states: Float[Tensor, "batch time dim"], mask: Bool[Tensor, "batch time"]
) -> Float[Tensor, "batch dim"]:
    """The mean over the word pieces, of length one: the pooling of Reimers and Gurevych 2019."""
    total = (states * mask.unsqueeze(-1)).sum(dim=1)  # a mean up to its length, which is made one
    return torch.nn.functional.normalize(total, dim=-1)


@cache
def _network(device: str) -> "BertModel":
    network = load_minilm().requires_grad_(False)
    torch.nn.Module.to(network, device)  # in place; BertModel.to has lost its types to a decorator
    return network
