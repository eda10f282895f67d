"""One conversation asked about many times, a little changed each time: what is unchanged is computed once."""

from collections import ChainMap
from collections.abc import Sequence
from dataclasses import replace

from affectline.batch import Features
from affectline.checkpoint import Checkpoint, lengths_of
from affectline.checkpoint.branches import Branches, halves
from affectline.checkpoint.vectors import ShuffledVectors, Vectors, shuffled
from affectline.features import Array, Extractor, extract
from affectline.models import Inferred, infer
from affectline.models.late_fusion import LateFusion
from affectline.types import Conversation, Modality, Prediction, modality_of

SIZE = 32  # conversations that the network sees at once


class Asked:
    """A checkpoint's answers to a conversation and to changes of it; it is called as `Checkpoint.predict` is.

    What is made of the conversation itself is kept, that of a change is forgotten after the call: so give
    few changes at a time where these are of raw sound or pictures. A model without context is asked about
    the utterances that changed alone. Streams of sound and picture are taken to read one utterance and
    nothing of its words, those of words nothing else of the conversation: so neither is looked at again
    where that is unchanged. A late fusion reads again only by the branches of what changed. Networks see
    changed pictures, and these alone, in bfloat16 where the processor is quicker at that (`halves`).
    """

    def __init__(self, checkpoint: Checkpoint, conversation: Conversation) -> None:
        self._checkpoint, self._conversation = checkpoint, conversation
        by_words = [modality_of(e.stream) is Modality.TEXT for e in checkpoint.extractors]
        self._of_words, self._of_clips = (
            [e for e, words in zip(checkpoint.extractors, by_words, strict=True) if words is kind]
            for kind in (True, False)
        )
        self._kept: dict[str, Array] = {}
        seen = self._windows([conversation])
        features = extract(seen, checkpoint.extractors, memo=self._kept)
        self._rows = features[0] if len(seen) == 1 else []
        model = checkpoint.model
        self._branches = Branches(model, features) if isinstance(model, LateFusion) else None
        (predictions,) = self._answered([conversation], seen, features)
        self._known = {id(u): (u, p) for u, p in zip(conversation, predictions, strict=True)}  # by identity

    @property
    def checkpoint(self) -> Checkpoint:
        return self._checkpoint

    @property
    def memo(self) -> dict[str, Array]:
        """What extractors made of the conversation as it is, as `extract` takes it."""
        return self._kept

    def __call__(self, conversations: Sequence[Conversation]) -> list[list[Prediction]]:
        passing = ChainMap[str, Array]({}, self._kept)  # writes go to the first
        if self._checkpoint.model.context:
            return self._answered(conversations, conversations, self._features(conversations, passing))
        alone = {id(u): replace(c, utterances=(u,)) for c in conversations for u in c}
        new = {key: c for key, c in alone.items() if key not in self._known}
        seen = self._windows([*new.values()])
        features = _made(seen, self._checkpoint.extractors, passing)
        found = dict(zip(new, self._answered([*new.values()], seen, features), strict=True)) if new else {}
        known = {key: prediction for key, (_, prediction) in self._known.items()}
        known |= {key: prediction for key, (prediction,) in found.items()}
        return [[known[id(u)] for u in c] for c in conversations]

    def _windows(self, conversations: Sequence[Conversation]) -> list[Conversation]:
        windows = self._checkpoint.windows
        return [w for c in conversations for w in windows(c)] if windows else list(conversations)

    def _features(
        self, conversations: Sequence[Conversation], memo: ChainMap[str, Array]
    ) -> list[list[Features]]:
        """Of conversations of as many utterances as the one that is known, most of them its own."""
        own = self._conversation.utterances
        changed = [
            replace(c, utterances=(u,))
            for c in conversations
            for u, o in zip(c, own, strict=True)
            if u is not o
        ]
        said = [self._says_other(c) for c in conversations]
        others = [c for c, other in zip(conversations, said, strict=True) if other]
        clips = iter(_made(changed, self._of_clips, memo))
        words = iter(extract(others, self._of_words, memo=memo))
        found: list[list[Features]] = []
        for conversation, other in zip(conversations, said, strict=True):
            read = next(words) if other else self._rows
            rows = zip(conversation, own, self._rows, read, strict=True)
            found.append([{**row, **text, **({} if u is o else next(clips)[0])} for u, o, row, text in rows])
        return found

    def _says_other(self, conversation: Conversation) -> bool:
        """Whether anything is unlike the known conversation that streams of words read."""
        return any(
            u is not o and (u.text, u.words, u.speaker, u.missing) != (o.text, o.words, o.speaker, o.missing)
            for u, o in zip(conversation, self._conversation, strict=True)
        )

    def _answered(
        self,
        conversations: Sequence[Conversation],
        seen: Sequence[Conversation],
        features: Sequence[Sequence[Features]],
    ) -> list[list[Prediction]]:
        """Of each conversation, by what its model sees in place of it."""
        found = self._inferred(seen, features)
        rest = iter(self._checkpoint.judge(found, lengths_of(seen, features)))
        return [[next(rest) for _ in c] for c in conversations]

    def _inferred(self, seen: Sequence[Conversation], features: Sequence[Sequence[Features]]) -> Inferred:
        if self._branches is not None:
            return self._branches(seen, features)
        return infer(self._checkpoint.model, seen, features, self._checkpoint.labels, size=SIZE)


def _made(
    conversations: Sequence[Conversation], extractors: Sequence[Extractor], memo: ChainMap[str, Array]
) -> list[list[Features]]:
    """As `extract`, but that encoders look at pictures quickly."""
    pictures = [e for e in extractors if isinstance(e, Vectors) and e.modality is Modality.VIDEO]
    others = extract(conversations, [e for e in extractors if e not in pictures], memo=memo)
    with halves(Modality.VIDEO):
        seen = extract(conversations, pictures, memo=memo)
    return [[{**a, **b} for a, b in zip(*rows, strict=True)] for rows in zip(others, seen, strict=True)]


def randomised(checkpoint: Checkpoint, seed: int = 0) -> Checkpoint:
    """The same with the values of each of its weights shuffled among themselves.

    An explanation of it should say something else (Adebayo et al., Sanity Checks for Saliency Maps, NeurIPS
    2018). The encoders of `Vectors` are shuffled too; what other extractors read by stays as it is.
    """
    extractors = [
        ShuffledVectors(**vars(e), seed=seed) if type(e) is Vectors else e for e in checkpoint.extractors
    ]
    return replace(checkpoint, model=shuffled(checkpoint.model, seed), extractors=tuple(extractors))
