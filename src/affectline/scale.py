"""The same work over many recordings on Ray: on all cores of a machine, or on a cluster by its address.

Actors hold what is loaded once, such as models. Each is given the next item when its last result has been
taken, so that one decodes while another one infers, and no more results are in memory than there are workers,
however large the corpus. A worker that dies is replaced and its item begun again; a part of an item at which
workers died ATTEMPTS times is left out, and the result says so. Results come to the one who asked, who writes
them: the machines of a cluster need no shared disk but for the recordings.
"""

import logging
import os
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

from affectline.extraction import Engine, Job, Piece

ATTEMPTS = 3
"""How often a worker may die over a part of an item until that is what is wrong."""
DIED = f"the worker that read this died, {ATTEMPTS} times"
STORE = 512 * 2**20
"""Bytes of shared memory for what goes to workers and comes from them; more goes to the disk."""

Item = TypeVar("Item")
Made = TypeVar("Made")
Worker = Callable[[Item, Collection[str]], Iterator[str | Made]]
"""Makes one item after the other, without the parts that are given as deadly: gives the name of each part
as it is begun, and at last what it made, which is no text."""


def require(workers: int | None, address: str | None = None) -> None:
    """That there is Ray, a number of workers, and an address that can be worked at.

    Raises:
        ImportError: the extra `scale` is not installed.
        ValueError: there are no such workers, or the address is one of Ray's client, through which a worker
            cannot say where it is.
    """
    try:
        import ray  # pyright: ignore[reportMissingImports]  # noqa: F401
    except ImportError as error:
        raise ImportError('--engine ray needs Ray: pip install "affectline[scale]"') from error
    if workers is not None and workers < 1:
        raise ValueError(f"--workers is {workers}; give 1 or more")
    if address is not None and address.startswith("ray://"):
        raise ValueError(
            f"--address {address} is of Ray's client, from outside of a cluster; run the command on a "
            "machine of the cluster, with --address auto"
        )


def on_ray(*, workers: int | None = None, address: str | None = None) -> Engine:
    """An engine for `affectline.extraction.extract_table`; `workers`: how many at a time, else a CPU each.

    Raises:
        ImportError: the extra `scale` is not installed.
        ValueError: there are no such workers, or the address cannot be worked at.
    """
    require(workers, address)

    def engine(job: Job, pieces: Sequence[Piece]) -> Iterator[tuple[Piece, bytes]]:
        yield from spread(lambda: _extracting(job), pieces, workers=workers, address=address)

    return engine


def _extracting(job: Job) -> Worker[Piece, bytes]:
    def made(piece: Piece, deadly: Collection[str]) -> Iterator[str | bytes]:
        rows: list[dict[str, Any]] = []
        for split, conversation in piece.conversations:
            yield conversation.id
            rows += job.rows(split, conversation, DIED if conversation.id in deadly else None)
        yield job.parquet(rows)

    return made


def spread(
    load: Callable[[], Worker[Item, Made]],
    items: Sequence[Item],
    *,
    workers: int | None = None,
    address: str | None = None,
    gpus: float = 0,
) -> Iterator[tuple[Item, Made]]:
    """Every item with what a worker made of it, in the order in which they end.

    `load` gives a worker, once in each of its processes. `workers`: how many at a time, else a CPU each;
    `address`: that of a cluster, else it is this machine; `gpus`: how many each worker has for itself.

    Raises:
        Exception: what a worker raised.
    """
    if not items:
        return
    with _session(address) as ray:
        count = workers or max(1, int(ray.cluster_resources().get("CPU", 1)))
        kind = ray.remote(num_cpus=1, num_gpus=gpus, max_restarts=0)(Actor)
        given, here = ray.put(load), os.getcwd()
        run = _Run(ray, lambda: kind.remote(given, here), items)
        yield from run.results(min(count, len(items)))


