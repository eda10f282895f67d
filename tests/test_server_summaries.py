"""Summaries over HTTP, two analyses compared, and several checkpoints side by side."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from service_makers import BASE, ended, send, service

from affectline.server import service as service_module
from affectline.summary import document, summarise
from affectline.timeline import Timeline


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    with service(tmp_path_factory.mktemp("data")) as client:
        yield client


@pytest.fixture(scope="module")
def done(client: TestClient) -> str:
    return ended(client, send(client, "talk 60 1"))["id"]


@pytest.fixture(scope="module")
def second(client: TestClient) -> str:
    return ended(client, send(client, "talk 50 2", name="friday.mp4"))["id"]


@pytest.fixture(scope="module")
def again(client: TestClient, done: str) -> str:
    """By the other checkpoint."""
    answer = client.post(f"{BASE}/jobs/{done}/rerun", json={"checkpoint": "other"})
    assert answer.status_code == 201, answer.text
    return ended(client, answer.json())["id"]


def refused(answer: Any, status: int, *words: str) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert all(word in answer.json()["detail"] for word in words), answer.text
    assert "/tmp" not in answer.text
    assert "Traceback" not in answer.text


def summary(client: TestClient, id: str, **asked: Any) -> Any:
    return client.get(f"{BASE}/jobs/{id}/summary", params=asked)


def beside(client: TestClient, id: str, **asked: Any) -> Any:
    return client.get(f"{BASE}/jobs/{id}/beside", params=asked)


def test_a_summary_is_that_of_the_timeline(client: TestClient, done: str) -> None:
    timeline = Timeline.from_json(client.get(f"{BASE}/jobs/{done}/results/json").text)
    found = summary(client, done)
    assert found.status_code == 200, found.text
    said = found.json()
    assert (said.pop("other"), said.pop("comparison")) == (None, None)
    assert said == plain(document(summarise(timeline)))
    assert said["recording"] == "talk.mp4"


def plain(said: Any) -> Any:
    """As JSON has it: lists, no tuples."""
    return json.loads(json.dumps(said))


def test_a_summary_has_the_corrections(client: TestClient, second: str) -> None:
    before = summary(client, second).json()["speakers"][0]
    for edit in ({"kind": "rename", "speaker": before["id"], "name": "Cleo"},):
        answer = client.post(f"{BASE}/jobs/{second}/corrections", json={"version": 0, "edit": edit})
        assert answer.status_code == 200, answer.text
    after = summary(client, second).json()["speakers"][0]
    assert (after["name"], after["utterances"]) == ("Cleo", before["utterances"])


def test_two_recordings_are_compared(client: TestClient, done: str, second: str) -> None:
    found = summary(client, done, other=second).json()
    assert found["other"]["recording"] == "friday.mp4"
    assert found["comparison"]["reason"] is None
    assert all(one["p"] is None or 0 < one["p"] <= 1 for one in found["comparison"]["labels"])
    n = [found["everyone"]["answered"], found["other"]["everyone"]["answered"]]
    assert found["comparison"]["answered"] == n


def test_a_summary_is_made_once_for_each_version(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Timeline] = []
    monkeypatch.setattr(service_module, "summarise", lambda t: made.append(t) or summarise(t))
    id = ended(client, send(client, "talk 30 5"))["id"]
    first = summary(client, id).json()
    assert summary(client, id).json() == first
    assert len(made) == 1
    edit = {"kind": "rename", "speaker": first["speakers"][0]["id"], "name": "Zoe"}
    for n, (what, asked) in enumerate((("", {"edit": edit}), ("/undo", {}))):
        address = f"{BASE}/jobs/{id}/corrections{what}"
        assert client.post(address, json={"version": n, **asked}).status_code == 200
        assert (summary(client, id).json() == first) == (n == 1)
    client.delete(f"{BASE}/jobs/{id}")
    refused(summary(client, id), 404)


def test_one_person_in_two_recordings(client: TestClient) -> None:
    one, two = (ended(client, send(client, words))["id"] for words in ("talk 50 6", "talk 40 7"))
    for id, speaker in ((one, "S1"), (two, "S2")):
        edit = {"kind": "rename", "speaker": speaker, "name": "Ada"}
        answer = client.post(f"{BASE}/jobs/{id}/corrections", json={"version": 0, "edit": edit})
        assert answer.status_code == 200, answer.text
    found = summary(client, one, other=two).json()
    known = [{x["name"]: x["answered"] for x in of["speakers"]} for of in (found, found["other"])]
    compared = summary(client, one, other=two, speaker="Ada").json()["comparison"]
    assert (compared["speaker"], compared["answered"]) == ("Ada", [known[0]["Ada"], known[1]["Ada"]])
    assert compared["answered"] != found["comparison"]["answered"]
    assert found["comparison"]["speaker"] is None
    refused(summary(client, one, other=two, speaker="S2"), 409, "speaker: nobody is called 'S2'")
    refused(summary(client, one, speaker="Ada"), 409, "say with which `other`")


def test_what_cannot_be_summed_up_is_said(client: TestClient, done: str) -> None:
    refused(summary(client, "nothing"), 404, "no job of this id")
    refused(summary(client, done, other="nothing"), 404, "other: ", "no job of this id")
    failed = ended(client, send(client, "fail"))["id"]
    refused(summary(client, failed), 409, "the job is failed")
    refused(summary(client, done, other=failed), 409, "other: the job is failed")
    refused(beside(client, failed), 409, "the job is failed")
    refused(beside(client, "nothing"), 404, "no job of this id")
    empty = ended(client, send(client, "talk 0 3"))["id"]
    assert summary(client, empty).json()["everyone"]["utterances"] == 0
    compared = summary(client, done, other=empty).json()["comparison"]
    assert "the second recording has no utterance" in compared["reason"]
    assert {one["p"] for one in compared["labels"]} == {None}


def test_checkpoints_side_by_side(client: TestClient, done: str, again: str) -> None:
    found = beside(client, done).json()
    assert [(one["job"], one["name"]) for one in found["analyses"]] == [(done, "base"), (again, "other")]
    timelines = [
        Timeline.from_json(client.get(f"{BASE}/jobs/{id}/results/json").text) for id in (done, again)
    ]
    assert len(found["utterances"]) == 60
    for row, one, two in zip(found["utterances"], *(t.utterances for t in timelines), strict=True):
        assert [tuple(a["emotions"]) for a in row["answers"]] == [one.emotions, two.emotions]
        assert row["answers"][0]["strongest"][0][1] == max(one.scores.values())
        assert len(row["answers"][0]["strongest"]) == 3
        assert row["differ"] == ((set(one.emotions), one.abstained) != (set(two.emotions), two.abstained))
    differ = sum(row["differ"] for row in found["utterances"])
    assert 0 < differ <= 20
    assert found["agreement"] == [{"first": 0, "second": 1, "utterances": 60, "same": 60 - differ}]
    back = beside(client, again).json()
    assert [one["job"] for one in back["analyses"]] == [again, done]
    named = beside(client, done, other=[again, done]).json()
    assert [one["job"] for one in named["analyses"]] == [done, again, done]


def test_side_by_side_are_only_analyses_of_the_same_utterances(
    client: TestClient, done: str, second: str, again: str
) -> None:
    refused(beside(client, done, other=second), 409, "of another recording")
    refused(beside(client, done, other="nothing"), 404, "other: ")
    asked = {"checkpoint": "other", "modalities": ["text"]}
    ended(client, client.post(f"{BASE}/jobs/{done}/rerun", json=asked).json())
    assert [one["job"] for one in beside(client, done).json()["analyses"]] == [done, again]


def test_checkpoints_are_those_that_the_operator_offers(
    client: TestClient, done: str, tmp_path: Path
) -> None:
    for name in ("unknown", "../other", str(tmp_path)):
        answer = client.post(f"{BASE}/jobs/{done}/rerun", json={"checkpoint": name})
        refused(answer, 422, "this server has base, other")
        assert str(tmp_path) not in answer.text


def test_they_ask_for_the_token(tmp_path: Path) -> None:
    with service(tmp_path, token="a-token-of-some-length") as client:
        for rest in ("summary", "beside"):
            assert client.get(f"{BASE}/jobs/any/{rest}").status_code == 401
