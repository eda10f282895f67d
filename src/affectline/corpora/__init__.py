"""Corpora: each file has LABELS and read(root, split) -> list[Conversation]; `root` is the corpus' folder."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Source:
    """Where a corpus comes from and how its folder looks: what an error has to say when it is not there."""

    name: str
    page: str
    licence: str
    layout: str

    def require(self, path: Path) -> Path:
        """The path, if it exists.

        Raises:
            ValueError: where it does not; names the layout that is expected, the page and the licence.
        """
        if not path.exists():
            raise ValueError(
                f"no {self.name} at {path}: expected {self.layout}. Get it from {self.page} ({self.licence})."
            )
        return path

    def one_of(self, split: str, splits: Collection[str]) -> str:
        """The split, if the corpus has it.

        Raises:
            ValueError: where it does not; names those there are.
        """
        if split not in splits:
            raise ValueError(f"{self.name} has no split {split!r}; it has {list(splits)}")
        return split
