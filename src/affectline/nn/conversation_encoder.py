"""The words of a whole conversation in one transformer: every utterance in the light of all the others."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from affectline.nn.minilm import load_minilm

READS = 512  # word pieces at once, which bounds the memory that attention takes
MARGIN = READS // 4  # word pieces of context on either side of what is kept of a window
SLOPES = 4.0, 0.05  # of the first and the last head: what a score loses for each utterance in between


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
    """MiniLM, trained along, over all utterances of a conversation at once; each is the mean of its pieces.

    Places are counted from the start of each utterance, as the encoder knows sentences, and the further away
    another utterance is the less is seen of it: a head's scores lose its slope for every one in between
    (ALiBi, Press et al. 2022, by utterances instead of words). So the encoder begins as one that reads
    sentences, with an eye on what is around them.

    Paper: (MultiEMO 3.3.1, after Kim and Vossen 2021) for each utterance a pass over it and its context; its
           [CLS].
    Here:  one pass for all utterances of a conversation, in windows where it is long: on MELD a sixth of the
           work of a pass for each utterance with five before and two after it. Attention is not dropped out,
           which would take a quarter of the time, and the word embeddings stay as they are.
    """

    def __init__(self) -> None:
        super().__init__()
        self.encoder = load_minilm()
        self.encoder.embeddings.requires_grad_(False)
        for layer in self.encoder.encoder.layer:
            layer.attention.get_submodule("self.dropout").p = 0.0  # pyright: ignore
        self.width: int = self.encoder.config.hidden_size
        steps = torch.linspace(0, 1, self.encoder.config.num_attention_heads)
        self.slopes = nn.Buffer(SLOPES[0] * (SLOPES[1] / SLOPES[0]) ** steps, persistent=False)

    def forward(
        self, turns: Int[Tensor, "batch utterance time"], mask: Bool[Tensor, "batch utterance time"]
    ) -> Float[Tensor, "batch utterance width"]:
        counts = mask.sum(dim=2)
        if not mask.any():
            return torch.zeros(*counts.shape, self.width, device=mask.device)
        lengths = counts.flatten()
        utterance = torch.arange(len(lengths), device=mask.device).repeat_interleave(lengths)
        ends = lengths.cumsum(0)
        place = torch.arange(len(utterance), device=mask.device) - (ends - lengths)[utterance]
        spoken = (lengths > 0).cumsum(0)[utterance]
        pieces = torch.stack([turns[mask], place, spoken], dim=1)
        spans = list(_spans(counts.tolist(), [0, *ends.tolist()]))
        states = self._read([pieces[first:last] for first, last, _, _ in spans])
        kept = [
            s[begin - first : end - first] for s, (first, _, begin, end) in zip(states, spans, strict=True)
        ]
        summed = states[0].new_zeros(len(lengths), self.width).index_add(0, utterance, torch.cat(kept))
        return summed.view(*counts.shape, -1) / counts.clamp(min=1).unsqueeze(-1)

    def _read(self, texts: Sequence[Int[Tensor, "_time 3"]]) -> list[Float[Tensor, "_time width"]]:
        """The last hidden states of each text: word pieces, their places, and the numbers of utterances."""
        ids, places, spoken = pad_sequence([*texts], batch_first=True).unbind(dim=2)
        lengths = torch.tensor([len(text) for text in texts], device=ids.device)
        real = torch.arange(ids.shape[1], device=ids.device) < lengths[:, None]
        between = (spoken[:, :, None] - spoken[:, None]).abs()
        bias = -between[:, None] * self.slopes[:, None, None]
        bias = bias.masked_fill(~real[:, None, None], torch.finfo(bias.dtype).min)
        out = self.encoder(input_ids=ids, position_ids=places, attention_mask=bias)
        return [s[: len(text)] for s, text in zip(out.last_hidden_state, texts, strict=True)]


def _spans(counts: Sequence[Sequence[int]], ends: Sequence[int]) -> Iterator[list[int]]:
    """The windows of all conversations as places among all their word pieces: first, last, begin, end."""
    before = 0
    for lengths in counts:
        for w in windows(lengths):
            yield [ends[before + n] for n in (w.first, w.last, w.begin, w.end)]
        before += len(lengths)
