"""The stream "text.mpnet": what MPNet makes of each word (AMuSE, Section III-A)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64
from torch import Tensor

from affectline.features import Item
from affectline.features.text_tokens import words_hash
from affectline.nn import pretrained
from affectline.types import Conversation

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import MPNetModel

LONGEST = 512  # word pieces: MPNet knows 514 positions, of which the first two are never used
PAD = 1  # the number of <pad>, of which no position is counted
_BATCH = 32
_WORD = re.compile(r"\S+")

States = Float32[np.ndarray, "_words 768"]


@dataclass(frozen=True)
class MPNet:
    """The mean of the last hidden states of each word's pieces: (words, 768). The network is frozen.

    Words are what white space separates, with their punctuation, as in a transcript. Song et al. 2020: MPNet,
    masked and permuted pre-training for language understanding.

    Paper: "MPNet-based word embeddings", one for each of the p words.
    Code:  one vector for the sentence, of all-mpnet-base-v2.
    Here:  the paper's words; `weights` may name that network too.

    `weights`: a folder with config.json, model.safetensors and tokenizer.json, or a name on the hub, here at
    a commit.
    `limit`: word pieces read at most; words behind them are not there.
    `device`: where it is computed.
    """

    weights: str = "microsoft/mpnet-base@6996ce1e91bd2a9c7d7f61daec37463394f73f09"
    limit: int = LONGEST
    device: str = field(default="cpu", repr=False)

    stream = "text.mpnet"
    shape = (768,)
    dtype = np.float32
    stored = True

    def __post_init__(self) -> None:
        if not 3 <= self.limit <= LONGEST:
            raise ValueError(f"MPNet reads 3 to {LONGEST} word pieces, got limit={self.limit}")

    def content(self, conversation: Conversation, index: int) -> str | None:
        words = words_hash(conversation, index)
        return words and f"{words} {pretrained.fingerprint(self.weights)}"

    def __call__(self, items: Sequence[Item]) -> list[States]:
        texts = [conversation.utterances[index].text or "" for conversation, index in items]
        read = [_read(_tokenizer(self.weights, self.limit), text) for text in texts]
        by_length = sorted(range(len(read)), key=lambda n: len(read[n][0]))
        states: dict[int, States] = {}
        for start in range(0, len(by_length), _BATCH):
            chosen = by_length[start : start + _BATCH]
            encoded = self._encode([torch.from_numpy(read[n][0]) for n in chosen])
            states |= {
                n: _pool(e, torch.from_numpy(read[n][1])) for n, e in zip(chosen, encoded, strict=True)
            }
        return [states[n] for n in range(len(read))]

    @torch.inference_mode()
    def _encode(self, ids: Sequence[Tensor]) -> list[Float[Tensor, "_pieces 768"]]:
        """The last hidden states, <s> and </s> left out."""
        network = _network(self.weights, self.device)
        padded = torch.nn.utils.rnn.pad_sequence(list(ids), batch_first=True, padding_value=PAD)
        mask = torch.arange(padded.shape[1]) < torch.tensor([len(i) for i in ids])[:, None]
        states = network(
            input_ids=padded.to(self.device), attention_mask=mask.to(self.device)
        ).last_hidden_state.cpu()
        return [s[1 : len(i) - 1] for s, i in zip(states, ids, strict=True)]


def _read(
    tokenizer: "Tokenizer", text: str
) -> tuple[Int64[np.ndarray, " _pieces_and_two"], Int64[np.ndarray, " _pieces"]]:
    """The numbers of the word pieces from <s> to </s>, and which word each belongs to."""
    encoding = tokenizer.encode(text)
    starts = [word.start() for word in _WORD.finditer(text)]
    firsts = [first for first, _ in encoding.offsets[1:-1]]
    return np.array(encoding.ids, np.int64), np.searchsorted(starts, firsts, side="right") - 1


def _pool(states: Float[Tensor, "pieces 768"], word: Int64[Tensor, " pieces"]) -> States:
    """The mean over the pieces of each word; a word without any, such as a control character, is left out."""
    _, which, counts = word.unique(return_inverse=True, return_counts=True)
    sums = states.new_zeros(len(counts), states.shape[1]).index_add(0, which, states)
    return (sums / counts[:, None]).numpy()


@cache
def _tokenizer(weights: str, limit: int) -> "Tokenizer":
    from tokenizers import Tokenizer

    folder = pretrained.files_of(weights, (pretrained.CONFIG, pretrained.WEIGHTS, "tokenizer.json"))
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(limit)
    return tokenizer


@cache
def _network(weights: str, device: str) -> "MPNetModel":
    from transformers import MPNetModel

    network = pretrained.load(MPNetModel, weights, add_pooling_layer=False)
    torch.nn.Module.to(network, device)  # in place; MPNetModel.to has lost its types to a decorator
    return network
