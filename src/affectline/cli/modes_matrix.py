"""A model with each subset of its modes, with more and more of each lost, and with noise."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from affectline.cli import judging, terminal
from affectline.cli.tables import Shown, between, estimated, number

if TYPE_CHECKING:
    import torch

WIDE = 3
"""Metrics beside one another: as many as a terminal has room for."""


def check(corpus: judging.Corpus, checkpoints: Sequence[str], without: Sequence[str]) -> None:
    """Refuse to take away what the checkpoint has not in the corpus, or all that it has.

    Raises:
        ValueError: the mode, and those there are.
    """
    from affectline.checkpoint import load
    from affectline.evaluation.damage import find, modes_of

    checkpoint = load(checkpoints[0])
    judge = judging.Judge(corpus.module, corpus.conversations, checkpoint.labels)
    modes = modes_of(judge.seeing(checkpoint, checkpoints[0]).extractors, corpus.conversations)
    gone = [mode for name in without for mode in find(modes, name)]
    if all(mode in gone for mode in modes):
        raise ValueError(f"--without {' '.join(without)}: that is all that the checkpoint has; leave some")


def results(
    corpus: judging.Corpus,
    checkpoints: Sequence[str],
    *,
    device: "torch.device",
    stages: terminal.Stages,
) -> dict[str, Any]:
    """What `Plan.judge` gives; several checkpoints are one model with several seeds.

    Raises:
        ValueError: the checkpoints do not read the same streams.
    """
    from affectline.checkpoint import load
    from affectline.evaluation.damage import modes_of
    from affectline.evaluation.robustness import Plan, answer_of, ask

    loaded = [load(name, device) for name in checkpoints]
    judge = judging.Judge(corpus.module, corpus.conversations, loaded[0].labels)
    seeing = [judge.seeing(c, name) for c, name in zip(loaded, checkpoints, strict=True)]
    streams = [", ".join(e.stream for e in c.extractors) for c in seeing]
    for name, read in zip(checkpoints, streams, strict=True):
        if read != streams[0]:
            raise ValueError(
                f"{name} reads {read}, the first checkpoint {streams[0]}: a matrix is of one model, whose "
                "seeds read the same; give each model by itself"
            )
    conversations = judge.shared(corpus.conversations)
    plan, asked = Plan.of(modes_of(seeing[0].extractors, conversations), conversations), []
    for name, checkpoint in zip(checkpoints, seeing, strict=True):
        answer, apart, stage = answer_of(checkpoint), not checkpoint.model.context, f"{name} with less"
        told = partial(stages, stage)
        asked.append(ask(answer, conversations, plan.damages, apart=apart, progress=told))
    truth = judge.truth(corpus.conversations)
    return plan.judge(truth, asked, progress=partial(stages, "resampling the matrix"))


def tables(found: dict[str, Any], metrics: Sequence[str]) -> list[Shown]:
    """The subsets, metric by metric and by the headline; the curve, mode by mode; the noise."""
    matrix = found["matrix"]
    title = f"{' '.join(found['checkpoints'])} on {found['corpus']} {found['split']}, by {matrix['headline']}"
    known = [metric for metric in metrics if metric in found]
    return [
        _by_headline(matrix, f"{title}: the modes that are there"),
        *(_by_metric(matrix, known[n : n + WIDE]) for n in range(0, len(known), WIDE)),
        *(_curve(matrix, mode) for mode in matrix["modes"]),
        *([_noise(matrix)] if matrix["noise"] else []),
        *(
            [Shown("not judged", ("what, and why",), [[note] for note in matrix["notes"]])]
            * bool(matrix["notes"])
        ),
    ]


def _by_headline(matrix: dict[str, Any], title: str) -> Shown:
    rows = [[_plus(row), *_compared(row, matrix["headline"])] for row in matrix["subsets"]]
    return Shown(title, ("modes", "value", "95 % interval", "minus all modes", "p"), rows)


def _by_metric(matrix: dict[str, Any], metrics: Sequence[str]) -> Shown:
    rows = [[_plus(row), *(_cell(row[metric]) for metric in metrics)] for row in matrix["subsets"]]
    return Shown("the modes that are there", ("modes", *metrics), rows)


def _curve(matrix: dict[str, Any], mode: str) -> Shown:
    """A row for each share of the utterances with this mode that lost it."""
    name, own = matrix["headline"], [row for row in matrix["curve"] if row["mode"] == mode]
    kinds = list(dict.fromkeys(row["lost"] for row in own))
    cells = {(row["lost"], row["share"]): row for row in own}
    rows = [
        [f"{share:g}", *(cell for kind in kinds for cell in _short(cells[kind, share], name))]
        for share in dict.fromkeys(row["share"] for row in own)
    ]
    columns = [column for kind in kinds for column in (kind, "minus none lost")]
    return Shown(f"{mode} lost, by {name}", ("share", *columns), rows)


def _noise(matrix: dict[str, Any]) -> Shown:
    units = {"dB": "dB", "pixels": "pixels", "share": "of the words"}
    rows = [
        [
            f"{row['noise']}, {row['level']:g} {units[row['unit']]}",
            ", ".join(row["modes"]),
            *_compared(row, matrix["headline"]),
        ]
        for row in matrix["noise"]
    ]
    columns = ("noise", "in", "value", "95 % interval", "minus no noise", "p")
    return Shown(f"noise, by {matrix['headline']}", columns, rows)


def _compared(row: dict[str, Any], name: str) -> tuple[str, str, str, str]:
    difference = row["difference"]
    p = "" if difference is None else number(difference["p"])
    return estimated(row[name]), between(row[name]), _minus(difference), p


def _short(row: dict[str, Any], name: str) -> tuple[str, str]:
    return _cell(row[name]), _minus(row["difference"])


def _cell(estimate: dict[str, float | None]) -> str:
    return f"{estimated(estimate)} ({between(estimate)})"


def _minus(difference: dict[str, float | None] | None) -> str:
    return "" if difference is None else f"{number(difference['mean'])} ({between(difference)})"


def _plus(row: dict[str, Any]) -> str:
    return " + ".join(row["modes"])
