"""Transformers that read words and are trained along: MiniLM as it is installed, others by name or folder."""

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from affectline.nn.minilm import load_minilm, load_tokenizer

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedModel

MINILM = "minilm"
SEEN_THE_TEST = "emoberta"


def load_encoder(name: str) -> "PreTrainedModel":
    """A new copy of an encoder, in evaluation mode, without a pooling layer.

    Args:
        name: "minilm", a name on the hub ("FacebookAI/roberta-base") or a folder in its format.

    Raises:
        ValueError: the weights are nowhere, or are those of EmoBERTa.
    """
    if name == MINILM:
        return load_minilm()
    from transformers import AutoModel

    try:
        with torch.random.fork_rng(devices=[]):
            found = AutoModel.from_pretrained(_allowed(name), add_pooling_layer=False)
    except OSError as error:
        raise ValueError(_nowhere(name, error)) from error
    return found.eval()


def load_pieces(name: str) -> "Tokenizer":
    """The tokeniser of an encoder, without truncation or padding.

    Raises:
        ValueError: as `load_encoder`.
    """
    if name == MINILM:
        return load_tokenizer()
    from transformers import AutoTokenizer

    try:
        found = AutoTokenizer.from_pretrained(_allowed(name)).backend_tokenizer
    except OSError as error:
        raise ValueError(_nowhere(name, error)) from error
    found.no_truncation()
    found.no_padding()
    return found


def _allowed(name: str) -> str:
    if SEEN_THE_TEST in name.lower():
        raise ValueError(
            f"{name!r} is refused: EmoBERTa's weights on the hub were trained on the dialogues of MELD and "
            "IEMOCAP altogether, those of the test parts too, so that no result on them would mean anything. "
            "Take FacebookAI/roberta-base, which is trained along on the train part"
        )
    return name


def _nowhere(name: str, error: OSError) -> str:
    reason = str(error).partition("\n")[0]
    known = "it is a folder, but not in the hub's format" if Path(name).is_dir() else "nor on the hub"
    return f"the text encoder {name!r} is neither a folder here {known} ({reason}); give the path of one"


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
