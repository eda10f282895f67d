"""The words of a whole conversation in one transformer: every utterance in the light of all the others."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from affectline.nn.minilm import load_minilm

CLS = 101
READS = 511  # word pieces beside [CLS]: the encoder knows 512 positions
MARGIN = READS // 4  # word pieces of context on either side of what is kept of a window


@dataclass(frozen=True)
class Window:
    """Utterances that are read together, and those of them that are kept: [first, last), [begin, end)."""

    first: int
    last: int
    begin: int
    end: int


def windows(lengths: Sequence[int]) -> Iterator[Window]:
    """Cut a conversation so that each utterance is read with much around it, and is kept once.

    Raises:
        ValueError: an utterance is longer than the margin, so that its window could not hold its context.
    """
    if max(lengths, default=0) > MARGIN:
        raise ValueError(f"an utterance has {max(lengths)} word pieces; read at most {MARGIN} of each")
    first = begin = 0
    while begin < len(lengths):
        last = _reach(lengths, first, READS)
        end = last if last == len(lengths) else last - _reach(lengths[:last][::-1], 0, MARGIN)
        yield Window(first, last, begin, end)
        begin = end
        first = begin - _reach(lengths[:begin][::-1], 0, MARGIN)


def _reach(lengths: Sequence[int], first: int, pieces: int) -> int:
    """The utterance behind the last one from `first` on that `pieces` word pieces have room for."""
    last = first
    while last < len(lengths) and lengths[last] <= pieces:
        pieces -= lengths[last]
        last += 1
    return last


class ConversationEncoder(nn.Module):
    """MiniLM, trained along, over utterances laid end to end, each of which is the mean of its word pieces.

    Paper: (MultiEMO 3.3.1, after Kim and Vossen 2021) for each utterance a pass over it and its context; its
           [CLS].
    Here:  one pass for all utterances of a conversation, in windows where it is longer than the encoder
           reads: on MELD a sixth of the work of a pass for each utterance with five before and two after it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.encoder = load_minilm()
        self.width: int = self.encoder.config.hidden_size

    def forward(
        self, turns: Int[Tensor, "batch utterance time"], mask: Bool[Tensor, "batch utterance time"]
    ) -> Float[Tensor, "batch utterance width"]:
        pieces, counts = turns[mask], mask.sum(dim=2)
        ends = counts.flatten().cumsum(0).view_as(counts).tolist()
        cut = [(b, w) for b, lengths in enumerate(counts.tolist()) for w in windows(lengths)]

        def place(b: int, utterance: int) -> int:
            """Where an utterance begins among all word pieces."""
            return ends[b][utterance - 1] if utterance else (ends[b - 1][-1] if b else 0)

        spans = [[place(b, n) for n in (w.first, w.last, w.begin, w.end)] for b, w in cut]
        states = self._read([pieces[first:last] for first, last, _, _ in spans])
        kept = [
            s[begin - first : end - first] for s, (first, _, begin, end) in zip(states, spans, strict=True)
        ]
        utterance = torch.arange(counts.numel(), device=mask.device).repeat_interleave(counts.flatten())
        summed = states[0].new_zeros(counts.numel(), self.width).index_add(0, utterance, torch.cat(kept))
        return summed.view(*counts.shape, -1) / counts.clamp(min=1).unsqueeze(-1)

    def _read(self, texts: Sequence[Int[Tensor, " _time"]]) -> list[Float[Tensor, "_time width"]]:
        """The last hidden states of each text, [CLS] left out."""
        start = texts[0].new_tensor([CLS])
        ids = pad_sequence([torch.cat([start, text]) for text in texts], batch_first=True)
        lengths = torch.tensor([len(text) for text in texts], device=ids.device)
        mask = torch.arange(ids.shape[1], device=ids.device) <= lengths[:, None]
        states = self.encoder(input_ids=ids, attention_mask=mask.long()).last_hidden_state
        return [s[1 : 1 + len(text)] for s, text in zip(states, texts, strict=True)]
