"""What is before and after an utterance: Bi-LSTMs (AMuSE, III-D) or a transformer (MultiEMO, 3.3.1)."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from affectline.nn.packing import Packing, pack_conversations, pack_speakers

Turns = Float[Tensor, "batch utterance dim"]
Context = Float[Tensor, "batch utterance two_hidden"]
Mask = Bool[Tensor, "batch utterance"]


class DialogueContext(nn.Module):
    """Each utterance among all of its conversation: both directions of the last layer, 2 * `hidden` wide.

    Code: takes the states of the first of its layers; padding is a part of the conversation.
    Here: the last layer; what the mask leaves out is not there, and 0.
    """

    def __init__(self, dim: int, hidden: int, layers: int = 2, dropout: float = 0.0) -> None:
        super().__init__()
        self.lstm = _lstm(dim, hidden, layers, dropout)

    def forward(self, x: Turns, mask: Mask) -> Context:
        return _run(self.lstm, x, pack_conversations(mask))


class TransformerContext(nn.Module):
    """Each utterance in the light of all of its conversation, past and future, by self-attention.

    Paper: (MultiEMO 3.3.1, the two-stage paradigm) "another transformer", without sizes.
    Here:  two layers, pre-norm, with the sines and cosines of Vaswani et al. 2017 for the utterance's place.
    """

    def __init__(self, dim: int, heads: int, hidden: int, dropout: float, layers: int = 2) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(dim, heads, hidden, dropout, batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, layers, nn.LayerNorm(dim), enable_nested_tensor=False)

    def forward(self, x: Turns, speakers: Int[Tensor, "batch utterance"], mask: Mask) -> Turns:
        seen = mask | ~mask.any(dim=1, keepdim=True)  # where nothing is there all is seen, and then left out
        placed = x.masked_fill(~mask[..., None], 0.0) + _places(x)
        return self.encoder(placed, src_key_padding_mask=~seen).masked_fill(~mask[..., None], 0.0)


class SpeakerContext(nn.Module):
    """Each utterance among those of its speaker in its conversation, as if nobody else had spoken.

    Paper: the utterances of one speaker, whom a user points out and whose voice is then recognised.
    Code:  the speakers' features are zeros, by a comparison the wrong way round.
    Here:  every speaker, as the corpus or the recording names them.
    """

    def __init__(self, dim: int, hidden: int, layers: int = 2, dropout: float = 0.0) -> None:
        super().__init__()
        self.lstm = _lstm(dim, hidden, layers, dropout)

    def forward(self, x: Turns, speakers: Int[Tensor, "batch utterance"], mask: Mask) -> Context:
        return _run(self.lstm, x, pack_speakers(speakers, mask))


def _places(x: Turns) -> Float[Tensor, "utterance dim"]:
    """Sines and cosines of each utterance's place, in waves of 2 pi to 20,000 pi."""
    half = x.shape[2] // 2
    waves = 10_000 ** -(torch.arange(half, device=x.device) / half)
    angles = torch.arange(x.shape[1], device=x.device)[:, None] * waves
    return torch.cat([angles.sin(), angles.cos()], dim=1).to(x.dtype)


def _lstm(dim: int, hidden: int, layers: int, dropout: float) -> nn.LSTM:
    between = dropout if layers > 1 else 0.0  # torch drops between layers
    return nn.LSTM(dim, hidden, layers, dropout=between, bidirectional=True)


def _run(lstm: nn.LSTM, x: Turns, packing: Packing) -> Context:
    if not len(packing.index):
        return x.new_zeros(*packing.padded, 2 * lstm.hidden_size)
    states, _ = lstm(PackedSequence(packing.pack(x), packing.sizes))
    return packing.unpack(states.data)
