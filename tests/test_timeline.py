import errno
import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from timeline_makers import talk, track

from affectline import timeline as module
from affectline.files import atomic_write
from affectline.timeline import Source, Timeline
from affectline.types import Conversation, Modality, Prediction, Span, Utterance, Word

LABELS = ("joy", "anger")


def one(utterance: Utterance, prediction: Prediction | None = None, **changes) -> Timeline:
    """A timeline of one utterance."""
    prediction = prediction or Prediction(
        {"joy": 0.75, "anger": 0.1}, frozenset({"joy"}), {}, (Modality.TEXT,)
    )
    settings = {
        "source": Source(),
        "labels": LABELS,
        "checkpoint": {"name": "base", "sha256": None},
        **changes,
    }
    return Timeline.of(Conversation("c", (utterance,)), [prediction], **settings)


def mended(timeline: Timeline, change) -> str:
    """The JSON of a timeline after `change` was done to it by hand."""
    document = timeline.document()
    change(document)
    return json.dumps(document)


def test_the_document_has_every_key_of_version_1():
    utterance = Utterance(
        id="u1",
        speaker="S1",
        text="so",
        words=(Word("so", Span(1.0, 1.2)), Word("unplaced")),
        span=Span(0.42, 3.1),
        face=track([0.0, 1.0], "F2", 0.8),
        warnings=("no face for 1.2 s",),
    )
    prediction = Prediction(
        {"joy": 0.75, "anger": 0.25}, frozenset({"joy"}), {Modality.TEXT: {"joy": 0.7}}, (Modality.TEXT,)
    )
    checkpoint = {"name": "base", "sha256": "ab"}
    timeline = one(utterance, prediction, source=Source("talk.mp4", "cd", 61.4), checkpoint=checkpoint)
    assert json.loads(timeline.to_json()) == {
        "version": 1,
        "source": {"path": "talk.mp4", "sha256": "cd", "duration": 61.4},
        "duration": 61.4,
        "labels": ["joy", "anger"],
        "thresholds": {},
        "checkpoint": {"name": "base", "sha256": "ab"},
        "speakers": [{"id": "S1", "name": None}],
        "warnings": [],
        "settings": {},
        "utterances": [
            {
                "id": "u1",
                "speaker": "S1",
                "start": 0.42,
                "end": 3.1,
                "text": "so",
                "text_source": "given",
                "words": [
                    {"text": "so", "start": 1.0, "end": 1.2},
                    {"text": "unplaced", "start": None, "end": None},
                ],
                "modalities": ["text"],
                "scores": {"joy": 0.75, "anger": 0.25},
                "emotions": ["joy"],
                "valence": 0.5,
                "uncertainty": 0.8113,  # the entropy of a coin that falls on one side three times of four
                "abstained": False,
                "by_modality": {"text": {"joy": 0.7}},
                "warnings": ["no face for 1.2 s"],
                "face": {
                    "track": "F2",
                    "boxes": [[0.42, 10.0, 20.0, 110.0, 140.0], [1.42, 10.0, 20.0, 110.0, 140.0]],
                    "match": 0.8,
                },
                "explanations": [],
            }
        ],
    }


def test_emotions_come_strongest_first():
    prediction = Prediction({"joy": 0.6, "anger": 0.7}, frozenset({"joy", "anger"}))
    assert one(Utterance(id="u", speaker="S1"), prediction).utterances[0].emotions == ("anger", "joy")


@settings(deadline=None)
@given(st.floats(0, 5000), st.floats(1e-6, 90), st.integers(1, 200))
def test_face_boxes_are_at_most_five_a_second_within_the_utterance(start, duration, count):
    span = Span(start, start + duration)
    face = track(np.linspace(0, span.duration, count, endpoint=False))
    kept = one(Utterance(id="u", speaker="S1", span=span, face=face)).utterances[0].face
    assert kept is not None
    times = np.array([box[0] for box in kept.boxes])
    assert times[0] == pytest.approx(start, abs=1e-3)
    assert (np.diff(times) >= 0.2 - 0.0025).all()  # and what rounding costs
    assert times.max() <= span.end + 1e-3


@settings(deadline=None)
@given(st.floats(0, 5000), st.floats(1e-6, 90))
def test_rounding_never_empties_a_span(start, duration):
    entry = one(Utterance(id="u", speaker="S1", span=Span(start, start + duration))).utterances[0]
    assert entry.span is not None
    assert entry.span.end - entry.span.start >= 0.0009


