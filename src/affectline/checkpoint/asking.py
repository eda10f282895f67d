"""One conversation asked about many times, a little changed each time: what is unchanged is computed once."""

from collections import ChainMap
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import nn

from affectline.checkpoint import Checkpoint, lengths_of
from affectline.features import Array, extract
from affectline.models import infer
from affectline.types import Conversation, Prediction, Utterance

SIZE = 32  # conversations that the network sees at once


class Asked:
    """A checkpoint's answers to a conversation and to changes of it; it is called as `Checkpoint.predict` is.

    What is made of the conversation itself is kept, that of a change is forgotten after the call: so give
    few changes at a time where these are of raw sound or pictures. A model without context is asked about
    the utterances that changed alone.
    """

    def __init__(self, checkpoint: Checkpoint, conversation: Conversation) -> None:
        self._checkpoint = checkpoint
        self._kept: dict[str, Array] = {}
        self._known: dict[int, tuple[Utterance, Prediction]] = {}  # by identity: of the conversation as it is
        (predictions,) = self._asked([conversation], self._kept)
        self._known = {id(u): (u, p) for u, p in zip(conversation, predictions, strict=True)}

    def __call__(self, conversations: Sequence[Conversation]) -> list[list[Prediction]]:
        passing = ChainMap[str, Array]({}, self._kept)  # writes go to the first
        if self._checkpoint.model.context:
            return self._asked(conversations, passing)
        new = {
            id(u): replace(c, utterances=(u,)) for c in conversations for u in c if id(u) not in self._known
        }
        answers = dict(zip(new, self._asked([*new.values()], passing), strict=True)) if new else {}
        return [
            [self._known[id(u)][1] if id(u) in self._known else answers[id(u)][0] for u in c]
            for c in conversations
        ]

    def _asked(
        self, conversations: Sequence[Conversation], memo: "dict[str, Array] | ChainMap[str, Array]"
    ) -> list[list[Prediction]]:
        windows = self._checkpoint.windows
        seen = [w for c in conversations for w in windows(c)] if windows else list(conversations)
        features = extract(seen, self._checkpoint.extractors, memo=memo)
        found = infer(self._checkpoint.model, seen, features, self._checkpoint.labels, size=SIZE)
        rest = iter(self._checkpoint.judge(found, lengths_of(seen, features)))
        return [[next(rest) for _ in c] for c in conversations]


def randomised(checkpoint: Checkpoint, seed: int = 0) -> Checkpoint:
    """The same with the values of each of the model's weights shuffled among themselves.

    An explanation of it should say something else (Adebayo et al., Sanity Checks for Saliency Maps, NeurIPS
    2018). What extractors read by stays as it is.
    """
    import copy

    model: nn.Module = copy.deepcopy(checkpoint.model)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in model.parameters():
            order = torch.randperm(weight.numel(), generator=generator).to(weight.device)
            weight.copy_(weight.flatten()[order].reshape(weight.shape))
    return replace(checkpoint, model=model)
