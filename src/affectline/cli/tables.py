"""Results as tables of text, for a terminal or a paper."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.markup import escape
from rich.table import Table


@dataclass(frozen=True)
class Shown:
    """A table of results as text: a row for each metric or label."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]

    def at_terminal(self) -> Table:
        table = Table(title=escape(self.title))
        for n, name in enumerate(self.columns):
            table.add_column(escape(name), justify="right" if n else "left")
        for row in self.rows:
            table.add_row(*map(escape, row))
        return table

    def markdown(self) -> str:
        """As GitHub and Pandoc read it, with its title above."""
        marks = [":--", *["--:"] * (len(self.columns) - 1)]
        rows = (self.columns, marks, *self.rows)
        lines = ["| " + " | ".join(cell.replace("|", r"\|") for cell in row) + " |" for row in rows]
        return "\n".join([f"**{self.title}**", "", *lines])


def number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def between(estimate: dict[str, float | None]) -> str:
    return f"{number(estimate['low'])} to {number(estimate['high'])}"


def estimated(estimate: dict[str, float | None]) -> str:
    spread = f" \N{PLUS-MINUS SIGN} {number(estimate['sd'])}" if estimate["sd"] is not None else ""
    return f"{number(estimate['mean'])}{spread}"
