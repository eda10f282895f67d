"""What `affectline doctor` finds in the corpora at hand: how many faults of each kind, in which part.

    python -m benchmarks.doctor

Counts alone: neither words nor names of a corpus.
"""

from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks._record import parser, record

from affectline.doctor import KINDS, Report, examine

CORPORA = (
    *("meld", "iemocap", "mosei", "mosi", "emoreact", "elderreact", "ravdess", "cremad"),
    *("goemotions", "ferplus"),
)


def found(report: Report) -> dict[str, Any]:
    """The parts and the kinds, as rows of tables; `leaks`: between which parts."""
    kinds = [
        {
            "kind": kind,
            "severity": KINDS[kind].severity,
            "in all": len(faults),
            **{part: report.by_part(faults).get(part, 0) for part in report.copy.parts},
            "what it is": KINDS[kind].says,
        }
        for kind, faults in report.by_kind().items()
    ]
    parts = [
        {"part": part, **{k: v for k, v in counts.items() if v is not None}}
        for part, counts in report.counts().items()
    ]
    pairs = Counter(
        f"{report.copy.part_of(fault)} in {fault.what.rpartition(' of ')[2]}"
        for fault in report.faults
        if fault.kind == "leak"
    )
    return {"damaged": report.damaged, "parts": parts, "kinds": kinds} | (
        {"leaks": dict(pairs)} if pairs else {}
    )


def examined(corpus: str, data: Path) -> dict[str, Any] | str:
    if not (data / corpus).is_dir():
        return "not run: the corpus is not here"
    return found(examine(corpus, data))


if __name__ == "__main__":
    options = parser(str(__doc__)).parse_args()
    results = {corpus: examined(corpus, options.data) for corpus in CORPORA}
    print(record("doctor", results))
