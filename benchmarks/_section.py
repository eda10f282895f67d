"""A section of docs/results.md: the files that it shows, and the goals that were set."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Goal:
    """What a number in a file should be: `key` is its path, `target` the least (or the most) it may be.

    `beside`: what others have on the same task, to read it by.
    """

    what: str
    file: str
    key: tuple[str, ...]
    target: float
    at_most: bool = False
    beside: str = ""

    def met(self, value: float) -> bool:
        return value <= self.target if self.at_most else value >= self.target


@dataclass(frozen=True)
class Section:
    title: str
    about: str
    files: tuple[str, ...]
    goals: tuple[Goal, ...] = ()