def test_modalities_are_those_that_the_model_answered_from():
    utterance = Utterance(id="u", speaker="S1", text="so")
    told = Prediction({"joy": 0.5}, frozenset(), {}, (Modality.VIDEO, Modality.TEXT))
    (entry,) = one(utterance, told).utterances
    assert entry.modalities == (Modality.TEXT, Modality.VIDEO)
    assert entry.warnings == ()
    (unjudged,) = one(utterance, replace(told, modalities=())).utterances
    assert unjudged.modalities == ()
    assert unjudged.warnings == ("nothing of it could be judged",)


def test_an_utterance_without_words_has_no_source_of_words():
    assert one(Utterance(id="u", speaker="S1")).utterances[0].text_source == "none"


@pytest.mark.parametrize("timed", [True, False])
def test_reading_gives_back_what_was_written(tmp_path, timed):
    written = talk(12, timed=timed, path=str(tmp_path / "talk.mp4"))
    written.write(tmp_path / "out" / "timeline.json")
    assert Timeline.read(tmp_path / "out" / "timeline.json") == written


@settings(deadline=None, max_examples=50)
@given(st.text(), st.text(min_size=1))
def test_any_text_survives_the_json(text, speaker):
    timeline = one(Utterance(id="u", speaker=speaker, text=text))
    assert Timeline.from_json(timeline.to_json()) == timeline


def test_the_recording_is_found_again_when_the_folder_moves(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "tálk 1.mp4").touch()
    talk(1, path=str(tmp_path / "a" / "tálk 1.mp4")).write(
        tmp_path / "a" / "tálk 1.affectline" / "timeline.json"
    )
    text = (tmp_path / "a" / "tálk 1.affectline" / "timeline.json").read_text(encoding="utf-8")
    assert json.loads(text)["source"]["path"] == "../tálk 1.mp4"
    (tmp_path / "a").rename(tmp_path / "b")
    found = Timeline.read(tmp_path / "b" / "tálk 1.affectline" / "timeline.json").source.path
    assert found is not None
    assert Path(found).is_file()


def test_a_recording_given_from_the_working_folder_is_written_as_seen_from_the_timeline(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    talk(1, path="talk.mp4").write("out/timeline.json")
    assert json.loads(Path("out/timeline.json").read_text())["source"]["path"] == "../talk.mp4"


def test_keys_of_later_versions_are_ignored():
    def add(document):
        document["mood"] = "new"
        document["utterances"][0]["mood"] = ["new"]

    timeline = talk(2)
    assert Timeline.from_json(mended(timeline, add)) == timeline


def drop(key):
    return lambda document: document["utterances"][0].pop(key)


def put(key, value):
    return lambda document: document["utterances"][0].update({key: value})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(version=2), r"version 2.*reads version 1.*install"),
        (lambda d: d.pop("version"), "lacks 'version'"),
        (lambda d: d.update(version=True), "'version' must be int"),
        (lambda d: d.pop("labels"), "lacks 'labels'"),
        (lambda d: d.update(labels="joy"), "'labels' must be list"),
        (lambda d: d.update(speakers=["S1"]), "'speakers' must hold dict only, got 'S1'"),
        (lambda d: d.update(duration="61"), "'duration' must be float or null"),
        (lambda d: d["checkpoint"].pop("sha256"), "'checkpoint' lacks 'sha256'"),
        (lambda d: d["utterances"].append(d["utterances"][0]), "ids must differ"),
        (drop("id"), "utterance 1 lacks 'id'"),
        (drop("scores"), r"utterance 1 \(u0001\) lacks 'scores'"),
        (drop("by_modality"), "lacks 'by_modality'"),
        (put("speaker", "S9"), "speaker 'S9' is not among 'speakers'"),
        (put("start", None), "must both be seconds, or both null"),
        (put("start", "0.4"), "'start' must be float or null, got '0.4'"),
        (put("end", 0.0), r"u0001.*a span needs 0 <= start < end"),
        (put("text", 3), "'text' must be str or null, got 3"),
        (put("abstained", 1), "'abstained' must be bool, got 1"),
        (put("valence", True), "'valence' must be float, got True"),
        (put("valence", 1.5), "valence in -1 to 1"),
        (put("uncertainty", -0.1), "uncertainty must be in 0 to 1"),
        (put("scores", {"joy": 1.2}), "the score of joy must be in 0 to 1, got 1.2"),
        (put("scores", {"joy": None}), "'joy' must be float, got None"),
        (put("scores", {"glee": 0.5}), r"\['glee'\] are not among 'labels'"),
        (put("by_modality", {"text": {"glee": 0.5}}), r"\['glee'\] are not among 'labels'"),
        (put("by_modality", {"smell": {}}), "unknown modality 'smell'; there are"),
        (put("modalities", ["smell"]), "unknown modality 'smell'; there are"),
        (put("emotions", ["glee"]), r"\['glee'\] are not among 'labels'"),
        (put("emotions", [1]), "'emotions' must hold str only, got 1"),
        (put("words", [{"text": "so"}]), "lacks 'start'"),
        (put("face", {"track": "F1", "boxes": [[0, 1, 2, 3]], "match": None}), "a box must be five numbers"),
        (put("explanations", [1]), "'explanations' must hold dict only"),
    ],
)
def test_what_is_not_a_timeline_is_refused_by_name(tmp_path, change, message):
    path = tmp_path / "timeline.json"
    path.write_text(mended(talk(3), change))
    with pytest.raises(ValueError, match=message) as caught:
        Timeline.read(path)
    assert str(path) in str(caught.value)
    assert "affectline analyze" in str(caught.value)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "1" + "0" * 400])
