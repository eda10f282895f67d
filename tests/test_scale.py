"""Work spread over workers: who gets what and when, what a death costs; Ray is played by generators."""

import os
import weakref
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from affectline.scale import ATTEMPTS, Actor, Worker, _Run, require


class DiedError(Exception):
    """A worker is gone."""


class LostError(Exception):
    """What was made is gone, with the machine that it was made on."""


class TaskError(Exception):
    """What Ray wraps a worker's error in."""

    def __init__(self, cause: Exception) -> None:
        self.cause = cause


class Place:
    """What a worker's first answer waits for."""


class Handle:
    """A worker, as whoever started it has it: when nothing holds it any more, its place is free."""

    def __init__(self, ready: Callable[[], Place], give: Callable[..., Iterator[Any]]) -> None:
        self.ready = SimpleNamespace(remote=ready)
        self.make = SimpleNamespace(options=lambda **_: SimpleNamespace(remote=give))


class Play:
    """Ray, as far as it is used: whoever waited longest is next; there is room for so many workers."""

    exceptions = SimpleNamespace(
        RayTaskError=TaskError,
        RayActorError=DiedError,
        OutOfMemoryError=DiedError,
        ObjectLostError=LostError,
        NodeDiedError=LostError,
    )

    def __init__(
        self, load: Callable[[], Worker[int, tuple[int, ...]]], places: int = 9, stillborn: int = 0
    ) -> None:
        self.load, self.places, self.stillborn = load, places, stillborn
        self.started = self.living = 0
        self.given: list[int] = []

    def start(self) -> Any:
        self.started += 1
        worker = self.load()

        def give(item: int, deadly: Collection[str]) -> Iterator[Any]:
            self.given.append(item)
            return worker(item, deadly)

        handle = Handle(Place, give)
        weakref.finalize(handle, self.leave)
        return handle

    def leave(self) -> None:
        self.living -= 1

    def wait(self, streams: Sequence[Any], num_returns: int) -> tuple[list[Any], list[Any]]:
        able = [s for s in streams if not isinstance(s, Place) or self.living < self.places]
        assert able, "all wait for one another"
        return able[:1], [s for s in streams if s is not able[0]]

    def get(self, said: Any) -> Any:
        if isinstance(said, Place):
            self.living += 1
            self.stillborn -= 1
            if self.stillborn >= 0:
                raise DiedError
        return said

    def results(self, items: Sequence[int], count: int = 2) -> Iterator[tuple[int, tuple[int, ...]]]:
        return _Run(self, self.start, items).results(count)


def worker(dies: Callable[[str], bool] = lambda _: False) -> Callable[[], Worker[int, tuple[int, ...]]]:
    """Item n has the parts n.0, n.1 and n.2; it makes the numbers of those that are not deadly."""

    def load() -> Worker[int, tuple[int, ...]]:
        def made(item: int, deadly: Collection[str]) -> Iterator[str | tuple[int, ...]]:
            parts = [f"{item}.{n}" for n in range(3)]
            for part in parts:
                yield part
                if part not in deadly and dies(part):
                    raise DiedError
            yield tuple(n for n, part in enumerate(parts) if part not in deadly)

        return made

    return load


def test_every_item_is_made_once_by_workers_that_stay() -> None:
    play = Play(worker())
    assert dict(play.results(range(7))) == {n: (0, 1, 2) for n in range(7)}
    assert (play.started, sorted(play.given)) == (2, [*range(7)])


def test_no_worker_gets_more_before_its_last_result_is_taken() -> None:
    play = Play(worker())
    results = play.results(range(9), count=3)
    for taken in range(1, 10):
        next(results)
        assert len(play.given) <= taken + 2  # the other two go on; this one waits for whoever takes results


def test_an_item_whose_worker_died_is_begun_again_by_a_new_one() -> None:
    died: list[str] = []

    def once(part: str) -> bool:
        return part in ("1.2", "4.0") and part not in died and not died.append(part)

    play = Play(worker(once))
    assert dict(play.results(range(6))) == {n: (0, 1, 2) for n in range(6)}
    assert (play.started, sorted(play.given)) == (4, [0, 1, 1, 2, 3, 4, 4, 5])


