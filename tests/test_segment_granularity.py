"""Words and turns in place of utterances: what they hold, and where that is not possible."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from analyze_makers import make_checkpoint, make_talk

from affectline.analyze import Analyzer, Options
from affectline.analyze.kept import Kept
from affectline.media import MemoryClip
from affectline.segment.granularity import regrouped
from affectline.types import Conversation, Span, Utterance, Word

RECORDING = MemoryClip(np.linspace(-1, 1, 16_000 * 10, dtype=np.float32), 16_000)


def said(n: int, speaker: str, text: str | None, start: float, *, timed: bool = True) -> Utterance:
    words = (text or "").split()
    return Utterance(
        id=f"u000{n}",
        speaker=speaker,
        text=text,
        words=tuple(
            Word(w, Span(start + i / 2, start + (i + 1) / 2) if timed else None) for i, w in enumerate(words)
        ),
        clip=RECORDING.window(start, max(1, len(words)) / 2),
        span=Span(start, start + max(1, len(words)) / 2),
        missing=frozenset({"video"} if text else {"video", "text"}),
        warnings=(f"w{n}", "both"),
    )


TALK = Conversation(
    "talk",
    (
        said(1, "Ada", "oh no", 0.0),
        said(2, "Ada", None, 2.0),
        said(3, "Ada", "it is late", 3.0),
        said(4, "Ben", "so", 6.0),
    ),
)


def test_a_turn_is_all_that_one_speaker_says_until_another_does() -> None:
    ada, ben = regrouped(TALK, RECORDING, "turn")
    assert (ada.id, ada.text, ada.span) == ("u0001", "oh no it is late", Span(0.0, 4.5))
    assert [w.text for w in ada.words] == ["oh", "no", "it", "is", "late"]
    assert ada.clip is not None
    assert ada.clip.waveform(16_000) == pytest.approx(RECORDING.window(0.0, 4.5).waveform(16_000))
    assert (ada.missing, ada.warnings) == (frozenset({"video"}), ("w1", "both", "w2", "w3"))
    assert ben is TALK.utterances[3]


def test_a_word_has_its_own_stretch_and_what_has_no_words_stays_whole() -> None:
    found = regrouped(TALK, RECORDING, "word").utterances
    assert [u.id for u in found[:4]] == ["u0001.1", "u0001.2", "u0002", "u0003.1"]
    assert [u.text for u in found] == ["oh", "no", None, "it", "is", "late", "so"]
    assert (found[1].span, found[1].words) == (Span(0.5, 1.0), (Word("no", Span(0.5, 1.0)),))
    assert found[1].clip is not None
    assert found[1].clip.waveform(16_000) == pytest.approx(RECORDING.window(0.5, 0.5).waveform(16_000))
    assert found[2] is TALK.utterances[1]


def test_turns_of_words_alone_have_no_times() -> None:
    bare = tuple(replace(u, span=None, clip=None, words=()) for u in TALK)
    ada, _ = regrouped(replace(TALK, utterances=bare), None, "turn")
    assert (ada.text, ada.span, ada.clip) == ("oh no it is late", None, None)


@pytest.mark.parametrize(
    ("utterance", "message"),
    [
        (replace(said(1, "Ada", "oh no", 0.0), words=()), "times of the words of u0001 are not known"),
        (said(1, "Ada", "oh no", 0.0, timed=False), "when 'oh' in u0001 is said is not known"),
        (replace(said(1, "Ada", "oh no", 0.0), span=Span(4.0, 5.0)), "from 0 to 0.5 s, and its utterance"),
    ],
)
def test_words_without_times_are_refused_with_a_way_out(utterance: Utterance, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        regrouped(replace(TALK, utterances=(utterance,)), RECORDING, "word")


def test_an_analysis_judges_what_is_asked_and_hears_once(tmp_path: Path) -> None:
    analyzer = Analyzer.load(make_checkpoint(tmp_path / "tiny"), device="cpu")
    recording = make_talk(tmp_path / "talk.mp4", 3.0)
    script = tmp_path / "talk.json"
    words = [{"text": t, "start": s, "end": s + 0.4} for t, s in (("oh", 0.1), ("no", 0.6))]
    late = {"text": "so", "start": 1.3, "end": 1.5}
    rows = [
        {"speaker": "Ada", "start": 0.1, "end": 1.0, "text": "oh no", "words": words},
        {"speaker": "Ada", "start": 1.2, "end": 1.9, "text": "so", "words": [late]},
    ]
    script.write_text(json.dumps(rows))
    kept = Kept(tmp_path / "kept")
    made = {
        g: analyzer.run(recording, script, Options(granularity=g), kept=kept)
        for g in ("utterance", "word", "turn")
    }
    assert {g: len(t.utterances) for g, t in made.items()} == {"utterance": 2, "word": 3, "turn": 1}
    assert made["word"].settings["granularity"] == "word"
    assert {u.modalities for u in made["word"].utterances} == {("audio",)}
    assert made["word"].utterances[0].scores != made["word"].utterances[1].scores
    assert len([*(tmp_path / "kept").glob("heard-*.json")]) == 1
    with pytest.raises(ValueError, match="there are word, utterance, turn"):
        Options(granularity="syllable")
