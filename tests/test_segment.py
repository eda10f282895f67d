import json
from pathlib import Path

import numpy as np
import pytest
from voice_makers import quiet, voice

from affectline.media import MemoryClip
from affectline.segment import TranscriptError, transcribe
from affectline.segment.asr import Recognised
from affectline.types import Span, Word

HIGH = {"pitch": 220.0, "tract": 1.2}


@pytest.fixture(scope="module")
def talk() -> MemoryClip:
    """Speech from 0.5 to 3.5 s by a low voice, from 4.5 to 6.5 s by a high one."""
    sound = np.concatenate([quiet(0.5), voice(3.0), quiet(1.0), voice(2.0, seed=1, **HIGH), quiet(1.0)])
    return MemoryClip(sound, 16_000)


def written(folder: Path, content: str, name: str = "talk.csv") -> Path:
    (folder / name).write_text(content, encoding="utf-8")
    return folder / name


def test_without_words_every_stretch_of_a_voice_is_an_utterance(talk: MemoryClip) -> None:
    told: list[str] = []
    found = transcribe(talk, id="talk", progress=lambda stage, done: told.append(stage))
    assert [u.id for u in found] == ["u0001", "u0002"]
    assert [u.speaker for u in found] == ["S1", "S2"]
    assert {(u.text, u.text_source, u.missing) for u in found} == {
        (None, "none", frozenset({"text", "video"}))
    }
    first = found.utterances[0]
    assert first.span is not None
    assert first.clip is not None
    assert abs(first.span.start - 0.5) < 0.3
    assert abs(first.span.end - 3.5) < 0.3
    assert first.clip.duration == pytest.approx(first.span.duration)
    assert any("2 voices were told apart" in warning for warning in found.warnings)
    assert list(dict.fromkeys(told)) == ["speech", "speakers", "words"]


def test_words_speakers_and_times_come_from_the_transcript(talk: MemoryClip, tmp_path: Path) -> None:
    file = written(tmp_path, "speaker,start,end,text\nBen,4.4,8.9,hello\nAnn,0.5,5,oh hi\n")
    found = transcribe(talk, id="talk", transcript=file)
    assert [(u.speaker, u.text, u.text_source) for u in found] == [
        ("Ann", "oh hi", "given"),
        ("Ben", "hello", "given"),
    ]
    assert [u.span for u in found] == [Span(0.5, 5.0), Span(4.4, 7.5)]
    assert found.utterances[1].warnings == ("its end, 8.9 s, is past the recording's",)
    assert found.warnings == ()


def test_rows_without_speakers_get_those_of_the_voices(talk: MemoryClip, tmp_path: Path) -> None:
    file = written(tmp_path, "start,end,text,mood\n0.5,3.4,one,x\n4.6,6.4,two,y\n")
    found = transcribe(talk, id="talk", transcript=file, speakers=2)
    assert [u.speaker for u in found] == ["S1", "S2"]
    assert found.warnings == ("transcript: columns not read: mood",)


def test_a_row_without_a_name_among_named_ones_is_of_nobody_known(talk: MemoryClip, tmp_path: Path) -> None:
    file = written(tmp_path, "speaker,start,end,text\nAnn,0.5,3.4,one\n,4.6,6.4,two\n")
    found = transcribe(talk, id="talk", transcript=file)
    assert [(u.speaker, u.warnings) for u in found] == [("Ann", ()), ("unknown", ("speaker not named",))]


def test_rows_without_times_are_laid_over_the_speech(talk: MemoryClip, tmp_path: Path) -> None:
    file = written(tmp_path, "speaker,text\nAnn,a banana and a banana again\nBen,a banana today\n")
    first, second = transcribe(talk, id="talk", transcript=file)
    assert first.warnings == second.warnings == ("approximate_times",)
    assert first.span is not None
    assert second.span is not None
    assert abs(first.span.end - 3.5) < 0.3
    assert abs(second.span.start - 4.5) < 0.3


def test_one_row_without_times_is_the_whole_recording(talk: MemoryClip, tmp_path: Path) -> None:
    (only,) = transcribe(talk, id="talk", transcript=written(tmp_path, "text\nhello there\n"))
    assert (only.span, only.warnings) == (Span(0.0, talk.duration), ())


