"""A recording that is judged by other modalities is not decoded again, and nothing comes out otherwise."""

from pathlib import Path

import numpy as np
import pytest
from analyze_makers import make_checkpoint, make_talk
from timeline_makers import track

from affectline.analyze import Analyzer, Options
from affectline.analyze.kept import Kept
from affectline.features.remembered import Remembered
from affectline.features.video_faces import track_hash
from affectline.media import FileClip, pictures, sound
from affectline.types import Conversation, Modality, Span, Utterance, Word


@pytest.fixture(scope="module")
def analyzer(tmp_path_factory: pytest.TempPathFactory) -> Analyzer:
    return Analyzer.load(make_checkpoint(tmp_path_factory.mktemp("tiny")), device="cpu")


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_talk(tmp_path_factory.mktemp("talk") / "talk.mp4")


def _refuse(*_arguments: object) -> None:
    raise AssertionError("decoded again")


def test_other_modalities_are_judged_without_decoding(
    analyzer: Analyzer, recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = recording.with_name("talk.csv")
    script.write_text("speaker,start,end,text\nAda,0.1,0.9,Hello.\n,1.0,9,Oh no.\n")
    sound_alone = Options(modalities=(Modality.AUDIO,))
    fresh = analyzer.run(recording, script, sound_alone).to_json()
    whole = analyzer.run(recording, script, kept=Kept(tmp_path)).to_json()
    for module, name in ((sound, "decoded"), (pictures, "shown")):
        monkeypatch.setattr(module, name, _refuse)
    assert analyzer.run(recording, script, sound_alone, kept=Kept(tmp_path)).to_json() == fresh
    assert analyzer.run(recording, script, kept=Kept(tmp_path)).to_json() == whole
    assert fresh != whole


def test_what_depends_on_other_options_is_made_again(
    analyzer: Analyzer, recording: Path, tmp_path: Path
) -> None:
    options = Options(speakers=1, modalities=(Modality.AUDIO,))
    one = analyzer.run(recording, None, options, kept=Kept(tmp_path))
    script = recording.with_name("words.csv")
    script.write_text("speaker,start,end,text\nAda,0.1,0.9,Hello.\n")
    given = analyzer.run(recording, script, options, kept=Kept(tmp_path))
    assert [s.id for s in one.speakers] == ["S1"]
    assert [s.id for s in given.speakers] == ["Ada"]


def test_every_field_of_an_utterance_is_kept(recording: Path, tmp_path: Path) -> None:
    clip = FileClip(recording)
    span = Span(0.1, 0.8)
    utterance = Utterance(
        id="u0001",
        speaker="Zoë",
        text="Oh no.",
        text_source="recognised",
        words=(Word("Oh", Span(0.1, 1 / 3)), Word("no.")),
        clip=clip.window(span.start, span.duration),
        span=span,
        face=track([0.1, 1 / 3]),
        missing=frozenset({Modality.AUDIO}),
        warnings=("no face for 0.5 s",),
    )
    bare = Utterance(id="u0002", speaker="S2", missing=frozenset({"text", "audio", "video"}))
    whole = Conversation("talk", (utterance, bare), None, ("one voice",))
    store = Kept(tmp_path)
    assert store.conversation("heard", {"speakers": 2}, clip, lambda: whole) is whole
    found = Kept(tmp_path).conversation("heard", {"speakers": 2}, clip, lambda: pytest.fail("made again"))
    assert found.warnings == whole.warnings
    for was, now in zip(whole, found, strict=True):
        for name in ("id", "speaker", "text", "text_source", "words", "clip", "span", "missing", "warnings"):
            assert getattr(now, name) == getattr(was, name), name
    was, now = utterance.face, found.utterances[0].face
    assert was is not None
    assert now is not None
    assert (now.id, now.match, track_hash(now)) == (was.id, was.match, track_hash(was))


def test_a_damaged_file_is_made_again(recording: Path, tmp_path: Path) -> None:
    whole = Conversation("talk", (Utterance(id="u0001", speaker="S1"),))
    Kept(tmp_path).conversation("heard", {}, None, lambda: whole)
    (file,) = tmp_path.glob("heard-*.json")
    file.write_text(file.read_text()[:-9])
    assert Kept(tmp_path).conversation("heard", {}, None, lambda: whole) is whole
    assert Kept(tmp_path).conversation("heard", {}, None, lambda: pytest.fail("made again")) == whole


def test_features_are_remembered_over_processes_and_damage_is_absence(tmp_path: Path) -> None:
    memo = Remembered(tmp_path)
    memo.update({"a": np.arange(6).reshape(2, 3), "b": np.zeros((0, 4), np.uint8)})
    memo["c"] = np.ones(2, np.float32)
    again = Remembered(tmp_path)
    assert set(again) == {"a", "b", "c"}
    assert again["a"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert again["b"].shape == (0, 4)
    for shard in tmp_path.glob("*.safetensors"):
        shard.write_bytes(shard.read_bytes()[:-1])
    assert "a" not in again
