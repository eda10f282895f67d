"""Whether a copy of a corpus is whole, and what is wrong with it: one examination for all corpora.

What only one corpus can have wrong stands beside its reader (see `affectline.corpora`); all else is looked
for here, in what the reader gives.
"""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from affectline.corpora import Fault
from affectline.doctor import clips, copies, labels, same
from affectline.doctor.clips import Decoded
from affectline.doctor.copies import Copy
from affectline.doctor.kinds import KINDS, Severity
from affectline.types import Utterance

Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Report:
    """What was found in a copy of a corpus; the faults from the worst kind to the least."""

    copy: Copy
    faults: tuple[Fault, ...]
    decoded: Mapping[str, Decoded]
    contents: Mapping[str, Mapping[str, Hashable]]

    @property
    def damaged(self) -> bool:
        """Whether this copy is not what was published."""
        return any(KINDS[fault.kind].severity is Severity.DAMAGE for fault in self.faults)

    def by_kind(self) -> dict[str, list[Fault]]:
        """The kinds that there are, from the worst to the least."""
        found: dict[str, list[Fault]] = {}
        for fault in self.faults:
            found.setdefault(fault.kind, []).append(fault)
        return found

    def by_part(self, faults: list[Fault]) -> dict[str, int]:
        """How many of these are in each part; "" for those that are in none."""
        parts = [self.copy.part_of(fault) for fault in faults]
        return {part: parts.count(part) for part in (*copies.PARTS, "") if part in parts}

    def counts(self) -> dict[str, dict[str, Any]]:
        """How much there is in each part, and how much was published; hours where clips or times tell."""
        published = getattr(self.copy.module, "PUBLISHED", {})
        found: dict[str, dict[str, Any]] = {}
        for part, conversations in self.copy.parts.items():
            said, expected = [u for c in conversations for u in c], published.get(part)
            lasts = [self._seconds(u) for u in said]
            found[part] = {
                "conversations": len(conversations),
                "expected_conversations": expected.conversations if expected else None,
                "utterances": len(said),
                "expected_utterances": expected.utterances if expected else None,
                "labelled": sum(u.emotions is not None for u in said),
                "speakers": len({u.speaker for u in said}) if self.copy.has_speakers else None,
                "clips": sum(u.clip is not None for u in said),
                "hours": sum(lasts) / 3600 if any(lasts) else None,
            }
        return found

    def _seconds(self, utterance: Utterance) -> float:
        """As long as its clip is, else its times; a still picture lasts no time."""
        heard = self.decoded.get(utterance.id)
        if heard is not None and clips.files(utterance.clip):
            return heard.duration
        return utterance.span.duration if utterance.span else 0.0

    def to_json(self) -> dict[str, Any]:
        """All of it, for another program: see docs/contracts.md."""
        parts = {part: labels.labels_of(self.copy, part) for part in self.copy.parts}
        kinds = {
            kind: {
                "severity": KINDS[kind].severity,
                "says": KINDS[kind].says,
                "count": len(faults),
                "parts": self.by_part(faults),
            }
            for kind, faults in self.by_kind().items()
        }
        return {
            "corpus": self.copy.corpus,
            "damaged": self.damaged,
            "parts": self.counts(),
            "kinds": kinds,
            "labels": {
                part: {
                    "support": found.support,
                    "none": found.none,
                    "unknown": found.unknown,
                    "together": [[*pair, n] for pair, n in found.together.items()],
                }
                for part, found in parts.items()
            },
            "faults": [{"part": self.copy.part_of(fault), **vars(fault)} for fault in self.faults],
        }


def examine(corpus: str, data: Path, *, decode: bool = True, progress: Progress = lambda *_: None) -> Report:
    """Look for all that is known to go wrong, in the corpus of this name below the folder `data`.

    `decode`: also look into the clips, and not at what their containers say alone.

    Raises:
        ValueError: there is no such corpus, or no folder of it.
    """
    progress("reading", 0.0)
    copy = Copy.read(corpus, data)
    decoded = clips.decode(copy, decode, progress)
    progress("comparing", 0.0)
    contents = same.contents(copy, decoded)
    found = [
        *copy.faults(),
        *copies.counts_of(copy),
        *copies.ids_of(copy),
        *clips.of_clips(copy, decoded),
        *same.again(copy, contents),
        *same.speakers(copy),
        *same.words_in_train(copy),
        *clips.pace(copy, decoded),
        *labels.of_features(copy),
        *labels.of_labels(copy),
        *labels.of_words(copy),
        *labels.alone(copy),
    ]
    order = list(KINDS)
    faults = sorted(copies.unique(found), key=lambda fault: order.index(fault.kind))
    return Report(copy, tuple(faults), decoded, contents)