def test_recognised_words_are_marked_so(talk: MemoryClip) -> None:
    def recogniser(waveform: np.ndarray, language: str | None) -> Recognised:
        words = (Word("good", Span(0.5, 0.9)), Word("morning", Span(1.0, 1.5)), Word("moin", Span(4.5, 5.0)))
        return Recognised(words, "de", 0.9)

    found = transcribe(talk, id="talk", asr=recogniser, speakers=2)
    assert [(u.text, u.text_source) for u in found] == [
        ("good morning", "recognised"),
        ("moin", "recognised"),
    ]
    assert found.utterances[0].missing == {"video"}
    assert found.warnings == ("language: it is German; the checkpoint was trained on English",)


def test_a_foreign_transcript_is_warned_of_unless_its_language_is_given(
    talk: MemoryClip, tmp_path: Path
) -> None:
    file = written(
        tmp_path, "speaker,text\nA,Ich weiß nicht genau was du damit meinst\nB,Das ist doch ganz einfach\n"
    )
    (warning,) = transcribe(talk, id="talk", transcript=file).warnings
    assert "look like German" in warning
    assert transcribe(talk, id="talk", transcript=file, language="en").warnings == ()


@pytest.mark.parametrize(
    ("has_sound", "warning"),
    [
        (False, "no sound: cut every 5 s"),
        (True, "no speech found, so the sound is not judged: cut every 5 s"),
    ],
)
def test_without_speech_the_recording_is_cut_every_five_seconds(has_sound: bool, warning: str) -> None:
    pictures = np.zeros((55, 4, 4, 3), dtype=np.uint8)
    sound = np.zeros(16_000 * 11, dtype=np.float32) if has_sound else None
    found = transcribe(MemoryClip(sound, 16_000, pictures, 5.0), id="mute")
    assert [u.span for u in found] == [Span(0.0, 5.0), Span(5.0, 10.0), Span(10.0, 11.0)]
    assert found.warnings == (warning,)
    assert {u.missing for u in found} == {frozenset({"text", "audio"})}


def test_rows_over_silence_say_that_there_is_no_speech(tmp_path: Path) -> None:
    file = written(tmp_path, "text\nna na\nna na\n")
    found = transcribe(MemoryClip(np.zeros(64_000, dtype=np.float32), 16_000), id="mute", transcript=file)
    assert [u.span for u in found] == [Span(0.0, 2.0), Span(2.0, 4.0)]
    assert {u.warnings for u in found} == {("approximate_times", "no speech found")}
    assert {u.missing for u in found} == {frozenset({"audio", "video"})}
    assert found.warnings[-1] == "no speech found, so the sound is not judged"


def test_words_alone_are_a_conversation(tmp_path: Path) -> None:
    rows = [
        {"speaker": "A", "text": "hello"},
        {"speaker": "B", "text": "hi"},
        {"speaker": "A", "text": "bye"},
    ]
    found = transcribe(None, id="chat", transcript=written(tmp_path, json.dumps(rows), "chat.json"))
    assert [(u.speaker, u.text, u.span, u.clip) for u in found] == [
        ("A", "hello", None, None), ("B", "hi", None, None), ("A", "bye", None, None),
    ]  # fmt: skip
    assert {u.missing for u in found} == {frozenset({"audio", "video"})}
    unnamed = transcribe(None, id="chat", transcript=written(tmp_path, "text\nhello\nhi\n"))
    assert unnamed.speakers == ("S1",)
    assert unnamed.warnings == ("speakers: the transcript names none; all is taken as said by one",)


def test_the_transcript_of_another_recording_is_refused(talk: MemoryClip, tmp_path: Path) -> None:
    file = written(tmp_path, "start,end,text\n0,1,a\n99,101,b\n")
    with pytest.raises(
        TranscriptError, match=r"line 3: the row starts at 99 s and the recording is over at 7.5 s"
    ):
        transcribe(talk, id="talk", transcript=file)


def test_what_makes_no_sense_is_refused(talk: MemoryClip) -> None:
    with pytest.raises(ValueError, match="neither a recording nor a transcript"):
        transcribe(None, id="nothing")
    with pytest.raises(ValueError, match="speakers=0"):
        transcribe(talk, id="talk", speakers=0)
