"""Transformers that read words and are trained along: MiniLM as it is installed, or a RoBERTa."""

from typing import TYPE_CHECKING

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from affectline.nn import pretrained
from affectline.nn.minilm import load_minilm, load_tokenizer

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedModel

MINILM = "minilm"
SEEN_THE_TEST = "emoberta"


def load_encoder(name: str) -> "PreTrainedModel":
    """A new copy of an encoder, in evaluation mode, without a pooling layer.

    Args:
        name: "minilm"; or a RoBERTa, by its name on the hub ("FacebookAI/roberta-base") or its folder.

    Raises:
        ValueError: the weights are nowhere, are another network's, or are those of EmoBERTa.
    """
    if name == MINILM:
        return load_minilm()
    from transformers import RobertaModel

    return pretrained.load(RobertaModel, _allowed(name), add_pooling_layer=False).requires_grad_(True)


def load_pieces(name: str) -> "Tokenizer":
    """The tokeniser of an encoder, without truncation or padding.

    Raises:
        ValueError: as `load_encoder`.
    """
    if name == MINILM:
        return load_tokenizer()
    from tokenizers import Tokenizer

    folder = pretrained.files_of(_allowed(name), ("tokenizer.json",))
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def _allowed(name: str) -> str:
    if SEEN_THE_TEST in name.lower():
        raise ValueError(
            f"{name!r} is refused: EmoBERTa's weights on the hub were trained on the dialogues of MELD and "
            "IEMOCAP altogether, those of the test parts too, so that no result on them would mean anything. "
            "Take FacebookAI/roberta-base, which is trained along on the train part"
        )
    return name


class TextEncoder(nn.Module):
    """An encoder over the word pieces of each utterance: what it makes of the first of them.

    The pieces are those of `Windows`, with the words around the utterance (one stage, MultiEMO 3.3.1), or of
    `Tokens`, the utterance alone. 0 for an utterance without words.
    """

    def __init__(self, name: str = MINILM) -> None:
        super().__init__()
        self.encoder = load_encoder(name)
        self.width: int = self.encoder.config.hidden_size

    def forward(
        self, pieces: Int[Tensor, "batch utterance time"], mask: Bool[Tensor, "batch utterance time"]
    ) -> Float[Tensor, "batch utterance width"]:
        there = mask.any(dim=2)
        out = torch.zeros(*there.shape, self.width, device=mask.device)
        if not there.any():
            return out
        longest = int(mask[there].sum(dim=1).max())
        ids, real = pieces[there][:, :longest], mask[there][:, :longest]
        states = self.encoder(input_ids=ids, attention_mask=real.long()).last_hidden_state
        return out.masked_scatter(there[..., None], states[:, 0])
