"""The process that answers at once: side by side, in order, and again after its end."""

import os
from collections.abc import Iterator

import helper_work
import pytest

from affectline.server import helper as module
from affectline.server.helper import Helper, HelperError


@pytest.fixture(scope="module")
def helper() -> Iterator[Helper]:
    helper = Helper(helper_work.make)
    assert helper.process is None  # nothing has been asked yet
    yield helper
    helper.stop()


def test_it_answers_in_a_process_of_its_own_and_takes_bytes(helper: Helper) -> None:
    said = helper.answer({"do": "count", "lane": "a"}, b"x" * 300_000)
    assert said["bytes"] == 300_000
    assert said["pid"] == helper.process != os.getpid()


def test_one_lane_is_answered_in_order_and_another_does_not_wait(helper: Helper) -> None:
    slow = helper.ask({"do": "wait", "lane": "a", "seconds": 0.5})
    after = helper.ask({"do": "count", "lane": "a"})
    beside = helper.answer({"do": "count", "lane": "b"})
    assert beside["time"] < slow.result()["time"] <= after.result()["time"]


def test_a_refusal_is_told_and_what_nobody_foresaw_is_not(helper: Helper) -> None:
    with pytest.raises(HelperError, match=r"^that is not possible$"):
        helper.answer({"do": "refuse", "lane": "a"})
    with pytest.raises(HelperError, match="did not foresee") as told:
        helper.answer({"do": "stumble", "lane": "a"})
    assert "secret" not in str(told.value)
    assert helper.answer({"do": "count", "lane": "a"})["bytes"] == 0


def test_it_is_started_again_and_what_was_asked_before_is_given_up(
    helper: Helper, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = helper.answer({"do": "count", "lane": "a"})["pid"]
    waiting = helper.ask({"do": "wait", "lane": "b", "seconds": 60})
    with pytest.raises(HelperError, match="has ended; try again"):
        helper.answer({"do": "end", "lane": "a"})
    with pytest.raises(HelperError, match="has ended; try again"):
        waiting.result(30)
    assert helper.answer({"do": "count", "lane": "a"})["pid"] != first
    monkeypatch.setattr(module, "PATIENCE", 0.2)
    with pytest.raises(HelperError, match=r"no answer in 0\.2 s"):
        helper.answer({"do": "wait", "lane": "a", "seconds": 60})


def test_nothing_is_started_once_it_is_stopped() -> None:
    stopped = Helper(helper_work.make)
    stopped.stop()
    with pytest.raises(HelperError):
        stopped.answer({"do": "count", "lane": "a"})
    assert stopped.process is None