@pytest.mark.parametrize(("count", "places"), [(2, 1), (5, 2), (3, 3)])
def test_whoever_finds_no_place_holds_no_item_and_nobody_waits_for_it(count: int, places: int) -> None:
    play = Play(worker(), places)
    assert dict(play.results(range(7), count)) == {n: (0, 1, 2) for n in range(7)}
    assert sorted(play.given) == [*range(7)]


def test_with_the_last_item_a_place_that_is_lost_holds_nobody_up() -> None:
    """A machine goes, and what its worker was at: another worker, who is done, leaves its place for that."""
    died: list[str] = []

    def goes(part: str) -> bool:
        play.places = 1 if part == "3.1" else play.places
        return part == "3.1" and not died and not died.append(part)

    play = Play(worker(goes), places=2)
    assert dict(play.results(range(4))) == {n: (0, 1, 2) for n in range(4)}


def test_what_is_lost_with_its_machine_is_made_again() -> None:
    lost: list[int] = []

    def load() -> Worker[int, tuple[int, ...]]:
        def made(item: int, deadly: Collection[str]) -> Iterator[str | tuple[int, ...]]:
            yield "all of it"
            if item == 1 and not lost:
                lost.append(item)
                raise LostError
            yield (item,)

        return made

    play = Play(load)
    assert dict(play.results(range(3))) == {n: (n,) for n in range(3)}
    assert sorted(play.given) == [0, 1, 1, 2]


def test_workers_that_never_come_are_not_begun_for_ever() -> None:
    assert len(dict(Play(worker(), stillborn=ATTEMPTS - 1).results(range(3)))) == 3
    with pytest.raises(ValueError, match="die before they begin"):
        list(Play(worker(), stillborn=ATTEMPTS).results(range(3), count=1))


def test_what_workers_die_of_again_and_again_is_left_out_and_nothing_else() -> None:
    play = Play(worker(lambda part: part in ("1.1", "1.2", "3.0")))
    assert dict(play.results(range(5))) == {n: {1: (0,), 3: (1, 2)}.get(n, (0, 1, 2)) for n in range(5)}
    assert play.started == 2 + 3 * ATTEMPTS


def test_a_death_is_that_of_the_part_that_was_begun_last() -> None:
    """Another part of the same item, in which a worker died once, is not blamed with it."""
    died: list[str] = []

    def dies(part: str) -> bool:
        died.append(part)
        return part == "0.2" or (part == "0.1" and died.count(part) < ATTEMPTS)

    assert dict(Play(worker(dies)).results([0])) == {0: (0, 1)}


def test_what_a_worker_raises_is_raised() -> None:
    def missing() -> Worker[int, tuple[int, ...]]:
        def made(item: int, deadly: Collection[str]) -> Iterator[str | tuple[int, ...]]:
            yield "begun"
            raise TaskError(ImportError("the extra is missing"))

        return made

    with pytest.raises(ImportError, match="the extra is missing"):
        list(Play(missing).results(range(3)))


def test_workers_that_die_before_they_begin_are_not_replaced_for_ever() -> None:
    def load() -> Worker[int, tuple[int, ...]]:
        def made(item: int, deadly: Collection[str]) -> Iterator[str | tuple[int, ...]]:
            if item >= 0:
                raise DiedError
            yield ()

        return made

    play = Play(load)
    with pytest.raises(ValueError, match="die before they begin: is there memory enough"):
        list(play.results(range(3), count=1))
    assert play.started == ATTEMPTS


def test_a_worker_is_loaded_once_where_its_user_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[str] = []
    monkeypatch.setattr(torch, "set_num_threads", lambda _: None)

    def load() -> Worker[int, tuple[int, ...]]:
        loaded.append(os.getcwd())
        return worker()()

    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").mkdir()
    actor = Actor(load, str(tmp_path / "here"))
    assert [[*actor.make(n, [f"{n}.1"])][-1] for n in range(2)] == [(0, 2)] * 2
    assert loaded == [str(tmp_path / "here")]


def test_ray_a_worker_and_an_address_inside_of_a_cluster_must_be_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ray", SimpleNamespace())
    with pytest.raises(ValueError, match="--workers is 0; give 1 or more"):
        require(0)
    with pytest.raises(ValueError, match=r"run the command on a machine of the cluster, with --address auto"):
        require(1, "ray://head:10001")
    require(1, "auto")
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(ImportError, match=r'pip install "affectline\[scale\]"'):
        require(1)
