"""`affectline doctor`."""

import json as to_json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from rich.markup import escape
from rich.table import Table
from tyro.conf import Positional, arg

from affectline.cli import terminal
from affectline.cli.options import find_root, usage

if TYPE_CHECKING:
    from affectline.corpora import Fault
    from affectline.doctor import Report

EXAMPLES = 2
"""Of each kind of fault, how many are shown."""
PAIRS = 6
"""Labels that go together, how many are shown."""


def doctor(
    corpus: Annotated[Positional[str], arg(metavar="CORPUS")],
    /,
    *,
    root: Annotated[Path | None, arg(metavar="DIR", help_behavior_hint="(default: $AFFECTLINE_DATA)")] = None,
    kind: Annotated[str | None, arg(metavar="KIND", help_behavior_hint="")] = None,
    quick: Annotated[bool, arg(help_behavior_hint="")] = False,
    manifest: Annotated[Path | None, arg(metavar="FILE", help_behavior_hint="")] = None,
    leave_out: Annotated[str, arg(metavar="KIND,...", help_behavior_hint="")] = "",
    splits: Annotated[Literal["official", "speakers", "sessions"], arg(metavar="RULE")] = "official",
    seed: Annotated[int, arg(metavar="N")] = 0,
    test: Annotated[str, arg(metavar="SESSION", help_behavior_hint="")] = "",
    json: Annotated[bool, arg(help_behavior_hint="")] = False,
) -> int:
    """Tell what is wrong with a copy of a corpus, the worst first: damage, leaks, duplicates, bad clips.

    Exit code 1: this copy is damaged or not complete. What the corpus has wrong as it was published (the same
    clip in two parts, words of test in train) is told, and the exit code is 0.

    For example:

      affectline doctor meld --root corpora
      affectline doctor meld --root corpora --kind conflict
      affectline doctor ravdess --root corpora --json > ravdess.json
      affectline doctor meld --root corpora --manifest meld.jsonl --leave-out leak,conflict
      affectline doctor iemocap --root corpora --manifest s1.jsonl --splits sessions --test Ses01

    Args:
        corpus: goemotions, ravdess, meld, mosi ...
        root: The folder that holds the corpora.
        kind: List every fault of this kind, such as leak or length.
        quick: Do not decode the clips: what is silent, blank or equal in sound is not found then.
        manifest: Write here which utterances there are, a line of JSON for each; train and evaluate read it.
        leave_out: Leave utterances with these kinds of faults out of the manifest.
        splits: How the manifest divides the corpus: officially, by speakers (who speak with one another stay
            together), or by sessions (one judges, the next one chooses).
        seed: Which division by speakers.
        test: The session that judges.
        json: Print all faults, counts and labels as JSON.
    """
    from affectline.doctor import KINDS, examine
    from affectline.doctor.copies import find_folder

    with usage():
        folder = find_root(root)
        find_folder(corpus, folder)
        for name in (*([] if kind is None else [kind]), *terminal.split(leave_out)):
            if name not in KINDS:
                raise ValueError(f"there is no kind of fault {name!r}; there are {', '.join(KINDS)}")
        if manifest is None and (leave_out or splits != "official"):
            raise ValueError(
                "--leave-out and --splits say what goes into a manifest; give --manifest FILE too"
            )
        if manifest is not None and quick:
            raise ValueError("a manifest needs to know what the clips hold; leave --quick out")
    with terminal.Stages() as stages:
        stages.begin(corpus)
        report = examine(corpus, folder, decode=not quick, progress=stages)
        if manifest is not None:
            division = Division(terminal.split(leave_out), splits, seed, test)
            stages.say(_write(report, manifest, division, stages))
    if json:
        print(to_json.dumps(report.to_json(), indent=1, allow_nan=False))
    elif kind is not None:
        for fault in report.by_kind().get(kind, []):
            print(_line(fault))
    else:
        _show(report)
    return 1 if report.damaged else 0


@dataclass(frozen=True)
class Division:
    """What goes into a manifest, and into which part of it."""

    left_out: Sequence[str]
    rule: str
    seed: int
    test: str


def _write(report: "Report", path: Path, division: Division, stages: terminal.Stages) -> str:
    """Write the manifest; what to say of it."""
    from affectline.doctor.manifest import left_out, rows_of, write
    from affectline.doctor.splits import check, divided, told

    every = rows_of(report, stages)
    kept = left_out(report, every, division.left_out)
    rows = divided(kept, report.copy, division.rule, seed=division.seed, test=division.test)
    shared = check(rows)
    made = write(path, rows)
    parts = ", ".join(f"{part} {n:,}" for part, n in made.about()["utterances"].items())
    less = f", {len(every) - len(rows):,} left out" if len(every) > len(rows) else ""
    return f"{path}: {parts}{less}; sha256 {made.sha256[:12]}" + told(shared)