def test_numbers_that_are_none_are_refused(number):
    def spoil(document):
        document["utterances"][0]["scores"]["joy"] = "HERE"

    with pytest.raises(ValueError, match=r"is no number of JSON|'joy' must be float"):
        Timeline.from_json(mended(talk(2), spoil).replace('"HERE"', number))


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"null", b'"version"', b"\xff\xfe\x00", b"\x00\x01\x02"])
def test_a_file_that_is_not_json_of_ours_is_refused(tmp_path, raw):
    (tmp_path / "x.json").write_bytes(raw)
    with pytest.raises(ValueError, match=r"x\.json"):
        Timeline.read(tmp_path / "x.json")


def test_a_score_that_is_no_probability_cannot_become_a_timeline():
    for wrong in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match="joy must be in 0 to 1"):
            one(Utterance(id="u", speaker="S1"), Prediction({"joy": wrong}, frozenset()))


def test_the_table_is_tidy():
    timeline = talk(9, seed=3)
    table = timeline.to_pandas()
    scores = list(timeline.labels)
    assert list(table) == [
        *("id", "speaker", "start", "end", "text", "emotions"),
        *scores,
        *("valence", "uncertainty", "abstained", "modalities", "warnings"),
    ]
    assert len(table) == 9
    for row, u in zip(table.to_dict("records"), timeline.utterances, strict=True):
        assert {n: row[n] for n in scores} == u.scores
        assert (row["start"], row["end"], row["valence"], row["abstained"]) == (
            u.start,
            u.end,
            u.valence,
            u.abstained,
        )
        assert row["emotions"] == "|".join(u.emotions)
        assert row["modalities"].split("|") == [str(m) for m in u.modalities]


def test_the_table_of_an_empty_timeline_has_the_same_columns_and_types():
    none = Timeline.of(Conversation("c", ()), [], source=Source(), labels=LABELS, checkpoint={"name": "base"})
    some = one(Utterance(id="u", speaker="S1"))
    assert none.to_pandas().dtypes.to_dict() == some.to_pandas().dtypes.to_dict()


def test_the_table_names_a_speaker_once_the_name_is_known():
    timeline = one(Utterance(id="u", speaker="S1"))
    named = replace(timeline, speakers=(replace(timeline.speakers[0], name="Ana"),))
    assert list(named.to_pandas()["speaker"]) == ["Ana"]


class _Interrupted(BaseException):
    """Ctrl-C, which is no Exception."""


@pytest.mark.parametrize("step", ["fsync", "replace"])
@pytest.mark.parametrize("failure", [OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), _Interrupted()])
def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, step, failure):
    path = tmp_path / "timeline.json"
    path.write_text("old")

    def fail(*_):
        raise failure

    monkeypatch.setattr(module.os, step, fail)
    with pytest.raises((OSError, _Interrupted)) as caught:
        atomic_write(path, "new")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["timeline.json"]
    if isinstance(failure, OSError):
        assert str(path) in str(caught.value)
        assert "No space left on device; the file was not written" in str(caught.value)


def test_a_write_into_what_is_no_folder_says_which_file(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=r"timeline\.json"):
        talk(1).write(tmp_path / "file" / "timeline.json")


def test_a_reader_never_sees_half_a_file(tmp_path, monkeypatch):
    path, seen = tmp_path / "x", []
    path.write_bytes(b"old")
    monkeypatch.setattr(module.os, "fsync", lambda _: seen.append(path.read_bytes()))
    atomic_write(path, b"new")
    assert seen == [b"old"]
    assert path.read_bytes() == b"new"
