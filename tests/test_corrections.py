"""Corrections: what each does, that all can be undone, and that two windows do not overwrite one another."""

import csv
import io
import random
import threading
import time
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from service_makers import BASE, ended, send, service
from timeline_makers import talk, track

from affectline import tracks
from affectline.corrections import FACE, FACELESS, KINDS, checked, corrected, shown
from affectline.timeline import Timeline
from affectline.types import Conversation, Span, Utterance, Word

TALK = talk(6, path="talk.mp4")
LATE = 5.0
FACES = (track(np.arange(0, 60, 0.1), "F1", None), track(np.arange(LATE, 60, 0.1), "F2", None))
FIRST, SECOND = TALK.utterances[0], TALK.utterances[1]


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    with service(tmp_path_factory.mktemp("data")) as client:
        yield client


@pytest.fixture
def job(client: TestClient) -> str:
    """An analysis in whose recording two faces were seen, one of them after a while."""
    id = ended(client, send(client))["id"]
    jobs = client.app.state.service.jobs  # pyright: ignore[reportAttributeAccessIssue, reportFunctionMemberAccess]
    tracks.write(jobs.kept(jobs.get(id).given) / tracks.NAME, FACES)
    return id


def timeline(client: TestClient, job: str, *modalities: str) -> bytes:
    answer = client.get(f"{BASE}/jobs/{job}/corrected/json", params={"modalities": modalities})
    assert answer.status_code == 200, answer.text
    return answer.content


def correct(client: TestClient, job: str, version: int, **edit: Any) -> Any:
    return client.post(f"{BASE}/jobs/{job}/corrections", json={"version": version, "edit": edit})


def undo(client: TestClient, job: str, version: int) -> Any:
    return client.post(f"{BASE}/jobs/{job}/corrections/undo", json={"version": version})


def _some(rng: random.Random, now: Timeline) -> dict[str, Any]:
    """A correction that can be made of a timeline."""
    u, ids = rng.choice(now.utterances), [s.id for s in now.speakers]
    assert u.span is not None
    kind = rng.choice([k for k in KINDS if k != "merge" or len(ids) > 1])
    one, other = rng.sample(ids, 2) if len(ids) > 1 else (ids[0], "")
    return {
        "text": {"utterance": u.id, "text": rng.choice(["Ja.", "I never said that", None])},
        "times": {"utterance": u.id, "start": round(u.span.start / 2, 3), "end": u.span.end},
        "speaker": {"utterances": [u.id], "speaker": rng.choice(["Cleo", "Dan", one])},
        "face": {"utterances": [u.id], "face": rng.choice(["F1", None])},
        "merge": {"speaker": one, "into": other},
        "rename": {"speaker": one, "name": rng.choice(["Åsa", "B", one])},
        "label": {"utterance": u.id, "emotions": rng.choice([["joy"], [], ["fear", "anger"], None])},
    }[kind] | {"kind": kind}


@pytest.mark.parametrize("seed", range(3))
def test_every_correction_undone_gives_the_same_timeline(client: TestClient, job: str, seed: int) -> None:
    rng, before = random.Random(seed), [timeline(client, job)]
    for version in range(8):
        edit = _some(rng, Timeline.from_json(before[-1].decode()))
        assert correct(client, job, version, **edit).status_code == 200, edit
        before.append(timeline(client, job))
    assert len(set(before)) == len(before)  # each of them shows
    for version in range(8, 16):
        assert before.pop() == timeline(client, job)
        assert undo(client, job, version).status_code == 200
    assert before.pop() == timeline(client, job) == client.get(f"{BASE}/jobs/{job}/results/json").content
    refused = undo(client, job, 16)
    assert (refused.status_code, "nothing to undo" in refused.text) == (409, True)


