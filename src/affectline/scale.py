"""Extraction on Ray Data: on all cores of a machine, or on a cluster by its address.

Actors hold the models. Ray Data gives them the next piece when they are free, so what is in memory is bounded
however large the corpus; a worker that dies is replaced and its piece made again. What kills a worker more
than ATTEMPTS times becomes rows with an error. The files are those that one process makes, byte for byte:
they are written here, by the one who asked, and the cluster needs no shared disk but for the recordings.
"""

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from affectline.extraction import Engine, Job, Piece

ATTEMPTS = 2
"""How often a worker may die over a conversation until that is what is wrong."""


def on_ray(*, workers: int | None = None, address: str | None = None) -> Engine:
    """An engine for `affectline.extraction.extract_table`; `workers`: how many at a time, else a CPU each.

    Raises:
        ImportError: the extra `scale` is not installed.
        ValueError: there are no such workers.
    """
    try:
        import ray.data  # pyright: ignore[reportMissingImports]  # noqa: F401
    except ImportError as error:
        raise ImportError('--engine ray needs Ray: pip install "affectline[scale]"') from error
    if workers is not None and workers < 1:
        raise ValueError(f"--workers is {workers}; give 1 or more")

    def engine(job: Job, pieces: Sequence[Piece]) -> Iterator[tuple[Piece, bytes]]:
        yield from _made(job, pieces, workers, address)

    return engine


def _made(
    job: Job, pieces: Sequence[Piece], workers: int | None, address: str | None
) -> Iterator[tuple[Piece, bytes]]:
    import ray  # pyright: ignore[reportMissingImports]

    if not pieces:
        return
    began = not ray.is_initialized()
    if began:
        ray.init(address=address, log_to_driver=False, include_dashboard=False, logging_level="ERROR")
    try:
        ray.data.DataContext.get_current().enable_progress_bars = False
        count = workers or max(1, int(ray.cluster_resources().get("CPU", 1)))
        with tempfile.TemporaryDirectory(prefix="affectline-") as begun:
            made = ray.data.from_items(
                [{"piece": n} for n in range(len(pieces))], override_num_blocks=len(pieces)
            ).map_batches(
                Worker,
                fn_constructor_args=(ray.put((job, tuple(pieces))), begun),
                batch_size=1,
                num_cpus=1,
                compute=ray.data.ActorPoolStrategy(min_size=min(count, len(pieces)), max_size=count),
            )
            for row in made.iter_rows():
                yield pieces[int(row["piece"])], bytes(row["parquet"])
    finally:
        if began:
            ray.shutdown()


class Worker:
    """Makes one piece after the other; what it has loaded stays loaded."""

    def __init__(self, work: Any, begun: str) -> None:
        import ray  # pyright: ignore[reportMissingImports]
        import torch

        torch.set_num_threads(1)  # there is a worker for each core
        self._job, self._pieces = ray.get(work)
        self._begun = Path(begun)

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, Any]:
        numbers = [int(n) for n in batch["piece"]]
        made = [self._one(self._pieces[n]) for n in numbers]
        return {"piece": np.array(numbers), "parquet": np.array(made, dtype=object)}

    def _one(self, piece: Piece) -> bytes:
        """The file of a piece; where workers died over it before, of what killed them the error alone."""
        marks = Marks(self._begun / piece.name)
        dead = [c.id for _, c in piece.conversations if marks.deaths(c.id) >= ATTEMPTS]
        why = f"the worker that read this died, {ATTEMPTS} times"
        return self._job.parquet(piece, skip=dict.fromkeys(dead, why), told=marks)


class Marks:
    """Which conversations of a piece were begun and which done: what a worker that died was reading.

    Workers of other machines write elsewhere; then a worker may die more often.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._before = path.read_text(encoding="utf-8").splitlines() if path.exists() else []

    def deaths(self, id: str) -> int:
        return self._before.count(f"begun {id}") - self._before.count(f"done {id}")

    def __call__(self, id: str, done: bool) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(f"{'done' if done else 'begun'} {id}\n")
