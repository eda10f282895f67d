"""What comes before and after an utterance, in all and of its speaker: Bi-LSTMs (AMuSE, Section III-D)."""

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


def _lstm(dim: int, hidden: int, layers: int, dropout: float) -> nn.LSTM:
    between = dropout if layers > 1 else 0.0  # torch drops between layers
    return nn.LSTM(dim, hidden, layers, dropout=between, bidirectional=True)


def _run(lstm: nn.LSTM, x: Turns, packing: Packing) -> Context:
    if not len(packing.index):
        return x.new_zeros(*packing.padded, 2 * lstm.hidden_size)
    states, _ = lstm(PackedSequence(packing.pack(x), packing.sizes))
    return packing.unpack(states.data)
