"""From a recording to a timeline: the Analyzer, and what it is given and leaves when there are many."""

import errno
import json
import os
from pathlib import Path

import pytest
from analyze_makers import make_checkpoint, make_csv, make_talk
from timeline_makers import talk

import affectline
from affectline import analyze
from affectline.analyze import Analyzer, Options, find_device
from affectline.analyze.recordings import ALL_FORMATS, Task, finished, plan, sha256_of, write
from affectline.timeline import Timeline
from affectline.types import EMOTIONS, Modality


@pytest.fixture(scope="module")
def analyzer(tmp_path_factory: pytest.TempPathFactory) -> Analyzer:
    return Analyzer.load(make_checkpoint(tmp_path_factory.mktemp("tiny")), device="cpu")


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_talk(tmp_path_factory.mktemp("talk") / "talk.mp4")


def test_the_package_offers_the_analyzer_and_the_timeline() -> None:
    assert affectline.Analyzer is Analyzer
    assert affectline.Timeline is Timeline
    with pytest.raises(AttributeError, match="Analyser"):
        _ = affectline.Analyser


def test_a_recording_becomes_a_timeline_of_its_speech(analyzer: Analyzer, recording: Path) -> None:
    stages: list[str] = []
    timeline = analyzer.analyze(recording, progress=lambda stage, _share: stages.append(stage))
    assert timeline.source.path == str(recording)
    assert timeline.source.sha256 == sha256_of(recording)
    assert timeline.duration == pytest.approx(2.0, abs=0.1)
    assert timeline.labels == EMOTIONS
    assert timeline.checkpoint["name"] == "tiny"
    assert timeline.utterances
    assert all(set(u.scores) == set(EMOTIONS) for u in timeline.utterances)
    assert all(u.modalities == (Modality.AUDIO,) for u in timeline.utterances)  # no words, and nobody is seen
    assert timeline.thresholds == dict.fromkeys(EMOTIONS, 0.4)
    assert "no face found in any utterance" in timeline.warnings
    assert list(dict.fromkeys(stages)) == ["reading", "speech", "speakers", "words", "faces", "emotions"]


def test_words_come_from_the_transcript(analyzer: Analyzer, recording: Path, tmp_path: Path) -> None:
    script = make_csv(tmp_path / "talk.csv", "Ada,0.1,0.9,Hello there.", "Ben,1.0,1.9,Oh no.")
    timeline = analyzer.analyze(str(recording), transcript=str(script))
    assert [(u.speaker, u.start, u.text) for u in timeline.utterances] == [
        ("Ada", 0.1, "Hello there."),
        ("Ben", 1.0, "Oh no."),
    ]
    assert timeline.settings["transcript"] == sha256_of(script)


def test_a_transcript_alone_is_a_recording_without_times(tmp_path: Path) -> None:
    reader = Analyzer.load(make_checkpoint(tmp_path / "reader", text=4), device="cpu")
    chat = make_csv(
        tmp_path / "chat.csv", "Ada,That is wonderful news!", "Ben,I am so sorry.", header="speaker,text"
    )
    timeline = reader.analyze(chat)
    assert [u.modalities for u in timeline.utterances] == [(Modality.TEXT,)] * 2
    assert not timeline.timed
    assert timeline.duration is None
    assert timeline.utterances[0].scores != timeline.utterances[1].scores
    with pytest.raises(ValueError, match="add text"):
        reader.analyze(chat, modalities=["audio"])
    with pytest.raises(ValueError, match="is a transcript itself"):
        reader.analyze(chat, transcript=chat)


def test_a_modality_that_is_not_wanted_costs_nothing_and_is_not_used(
    analyzer: Analyzer, recording: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(analyze, "follow", lambda *_args, **_more: pytest.fail("looked for faces"))
    timeline = analyzer.analyze(recording, modalities=["audio", "text"])
    assert all(u.modalities == (Modality.AUDIO,) for u in timeline.utterances)
    assert "not used, as asked: video" in timeline.warnings
    silent = analyzer.analyze(recording, modalities=["text"])
    assert all(u.modalities == () for u in silent.utterances)


def test_options_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="speakers is 0"):
        Options(speakers=0)
    with pytest.raises(ValueError, match="no modality 'smell'"):
        analyze.modalities_of(["text", "smell"])
    with pytest.raises(ValueError, match="modalities are \\[\\]"):
        Options(modalities=())
    with pytest.raises(ValueError, match="diarization is 'ear'"):
        Options(diarization="ear")
    with pytest.raises(ValueError, match="language is '42'"):
        Options(language="42")


def test_a_device_that_is_not_here_is_refused() -> None:
    assert find_device("auto").type in {"cpu", "cuda", "mps"}
    for name in ("tpu", "cuda:99", "cpu:x", ""):
        with pytest.raises(ValueError, match="there is no device"):
            find_device(name)


