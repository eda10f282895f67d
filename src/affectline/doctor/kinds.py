"""The kinds of faults, from the worst to the least, and what each of them means."""

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How much a fault matters."""

    DAMAGE = "damage"
    """This copy is not what was published: something is absent, changed or cannot be read."""
    CAUTION = "caution"
    """It changes results: what is judged was learnt, is there twice, or is not what it should be."""
    NOTE = "note"
    """Good to know, and handled."""


@dataclass(frozen=True)
class Kind:
    severity: Severity
    says: str


_DAMAGE, _CAUTION, _NOTE = Severity

KINDS = {
    "unread": Kind(_DAMAGE, "cannot be read at all"),
    "count": Kind(_DAMAGE, "not as many as were published"),
    "same-id": Kind(_DAMAGE, "two utterances of one id"),
    "missing": Kind(_DAMAGE, "clips that are not there"),
    "unreadable": Kind(_DAMAGE, "clips, or their sound or picture, that cannot be decoded"),
    "cut-short": Kind(_DAMAGE, "clips that break off before their end"),
    "mute": Kind(_DAMAGE, "clips without the sound, or the picture, that others of the part have"),
    "no-features": Kind(_DAMAGE, "utterances without the features that others have"),
    "leak": Kind(_CAUTION, "the same recording or words in two parts"),
    "conflict": Kind(_CAUTION, "the same recording or words with other labels"),
    "duplicate": Kind(_CAUTION, "the same recording or words once more"),
    "speaker": Kind(_CAUTION, "speakers who are in train too"),
    "source": Kind(_CAUTION, "recordings of which other stretches are in train"),
    "words-in-train": Kind(_CAUTION, "words that train has too, but for case and punctuation"),
    "seen-labels": Kind(_CAUTION, "features that were learnt with labels of what is judged"),
    "known": Kind(_CAUTION, "clips that are known to be bad"),
    "length": Kind(_CAUTION, "clips that last longer or shorter than the annotated times"),
    "pace": Kind(_CAUTION, "more words, or fewer, than anybody says in the time: cut wrongly"),
    "silent": Kind(_CAUTION, "clips in which nothing is heard"),
    "blank": Kind(_CAUTION, "pictures of one colour"),
    "not-finite": Kind(_CAUTION, "features that hold a NaN or an infinity"),
    "zeros": Kind(_CAUTION, "features that are 0 throughout: nothing was found, and it was not said"),
    "no-label": Kind(_CAUTION, "labels that a part does not have once"),
    "times": Kind(_NOTE, "times that are no stretch, or very short or long ones"),
    "no-words": Kind(_NOTE, "utterances without words in a corpus that has them"),
    "garbled": Kind(_NOTE, "words with characters that stand for nothing"),
    "gap": Kind(_NOTE, "conversations with utterances left out, or left out themselves"),
    "order": Kind(_NOTE, "conversations whose times are not in the order of their numbers"),
    "together": Kind(_NOTE, "conversations with two utterances that start at once"),
    "alone": Kind(_NOTE, "conversations of one utterance"),
    "clipped": Kind(_NOTE, "sound that is cut off at the loudest level there is"),
    "out-of-step": Kind(_NOTE, "sound and picture that do not begin and end together, or wrong timestamps"),
    "rare": Kind(_NOTE, "labels with fewer than 30 utterances to judge by"),
    "left-out": Kind(_NOTE, "what the reader leaves out"),
    "repaired": Kind(_NOTE, "what the reader repairs"),
    "extra": Kind(_NOTE, "files or rows that nothing says the meaning of"),
}
"""By their names, which `--leave-out` and the manifest use."""