@contextmanager
def _session(address: str | None) -> Iterator[Any]:
    """Ray: as it is here, of the cluster, or begun on this machine and ended after it."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is told to anybody
    import ray  # pyright: ignore[reportMissingImports]

    if ray.is_initialized():
        yield ray
        return
    here = {} if address else {"object_store_memory": STORE, "include_dashboard": False}
    try:
        ray.init(address=address or "local", log_to_driver=False, logging_level=logging.ERROR, **here)
    except (ConnectionError, ray.exceptions.RayError) as error:
        raise ValueError(
            f"--address {address}: there is no Ray cluster, or it asks for a token: set RAY_AUTH_MODE=token, "
            f"and have that of its head in ~/.ray/auth_token ({error})"
        ) from error
    try:
        yield ray
    finally:
        ray.shutdown()


class _Run(Generic[Item, Made]):
    """Which worker is at which item, and which parts workers died of."""

    def __init__(self, ray: Any, start: Callable[[], Any], items: Sequence[Item]) -> None:
        self._ray, self._start, self._items = ray, start, items
        self._todo = deque(range(len(items)))
        self._starting: dict[Any, Any] = {}
        self._running: dict[Any, tuple[Any, int]] = {}
        self._part: dict[int, str] = {}
        self._deaths: Mapping[int, Counter[str]] = {n: Counter() for n in range(len(items))}
        self._stillborn = 0
        lost = ray.exceptions
        self._dead = lost.RayActorError, lost.OutOfMemoryError, lost.ObjectLostError, lost.NodeDiedError

    def results(self, count: int) -> Iterator[tuple[Item, Made]]:
        for _ in range(count):
            self._begin()
        while self._running or self._todo:
            (told,), _ = self._ray.wait([*self._running, *self._starting], num_returns=1)
            if told in self._starting:
                self._began(told)
                continue
            said = self._said(told)
            if said is None:
                self._died(told)
            elif isinstance(said, str):
                self._part[self._running[told][1]] = said
            else:
                actor, n = self._running.pop(told)
                yield self._items[n], said
                self._give(actor)
                del actor  # whoever is let go leaves its place to one that could not be started yet

    def _begin(self) -> None:
        """A new worker, which has no item before it is there: there may be no place for it, or no more."""
        actor = self._start()
        self._starting[actor.ready.remote()] = actor

    def _began(self, told: Any) -> None:
        actor = self._starting.pop(told)
        try:
            self._ray.get(told)
        except self._dead:
            self._stillborn += 1
            self._refuse_if_hopeless(self._stillborn)
            self._begin()
        else:
            self._stillborn = 0
            self._give(actor)

    def _said(self, stream: Any) -> str | Made | None:
        """The name of a part that is begun, or what was made; None where the worker has died.

        Raises:
            Exception: what it raised.
        """
        try:
            return self._ray.get(next(stream))
        except self._ray.exceptions.RayTaskError as error:
            raise (error.cause if isinstance(error.cause, Exception) else error) from None
        except self._dead:
            return None

    def _give(self, actor: Any) -> None:
        """The next item to a worker that has none; where there is no more, it is let go."""
        if self._todo:
            n = self._todo.popleft()
            self._part[n] = ""
            deadly = [part for part, times in self._deaths[n].items() if times >= ATTEMPTS]
            stream = actor.make.options(num_returns="streaming").remote(self._items[n], deadly)
            self._running[stream] = actor, n

    def _died(self, stream: Any) -> None:
        """Its item is begun again, first of all, by whoever is free."""
        _, n = self._running.pop(stream)
        self._deaths[n][self._part[n]] += 1
        self._refuse_if_hopeless(self._deaths[n][""])
        self._todo.appendleft(n)
        self._begin()

    def _refuse_if_hopeless(self, deaths: int) -> None:
        if deaths >= ATTEMPTS:
            raise ValueError("workers die before they begin: is there memory enough for what they load?")


class Actor:
    """A process that makes one item after the other; what it has loaded stays loaded."""

    def __init__(self, load: Callable[[], Worker[Any, Any]], here: str) -> None:
        self._load = load
        self._here = here
        self._worker: Worker[Any, Any] | None = None

    def ready(self) -> None:
        """Done when this worker is there."""

    def make(self, item: Any, deadly: Collection[str]) -> Iterator[Any]:
        import torch

        if self._worker is None:  # not before: what goes wrong here is to be told as all else is
            torch.set_num_threads(1)  # there is a worker for each core
            if os.path.isdir(self._here):  # of whoever asked: paths may be relative to it
                os.chdir(self._here)
            self._worker = self._load()
        yield from self._worker(item, deadly)