def _line(fault: "Fault") -> str:
    place = "" if fault.file == fault.where else f"  [{fault.file}]"
    return f"{fault.where}: {fault.what}; {fault.done}{place}"


def _show(report: "Report") -> None:
    console = terminal.stdout()
    console.print(_parts(report))
    console.print(_faults(report))
    console.print(_labels(report))
    if together := _together(report):
        console.print(escape(together), soft_wrap=True)
    kinds = ", ".join(list(report.by_kind())[:3])
    if kinds:
        command = f"affectline doctor {report.copy.corpus} --kind KIND"
        console.print(escape(f"\n{command} lists every fault of a kind ({kinds}, ...)."), soft_wrap=True)


def _parts(report: "Report") -> Table:
    table = Table(title=escape(f"{report.copy.module.SOURCE.name} in {report.copy.root}"), box=None)
    table.add_column()
    for name in ("conversations", "utterances", "labelled", "speakers", "clips", "hours"):
        table.add_column(name, justify="right")
    for part, n in report.counts().items():
        table.add_row(
            part,
            _of(n["conversations"], n["expected_conversations"]),
            _of(n["utterances"], n["expected_utterances"]),
            f"{n['labelled']:,}",
            "not known" if n["speakers"] is None else f"{n['speakers']:,}",
            f"{n['clips']:,}" if n["clips"] else "none",
            "" if n["hours"] is None else f"{n['hours']:.1f}",
        )
    return table


def _of(found: int, expected: int | None) -> str:
    return f"{found:,}" if expected in (None, found) else f"[bold red]{found:,} of {expected:,}[/]"


def _labels(report: "Report") -> Table:
    """The share of each label among the utterances whose labels are known."""
    from affectline.doctor.labels import labels_of

    parts = {part: labels_of(report.copy, part) for part in report.copy.parts}
    table = Table(title="\nlabels", box=None)
    table.add_column()
    for part in parts:
        table.add_column(part, justify="right", no_wrap=True)
    known = {
        part: max(1, sum(map(len, report.copy.parts[part])) - found.unknown) for part, found in parts.items()
    }
    for name in report.copy.module.LABELS.names:
        shares = (_share(found.support[name], known[part]) for part, found in parts.items())
        table.add_row(escape(name), *shares)
    for title, what in (("none of them", "none"), ("not known", "unknown")):
        if any(getattr(found, what) for found in parts.values()):
            shares = (_share(getattr(found, what), known[part]) for part, found in parts.items())
            table.add_row(f"[italic]{title}[/]", *shares)
    return table


def _share(count: int, known: int) -> str:
    return f"{count:,} ({count / known:.1%})"


def _together(report: "Report") -> str:
    """Labels of train that are most often in the same utterance."""
    from affectline.doctor.labels import labels_of

    if "train" not in report.copy.parts:
        return ""
    found = labels_of(report.copy, "train").together
    most = sorted(found.items(), key=lambda pair: -pair[1])[:PAIRS]
    return (
        "\nmost often together in train: " + ", ".join(f"{a} + {b} {n:,}" for (a, b), n in most)
        if most
        else ""
    )


def _faults(report: "Report") -> Table | str:
    from affectline.doctor import KINDS
    from affectline.doctor.kinds import Severity

    kinds = report.by_kind()
    if not kinds:
        return "\nNothing wrong was found."
    colours = {Severity.DAMAGE: "bold red", Severity.CAUTION: "yellow", Severity.NOTE: "dim"}
    table = Table(title="\nwhat is wrong, the worst first", box=None, pad_edge=False)
    table.add_column()
    table.add_column("kind", no_wrap=True)
    table.add_column("", justify="right", no_wrap=True)
    table.add_column("what, and where")
    before = None
    for kind, faults in kinds.items():
        severity = KINDS[kind].severity
        shown = f"[{colours[severity]}]{severity if severity != before else ''}[/]"
        table.add_row(shown, kind, f"{len(faults):,}", _said(report, kind, faults))
        before = severity
    return table


def _said(report: "Report", kind: str, faults: "list[Fault]") -> str:
    from affectline.doctor import KINDS

    parts = ", ".join(f"{part} {n:,}" for part, n in report.by_part(faults).items() if part)
    few = "; ".join(f"{fault.where}: {fault.what}" for fault in faults[:EXAMPLES])
    more = "" if len(faults) <= EXAMPLES else " ..."
    return f"{KINDS[kind].says}{f' ({parts})' if parts else ''}\n[dim]{escape(few)}{more}[/]"