def test_labels_by_hand_are_a_corpus(client: TestClient, job: str) -> None:
    correct(client, job, 0, kind="label", utterance="u0001", emotions=["fear", "anger"])
    correct(client, job, 1, kind="label", utterance="u0002", emotions=[])
    correct(client, job, 2, kind="text", utterance="u0003", text='"So", I said')
    answer = client.get(f"{BASE}/jobs/{job}/corpus")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.namelist() == ["mine/utterances.csv", "mine/talk.mp4"]
        assert archive.read("mine/talk.mp4") == b"speech"
        rows = list(csv.DictReader(io.StringIO(archive.read("mine/utterances.csv").decode())))
    assert [row["labels"] for row in rows] == ["anger|fear", "none", ""]
    assert rows[2]["text"] == '"So", I said'
    assert {row["clip"] for row in rows} == {"talk.mp4"}
    folder = client.app.state.service.jobs.folder  # pyright: ignore
    assert not list((folder / "incoming").iterdir())


def test_a_page_and_its_browser_ask_the_model_once(
    client: TestClient, job: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []

    class Slow:
        def answer(self, question: dict[str, Any]) -> dict[str, Any]:
            asked.append(question["modalities"])
            time.sleep(0.05)
            return {"timeline": question["timeline"]}

    views: Any = client.app.state.service.views  # pyright: ignore
    monkeypatch.setattr(views, "helper", Slow())
    of = views.jobs.get(job)

    def ask(*modalities: str) -> Timeline:
        return views._by_fewer(of, TALK, Path("seen"), list(modalities))

    with ThreadPoolExecutor() as both:
        answers = list(both.map(ask, ["text"] * 2))
    assert (answers, asked) == ([TALK, TALK], [["text"]])
    assert ask("audio") == ask("audio") == ask("text") == TALK
    assert asked == [["text"], ["audio"], ["text"]]
    assert client.delete(f"{BASE}/jobs/{job}").status_code == 204
    assert views._last is None


def test_the_model_is_asked_again_only_where_it_must_be(client: TestClient, job: str) -> None:
    whole = Timeline.from_json(timeline(client, job).decode())
    u = whole.utterances[0]
    correct(client, job, 0, kind="rename", speaker=u.speaker, name="Ada")
    correct(client, job, 1, kind="label", utterance=u.id, emotions=["fear"])
    service = client.app.state.service  # pyright: ignore[reportAttributeAccessIssue, reportFunctionMemberAccess]
    views = service.jobs.results(service.jobs.get(job)) / "views"
    assert not views.exists()
    correct(client, job, 2, kind="text", utterance=u.id, text="Oh no.")
    assert len(list(views.iterdir())) == 1
    now = Timeline.from_json(timeline(client, job).decode())
    assert now.utterances[0].scores != u.scores
    assert now.utterances[0].emotions == ("fear",)
    assert now.speaker(u.speaker).label == "Ada"
    assert now.utterances[1].scores["sadness"] == whole.utterances[1].scores["sadness"]


def test_another_face_is_another_question_of_its_utterances_alone(client: TestClient, job: str) -> None:
    before = Timeline.from_json(timeline(client, job).decode())
    of = {u.id: u for u in before.utterances}
    late = next(u for u in before.utterances if u.span and u.span.start > LATE)
    known = client.get(f"{BASE}/jobs/{job}/faces").json()
    assert [face["id"] for face in known] == ["F1", "F2"]
    assert known[1]["boxes"][0] == [LATE, 10.0, 20.0, 110.0, 140.0]
    assert correct(client, job, 0, kind="face", utterances=[late.id], face="F2").status_code == 200
    now = Timeline.from_json(timeline(client, job).decode())
    for u in now.utterances:
        if u.id != late.id:
            assert u.face == of[u.id].face
            continue
        assert u.face is not None
        assert (u.face.track, u.face.match, u.warnings[-1]) == ("F2", None, FACE)
        assert u.face.boxes[0][0] == pytest.approx(u.start, abs=0.1)  # seconds of the recording
    assert correct(client, job, 1, kind="face", utterances=[late.id], face=None).status_code == 200
    gone = next(u for u in Timeline.from_json(timeline(client, job).decode()).utterances if u.id == late.id)
    assert (gone.face, gone.warnings[-1]) == (None, FACELESS)
    undo(client, job, 2)
    undo(client, job, 3)
    assert Timeline.from_json(timeline(client, job).decode()) == before


def test_a_speakers_face_is_that_of_all_utterances_that_show_it() -> None:
    speaker = TALK.utterances[-1].speaker
    own = [u for u in TALK.utterances if u.speaker == speaker]
    shown_in = [u.id for u in own if u.span and u.span.end > LATE]
    assert 0 < len(shown_in) < len(TALK.utterances)
    edit = checked({"kind": "face", "speaker": speaker, "face": "F2"}, TALK, FACES)
    assert edit == {"kind": "face", "utterances": shown_in, "face": "F2"}
    assert checked(edit, TALK, FACES) == edit
    early = TALK.utterances[0].id
    wrong: tuple[tuple[dict[str, Any], str], ...] = (
        ({"utterances": [early], "face": "F2"}, f"face F2 is not seen in {early}"),
        ({"utterances": [early], "face": "F9"}, "there is no face 'F9'; the recording has F1, F2"),
        ({"utterances": ["u9"], "face": "F1"}, "names utterances that are there"),
        ({"speaker": "nobody", "face": "F1"}, "there is no speaker 'nobody'"),
    )
    for edit, said in wrong:
        with pytest.raises(ValueError, match=said):
            checked({"kind": "face", **edit}, TALK, FACES)
    with pytest.raises(ValueError, match="none, as no pictures were read"):
        checked({"kind": "face", "utterances": [early], "face": "F1"}, TALK)


def test_faces_are_kept_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / tracks.NAME
    for faces in (FACES, ()):
        tracks.write(path, faces)
        again = tracks.read(path)
        assert again is not None
        assert [f.id for f in again] == [f.id for f in faces]
        for one, other in zip(again, faces, strict=True):
            for name in ("times", "boxes", "landmarks"):
                np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    path.write_bytes(b"damaged")
    assert tracks.read(path) is tracks.read(tmp_path / "nothing") is None


def test_modalities_change_the_scores_and_corrections_stay(client: TestClient, job: str) -> None:
    correct(client, job, 0, kind="text", utterance="u0001", text="Oh no.")
    found = {
        m: Timeline.from_json(timeline(client, job, *m).decode()) for m in (("text",), ("text", "audio"))
    }
    one, two = (t.utterances[0] for t in found.values())
    assert one.scores != two.scores
    assert one.text == two.text == "Oh no."


def test_two_windows_do_not_overwrite_one_another(client: TestClient, job: str) -> None:
    assert correct(client, job, 0, kind="text", utterance="u0001", text="One.").json()["version"] == 1
    late = correct(client, job, 0, kind="text", utterance="u0001", text="Two.")
    assert late.status_code == 409
    assert "another window" in late.json()["detail"]
    assert undo(client, job, 0).status_code == 409
    answers: list[int] = []

    def click(n: int) -> None:
        answers.append(correct(client, job, 1, kind="text", utterance="u0002", text=f"{n}").status_code)

    clicks = [threading.Thread(target=click, args=(n,)) for n in range(6)]
    for thread in clicks:
        thread.start()
    for thread in clicks:
        thread.join()
    assert sorted(answers) == [200, *[409] * 5]
    found = client.get(f"{BASE}/jobs/{job}/corrections").json()
    assert (found["version"], len(found["edits"])) == (2, 2)


def test_a_correction_that_cannot_be_shown_is_not_written(client: TestClient, job: str) -> None:
    refused = correct(client, job, 0, kind="text", utterance="u0001", text="crash")
    assert (refused.status_code, "try again" in refused.text) == (409, True)
    assert client.get(f"{BASE}/jobs/{job}/corrections").json() == {"version": 0, "edits": []}
    assert correct(client, job, 0, kind="text", utterance="u0001", text="fine").status_code == 200


def test_corrections_go_with_the_analysis(client: TestClient, job: str) -> None:
    correct(client, job, 0, kind="text", utterance="u0001", text="Secret.")
    folder = client.app.state.service.jobs.folder  # pyright: ignore
    assert client.delete(f"{BASE}/jobs/{job}").status_code == 204
    assert not [p for p in folder.rglob("*") if p.is_file() and b"Secret." in p.read_bytes()]
    assert client.get(f"{BASE}/jobs/{job}/corrections").status_code == 404


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        ({"kind": "text", "utterance": "u9", "text": "x"}, "there is no utterance 'u9'"),
        ({"kind": "text", "utterance": "u0001"}, "lacks 'text'"),
        ({"kind": "text", "utterance": "u0001", "text": "x" * 10_001}, "10000 characters at most"),
        ({"kind": "text", "utterance": "u0001", "text": "\ud800"}, "half a character"),
        ({"kind": "times", "utterance": "u0001", "start": 2.0, "end": 1.0}, "starts before it ends"),
        ({"kind": "times", "utterance": "u0001", "start": 0.0, "end": 1e9}, "starts before it ends"),
        ({"kind": "merge", "speaker": "nobody", "into": "A"}, "there is no speaker 'nobody'"),
        ({"kind": "merge", "speaker": FIRST.speaker, "into": FIRST.speaker}, "needs two speakers"),
        ({"kind": "rename", "speaker": FIRST.speaker, "name": " "}, "1 to 100 characters"),
        ({"kind": "speaker", "utterances": [], "speaker": "X"}, "names utterances that are there"),
        ({"kind": "label", "utterance": "u0001", "emotions": ["bliss"]}, "emotions are of"),
        ({"kind": "shout"}, "there is no correction 'shout'"),
        ([], "must be an object"),
    ],
)
def test_what_cannot_be_applied_is_refused(edit: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        checked(edit, TALK)


def test_what_the_model_is_asked_follows_the_corrections() -> None:
    face = track([0.0, 0.5, 1.0, 1.5])
    words = tuple(Word(w, Span(s, s + 0.5)) for w, s in (("No", 1.0), ("way", 1.5), ("out", 2.0)))
    one = Utterance(id="1", speaker="A", text="No way out", words=words, span=Span(1.0, 3.0), face=face)
    two = Utterance(id="2", speaker="B", text="Why?", span=Span(3.0, 4.0))
    conversation = Conversation("c", (one, two))

    def after(*edits: dict[str, Any]) -> Conversation:
        return corrected(conversation, edits, None)

    moved = after({"kind": "times", "utterance": "1", "start": 1.5, "end": 2.5}).utterances[0]
    assert moved.face is not None
    assert moved.face.times.tolist() == [0.0, 0.5, 1.0]  # the same pictures of the recording
    assert [w.text for w in moved.words] == ["way", "out"]
    last = after({"kind": "times", "utterance": "1", "start": 3.5, "end": 4.5})
    assert [u.id for u in last] == ["2", "1"]
    said = after({"kind": "text", "utterance": "2", "text": "Who?"}).utterances[1]
    assert (said.text, said.words) == ("Who?", ())
    mine = {"kind": "face", "utterances": ["2"], "face": "F1"}
    moving = replace(FACES[0], boxes=np.repeat(FACES[0].times[:, None].astype(np.float32), 4, axis=1))
    chosen = corrected(conversation, [mine], None, (FACES[1], moving)).utterances[1]
    assert chosen.face is not None
    np.testing.assert_allclose(chosen.face.boxes[0], 3.0, atol=1e-5)  # where it was when this was said
    np.testing.assert_allclose(chosen.face.times, np.arange(0, 1, 0.1), atol=1e-9)  # of its own clip
    assert after({"kind": "face", "utterances": ["1"], "face": None}).utterances[0].face is None
    assert after({"kind": "merge", "speaker": "B", "into": "A"}).speakers == ("A",)
    assert after({"kind": "speaker", "utterances": ["2"], "speaker": "C"}).speakers == ("A", "C")
    assert (
        after({"kind": "rename", "speaker": "A", "name": "X"}, {"kind": "label", "utterance": "1"})
        == conversation
    )


def test_ones_own_label_goes_into_every_format_and_the_models_stays_known() -> None:
    labelled = shown(TALK, [{"kind": "label", "utterance": SECOND.id, "emotions": ["fear"]}])
    entry = labelled.utterances[1]
    assert (entry.emotions, entry.abstained, entry.scores) == (("fear",), False, SECOND.scores)
    assert "named by hand; the model: " in entry.warnings[-1]
    assert "fear" in labelled.to_pandas()["emotions"][1]
    assert shown(TALK, []) is TALK
