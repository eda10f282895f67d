"""Make docs/results.md from docs/results/*.json: the goal beside what was measured, or "not run".

python -m benchmarks.results_page
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks._record import FOLDER, ROOT
from benchmarks._section import Section
from benchmarks._sections import SECTIONS

from affectline.files import atomic_write

Fields = Mapping[str, Any]


METRICS = (
    *("accuracy", "weighted_f1", "weighted_f1_5", "macro_f1", "micro_f1", "uar", "map", "auroc"),
    *("brier_skill", "ece"),
    *("f1_samples", "jaccard", "wf1_bin", "acc_label"),
)


_REPORT = {
    *(
        *METRICS,
        "at_half",
        "brier",
        "n",
        "support",
        "per_label",
        "calibration",
        "reliability",
        "risk_coverage",
    ),
    *("confusion", "baselines", "selection", "command", "hardware", "seeds", "stamp"),
    *("labels", "left_out", "corpus", "split"),
}
"""The keys of a report (`affectline.evaluation.Report`); what else a file holds beside them is its own."""


def page(folder: Path = FOLDER) -> str:
    """The whole of docs/results.md."""
    files = {
        path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))
    }
    known = {name for section in SECTIONS for name in section.files}
    others = tuple(Section(name.replace("_", " "), "", (name,)) for name in files if name not in known)
    lines = [
        "# Results",
        "",
        "Made by `python -m benchmarks.results_page` from the files in docs/results; do not edit. Models,"
        " calibration and thresholds are chosen on validation data; test data are looked at once. A value"
        " is the mean over seeds, with the bootstrap 95 % interval over conversations (over speakers for "
        "RAVDESS) in brackets.",
        "",
        *_overview(files),
    ]
    for section in (*SECTIONS, *others):
        lines += ["", f"## {section.title}", "", *([section.about, ""] if section.about else [])]
        for name in section.files:
            lines += _file(name, files.get(name))
    return "\n".join(lines).rstrip() + "\n"


def _overview(files: Fields) -> list[str]:
    rows = []
    for goal in (goal for section in SECTIONS for goal in section.goals):
        value = _at(files.get(goal.file, {}).get("results", {}), goal.key)
        sign = "<=" if goal.at_most else ">="
        verdict = "" if value is None else "met" if goal.met(value) else "**missed**"
        title = next(s.title for s in SECTIONS if goal in s.goals)
        rows.append(
            [title, goal.what, f"{sign} {_text(goal.target)}", _measured(value), verdict, goal.beside]
        )
    return _table(["on", "what", "goal", "measured here", "", "beside it"], rows)


def _at(fields: Any, key: Sequence[str]) -> float | None:
    for name in key:
        fields = fields.get(name) if isinstance(fields, Mapping) else None
    return fields


def _measured(value: float | None) -> str:
    return "not run" if value is None else _text(value)


def _file(name: str, fields: Fields | None) -> list[str]:
    if fields is None:
        return [f"Not run (docs/results/{name}.json is not there)."]
    made = f"`{fields['command']}`, {fields['made']}, {fields['hardware']}"
    return [*_results(fields["results"], ""), f"Made by {made}.", ""]


def _results(results: Fields, title: str) -> list[str]:
    """A report as its tables; else numbers as one table, and what is nested below, each under its name."""
    head = [f"**{title}**", ""] if title else []
    if "per_label" in results:
        more = {name: value for name, value in results.items() if name not in _REPORT}
        return [*head, *_results(more, ""), *_report(results)]
    if "aurc" in results:
        return [*head, *_selective(results), ""]
    if _rows(list(results.values())):
        return [*head, *_rows_table([{"": _words(name), **row} for name, row in results.items()]), ""]
    plain = [[_words(k), _text(v)] for k, v in results.items() if not _nested(v)]
    lines = [*head, *_table(["what", "measured"], plain), ""] if plain else head
    for name, value in results.items():
        if isinstance(value, list) and _rows(value):
            lines += [f"**{_words(name)}**", "", *_rows_table(value), ""]
        elif isinstance(value, Mapping) and _nested(value):
            lines += _results(value, f"{title}, {_words(name)}" if title else _words(name))
    return lines


def _rows(values: object) -> bool:
    """Whether these are the rows of one table: mappings of plain values."""
    if not isinstance(values, list) or not values:
        return False
    return all(isinstance(row, Mapping) and not any(map(_nested, row.values())) for row in values)


def _rows_table(rows: Sequence[Fields]) -> list[str]:
    columns = list(dict.fromkeys(column for row in rows for column in row))
    cells = [[_text(row[c]) if c in row else "" for c in columns] for row in rows]
    return _table(list(map(_words, columns)), cells)


def _nested(value: object) -> bool:
    return (isinstance(value, Mapping) and not _estimate(value)) or _rows(value)


def _report(report: Fields) -> list[str]:
    stamp = [f"**{report['stamp']}: chosen on the test part.**", ""] if "stamp" in report else []
    baselines, half = report["baselines"], report.get("at_half")
    measured = [name for name in METRICS if name in report]
    without_input = [f"{_words(name)} (no input)" for name in baselines]
    beside = [*([half] if half else []), *baselines.values()]
    rows = [[n, _text(report[n]), *(_text(b[n]) if n in b else "" for b in beside)] for n in measured]
    return [
        *stamp,
        f"{report['n']} utterances, seeds {', '.join(map(str, report['seeds']))}.",
        "",
        *_table(["metric", "ours", *(["at 0.5"] if half else []), *without_input], rows),
        "",
        *_table(list(_LABEL_COLUMNS), list(_label_rows(report))),
        "",
        "Risk: the share of utterances with any label wrong.",
        "",
        *_selective(report["risk_coverage"]),
        "",
    ]


_LABEL_COLUMNS = (
    *("label", "support", "precision", "recall", "F1", "AP", "AUROC", "Brier skill", "threshold", "ECE"),
    *("ECE if perfectly calibrated", "calibrated"),
)


def _label_rows(report: Fields) -> Iterator[list[str]]:
    for name, values in report["per_label"].items():
        fields = ("precision", "recall", "f1", "ap", "auroc", "brier_skill", "threshold")
        measured = [_text(values.get(field)) for field in fields]
        yield [name, str(report["support"][name]), *measured, *_calibration(report["calibration"][name])]
    total = str(sum(report["support"].values()))
    yield ["*mean*", total, *[""] * 7, *_calibration(report["calibration"]["mean"])]


def _calibration(check: Fields | None) -> list[str]:
    if check is None:
        return ["", "", ""]
    inside = "yes" if check["inside"] else "**no**"
    return [f"{check['ece']:.4f}", f"{check['low']:.4f} to {check['high']:.4f}", inside]


def _selective(curve: Fields) -> list[str]:
    about = (
        f"Risk of the surest, area under the curve: {_text(curve['aurc'])}, in random order "
        f"{_text(curve['random'])}, at best {_text(curve['oracle'])}."
    )
    shares = [f"{float(share):.0%}" for share in curve["risk"]]
    return [about, "", *_table(["share answered", *shares], [["risk", *map(_text, curve["risk"].values())]])]


def _estimate(value: object) -> bool:
    return isinstance(value, Mapping) and {"mean", "low", "high"} <= set(value)


def _text(value: Any) -> str:
    if _estimate(value):
        spread = "" if value.get("sd") is None else f", sd {_text(value['sd'])} over seeds"
        return f"{_text(value['mean'])} [{_text(value['low'])}, {_text(value['high'])}]{spread}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{round(value, 3) + 0.0:.3f}" if abs(value) < 10 else f"{value:,.1f}"  # 0.0: no "-0.000"
    if isinstance(value, list):
        return ", ".join(map(_text, value))
    return "not defined" if value is None else str(value)


def _words(name: str) -> str:
    return name.replace("_", " ")


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)]


if __name__ == "__main__":
    atomic_write(ROOT / "docs" / "results.md", page())