def test_a_folder_is_taken_whole_and_in_order(tmp_path: Path) -> None:
    names = ["b.mp4", "a/z.WAV", "a/notes.txt", ".hidden/x.mp4", "b.mp4.affectline/x.mp4", "a/.y.mp4"]
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    tasks = plan([tmp_path, tmp_path / "b.mp4"]).tasks
    assert [t.recording.relative_to(tmp_path).as_posix() for t in tasks] == ["b.mp4", "a/z.WAV"]
    assert tasks[0].folder == tmp_path / "b.mp4.affectline"


def test_recordings_of_one_name_get_folders_of_their_own(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("x/talk.mp4", "y/talk.mp4", "talk-2.mp4", "Talk.mov")]
    folders = [t.folder.name for t in plan(paths, out=tmp_path / "out").tasks]
    assert folders == ["talk", "talk-2", "talk-2-2", "Talk-3"]


def test_a_later_call_does_not_write_over_the_timeline_of_another_recording(tmp_path: Path) -> None:
    first, other = tmp_path / "x" / "talk.mp4", tmp_path / "y" / "talk.mp4"
    for path in (first, other):
        path.parent.mkdir()
        path.write_text(str(path))
    write(talk(2, path=str(first)), tmp_path / "out" / "talk", ["json"])
    assert plan([other], out=tmp_path / "out").tasks[0].folder.name == "talk-2"
    assert plan([first], out=tmp_path / "out").tasks[0].folder.name == "talk"


def test_transcripts_are_matched_by_name(tmp_path: Path) -> None:
    words = tmp_path / "words"
    for name in ("talk.srt", "b/same.csv", "same.vtt", "two.srt", "two.vtt"):
        (words / name).parent.mkdir(parents=True, exist_ok=True)
        (words / name).touch()
    talks = tmp_path / "talks"
    for name in ("a/talk.mp4", "a/same.mp4", "b/same.mp4", "two.mp4", "alone.mp4"):
        (talks / name).parent.mkdir(parents=True, exist_ok=True)
        (talks / name).touch()
    made = plan([talks], transcript=words)
    found = {t.recording.relative_to(talks).as_posix(): t.transcript for t in made.tasks}
    assert found == {
        "a/talk.mp4": words / "talk.srt",
        "a/same.mp4": None,  # there are two of that name, and this one is not in its place
        "b/same.mp4": words / "b/same.csv",
        "alone.mp4": None,
    }
    assert [f.recording.name for f in made.failures] == ["two.mp4"]
    assert "several transcripts" in made.failures[0].reason
    assert len(made.notes) == 2
    with pytest.raises(ValueError, match="one transcript and there are 5 recordings"):
        plan([talks], transcript=words / "talk.srt")


def test_a_timeline_is_written_in_every_format(tmp_path: Path) -> None:
    files = write(talk(3), tmp_path / "out" / "talk", ALL_FORMATS)
    assert {p.name for p in (tmp_path / "out" / "talk").iterdir()} == {p.name for p in files.values()}
    assert files["html"].name == "report.html"
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["talk"]


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_what_cannot_be_written_whole_is_not_written_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    folder = tmp_path / "talk"
    write(talk(2), folder, ["csv"])
    before = {p.name: p.read_bytes() for p in folder.iterdir()}

    def full(*_args: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, failing, full)
    with pytest.raises(OSError, match="No space left"):
        write(talk(4), folder, ["csv", "html"])
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before
    assert list(tmp_path.iterdir()) == [folder]


def test_a_format_that_cannot_hold_the_timeline_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="vtt needs a start and an end"):
        write(talk(2, timed=False), tmp_path / "chat", ["csv", "vtt"])
    assert list(tmp_path.iterdir()) == []


def test_a_timeline_is_finished_only_while_everything_is_as_it_was(
    analyzer: Analyzer, recording: Path, tmp_path: Path
) -> None:
    mine = tmp_path / "talk.mp4"
    mine.write_bytes(recording.read_bytes())
    script = make_csv(tmp_path / "talk.csv", "Ada,0.1,0.9,Hello.")
    task, options = Task(mine, script, tmp_path / "out"), Options(modalities=(Modality.AUDIO,))
    sha = analyzer.checkpoint.sha256
    assert finished(task, options, sha) is None
    write(analyzer.run(mine, script, options), task.folder, ["json"])
    assert finished(task, options, sha) is not None
    assert finished(task, options, "another") is None
    assert finished(task, Options(modalities=(Modality.AUDIO,), speakers=2), sha) is None
    assert finished(Task(mine, None, task.folder), options, sha) is None
    make_csv(script, "Ada,0.1,0.9,Goodbye.")
    assert finished(task, options, sha) is None
    make_csv(script, "Ada,0.1,0.9,Hello.")
    assert finished(task, options, sha) is not None
    with mine.open("ab") as file:
        file.write(b"more")
    assert finished(task, options, sha) is None


def test_a_damaged_timeline_is_made_again(analyzer: Analyzer, recording: Path, tmp_path: Path) -> None:
    task, options = Task(recording, None, tmp_path), Options()
    (tmp_path / "timeline.json").write_text(json.dumps({"version": 1})[:-3])
    assert finished(task, options, analyzer.checkpoint.sha256) is None
