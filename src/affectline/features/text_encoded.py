"""The stream "text.encoded": what the text encoder of a trained MultiEMO makes of each utterance."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32
from torch import nn
from torch.nn.utils.rnn import pad_sequence

from affectline.features import Item, extract
from affectline.features.text_turns import Turns, context_hash
from affectline.features.text_windows import Windows
from affectline.nn.conversation_encoder import ConversationEncoder
from affectline.nn.text_encoder import TextEncoder
from affectline.types import Conversation, Modality

WHERE = "contexts.text.features."  # the encoder's weights in those of a MultiEMO


@dataclass(frozen=True)
class Encoded:
    """One vector for each utterance, (1, width), from words that were learnt on a corpus' train part.

    So several models can be compared on the same words, in seconds each, without training the encoder again.
    `checkpoint`: the folder of a trained model whose text stream is word pieces.

    Raises:
        ValueError: once it is used, where there is no such checkpoint, or it has no text encoder.
    """

    checkpoint: str
    width: int = 384

    stream = "text.encoded"
    dtype = np.float32
    stored = True

    @property
    def shape(self) -> tuple[int]:
        return (self.width,)

    def content(self, conversation: Conversation, index: int) -> str | None:
        said = context_hash(conversation, index, self.stream)
        return said and f"{said} {_trained(self.checkpoint).sha256}"

    def __call__(self, items: Sequence[Item]) -> list[Float32[np.ndarray, "1 width"]]:
        talks = {id(conversation): conversation for conversation, _ in items}
        vectors = {key: self._encode(conversation) for key, conversation in talks.items()}
        return [vectors[id(conversation)][[index]] for conversation, index in items]

    @torch.inference_mode()
    def _encode(self, conversation: Conversation) -> Float32[np.ndarray, "utterance width"]:
        found = _trained(self.checkpoint)
        (row,) = extract([_as_heard(conversation, self.stream)], [found.pieces])
        said = [torch.from_numpy(u[found.pieces.stream]) for u in row]
        pieces = pad_sequence([torch.zeros(1, dtype=torch.int64), *said], batch_first=True)[1:]
        mask = torch.arange(pieces.shape[1]) < torch.tensor([[len(s)] for s in said])
        return found.encoder(pieces[None], mask[None])[0].numpy()


def _as_heard(conversation: Conversation, stream: str) -> Conversation:
    """Whoever lost this stream says nothing to the others either."""
    heard = [u if u.has(stream) else replace(u, missing=u.missing | {Modality.TEXT}) for u in conversation]
    return replace(conversation, utterances=tuple(heard))


@dataclass(frozen=True)
class _Trained:
    """Of a checkpoint what reads words; `sha256`: of its weights."""

    pieces: Turns | Windows
    encoder: nn.Module
    sha256: str


@cache
def _trained(checkpoint: str) -> _Trained:
    from safetensors.torch import load_file

    folder = Path(checkpoint)
    try:
        config = json.loads((folder / "config.json").read_bytes())
        state = load_file(folder / "model.safetensors")
    except (OSError, json.JSONDecodeError) as error:
        raise ValueError(
            f"no checkpoint {checkpoint!r} ({error}); train it: affectline train {folder.name}"
        ) from error
    state = {n.removeprefix(WHERE): w for n, w in state.items() if n.startswith(f"{WHERE}encoder.")}
    if not state:
        raise ValueError(
            f"{checkpoint!r} has no text encoder; give the folder of a trained multiemo.meld_text"
        )
    made = {e.pop("name"): e for e in config["extractors"]}
    pieces = Turns(**made["Turns"]) if "Turns" in made else Windows(**made["Windows"])
    whole = isinstance(pieces, Turns)
    encoder = ConversationEncoder() if whole else TextEncoder(config["config"]["encoder"])
    encoder.load_state_dict(state)
    return _Trained(pieces, encoder.eval(), config["weights_sha256"])
