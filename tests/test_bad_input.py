"""What a user can get wrong (DESIGN.md 9): what the message says, what is left, and that the rest is done.

All the bad recordings go into one call, together with good ones.
"""

import errno
import os
import signal
import subprocess
import sys
import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from analyze_makers import make_checkpoint, make_csv, make_talk
from media_makers import make_sound, make_video
from voice_makers import RATE, voice

from affectline import files
from affectline.cli import main
from affectline.timeline import Timeline


def _cut(path: Path) -> None:
    whole = make_talk(path, 1.0).read_bytes()
    path.write_bytes(whole[: len(whole) // 2])


def _no_samples(path: Path) -> None:
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))


MAKE_BAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing.mp4": (lambda path: None, "no such file"),
    "folder": (lambda path: path.mkdir(), "no recording in this folder"),
    "empty.wav": (lambda path: path.touch(), "empty (0 bytes)"),
    "text.mp4": (lambda path: path.write_text("Dear Ada,\nhow are you?\n" * 40), "is not a recording"),
    "cut.mp4": (_cut, "breaks off"),
    "no_samples.wav": (_no_samples, "sound and picture"),
    "no_text.csv": (lambda path: make_csv(path, "Ada,hello", header="who,said"), "no column 'text'"),
    "negative.csv": (lambda path: make_csv(path, "Ada,-1,2,hello"), "line 2: start is -1"),
    "backwards.csv": (lambda path: make_csv(path, "Ada,3,2,hello"), "must end after its start"),
    "half.csv": (lambda path: make_csv(path, "Ada,1,,hello"), "both times or neither"),
    "long.csv": (
        lambda path: make_csv(path, *[f"Ada,{n},{n + 1},word" for n in range(100_000)], "Ada,9,8,word"),
        "line 100002",
    ),
    "latin.csv": (lambda path: path.write_bytes("speaker,text\nAda,Grüße\n".encode("latin-1")), "UTF-8"),
    "not_json.json": (lambda path: path.write_text("{"), "not JSON"),
    "no_rows.srt": (lambda path: path.write_text("\n"), "no rows"),
}
MAKE_GOOD: dict[str, Callable[[Path], object]] = {
    "a_talk.wav": lambda path: make_talk(path, 1.0),
    "no_sound.mp4": lambda path: make_video(path, seconds=1, rate=10),
    "silent.mp4": lambda path: make_video(path, seconds=1, rate=10, wave=np.zeros(48_000, np.float32)),
    "uneven.mkv": lambda path: make_video(path, times=[0, 0.1, 0.15, 0.6, 0.9], tone=300.0, seconds=1),
    "turned.mp4": lambda path: make_video(path, seconds=1, rate=10, rotation=90),
    "odd_rate.wav": lambda path: make_sound(path, seconds=0.5, rate=11_127),
    "eight.wav": lambda path: make_sound(path, seconds=0.5, rate=48_000, channels=8),
    "pixel.mkv": lambda path: make_video(
        path, seconds=0.5, rate=10, size=(1, 1), codec="ffv1", pixels="yuv444p"
    ),
    "wide.mp4": lambda path: make_video(path, seconds=0.2, rate=10, size=(3840, 2160)),
    "hdr.mkv": lambda path: make_video(path, seconds=0.5, rate=10, pixels="yuv420p10le"),
    "grüße 東京.wav": lambda path: make_talk(path, 1.0),
    "overlap.csv": lambda path: make_csv(path, "Ada,0,2,Well", "Ben,1,3,No!", "Ada,1,2,Yes"),
    "columns.csv": lambda path: make_csv(path, "Ada,hello,blue", header="speaker,text,mood"),
}
WARNED = {
    "no_sound.mp4": "no sound",
    "columns.csv": "columns not read: mood",
    "silent.mp4": "no speech found",
}
"""What the timelines of good recordings must warn of."""


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_checkpoint(tmp_path_factory.mktemp("checkpoints") / "tiny")


def _run(capfd: pytest.CaptureFixture[str], *words: object) -> tuple[int, str]:
    code = main([str(word) for word in words])
    return code, capfd.readouterr().err


class Batch:
    """One call over everything good and bad, and what it said."""

    def __init__(self, folder: Path, tiny: Path) -> None:
        self.folder, self.out = folder / "in", folder / "out"
        self.folder.mkdir()
        for name, (make, _) in MAKE_BAD.items():
            make(self.folder / name)
        for name, make_good in MAKE_GOOD.items():
            make_good(self.folder / name)
        names = sorted({*MAKE_BAD, *MAKE_GOOD})
        words = ["analyze", *(self.folder / n for n in names), "--checkpoint", tiny, "--out", self.out]
        environment = {
            **os.environ,
            "PYTHONIOENCODING": "ascii",
        }  # names that cannot be printed are no reason to stop
        ran = subprocess.run(
            [sys.executable, "-m", "affectline", *map(str, words)],
            capture_output=True, text=True, check=False, env=environment,
        )  # fmt: skip
        self.code, self.said = ran.returncode, ran.stderr


@pytest.fixture(scope="module")
def batch(tmp_path_factory: pytest.TempPathFactory, tiny: Path) -> Batch:
    return Batch(tmp_path_factory.mktemp("batch"), tiny)


@pytest.mark.parametrize("name", MAKE_BAD)
def test_what_is_bad_is_named_with_the_reason(batch: Batch, name: str) -> None:
    line = next(
        (row for row in batch.said.splitlines() if row.startswith("failed:") and f"/{name}:" in row), ""
    )
    assert MAKE_BAD[name][1] in line, batch.said
    assert not (batch.out / Path(name).stem).exists()


@pytest.mark.parametrize("name", MAKE_GOOD)
def test_what_is_odd_but_good_is_done_in_the_same_call(batch: Batch, name: str) -> None:
    made = Timeline.read(batch.out / Path(name).stem / "timeline.json")
    assert made.utterances
    assert WARNED.get(name, "") in " ".join(made.warnings)


def test_a_call_with_failures_ends_with_1_without_a_traceback_and_leaves_nothing_half_written(
    batch: Batch,
) -> None:
    assert batch.code == 1
    assert "Traceback" not in batch.said
    assert {p.name for p in batch.out.iterdir()} == {Path(name).stem for name in MAKE_GOOD}
    for folder in batch.out.iterdir():
        assert {p.name for p in folder.iterdir()} == {"timeline.json", "report.html"}


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("Ada,50,60,hello", "line 2: the row starts at 50 s and the recording is over at 1"),
        ("Ada,0.1,0.5,hello\nBen,,,hi", "line 3 has no times"),
        ("Ada,soon,0.5,hello", "line 2: start is 'soon'"),
    ],
    ids=["past the end", "some without times", "no time"],
)
def test_a_transcript_that_does_not_fit_its_recording_is_refused(
    tiny: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], row: str, said: str
) -> None:
    recording, script = make_talk(tmp_path / "talk.wav", 1.0), make_csv(tmp_path / "words.csv", row)
    out = tmp_path / "out"
    code, error = _run(
        capfd, "analyze", recording, "--transcript", script, "--checkpoint", tiny, "--out", out
    )
    assert code == 1
    assert said in error
    assert not out.exists()


def test_a_recording_that_breaks_off_is_used_as_far_as_it_goes(
    tiny: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "talk.mkv"
    whole = make_talk(path, 3.0).read_bytes()
    path.write_bytes(whole[: int(0.6 * len(whole))])
    code, error = _run(capfd, "analyze", path, "--checkpoint", tiny, "--out", tmp_path / "out")
    assert code == 0, error
    assert "breaks off" in error
    assert "breaks off" in " ".join(Timeline.read(tmp_path / "out" / "talk" / "timeline.json").warnings)


@pytest.mark.parametrize("harm", ["lost weights", "altered weights", "lost config", "damaged config"])
def test_a_damaged_checkpoint_is_refused_and_named(
    tiny: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], harm: str
) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in tiny.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    weights, config = copy / "model.safetensors", copy / "config.json"
    if harm == "lost weights":
        weights.unlink()
    elif harm == "altered weights":
        weights.write_bytes(weights.read_bytes()[:-1] + b"\1")
    elif harm == "lost config":
        config.unlink()
    else:
        config.write_text(config.read_text()[:50])
    code, error = _run(
        capfd, "analyze", make_talk(tmp_path / "a.wav", 1.0), "--checkpoint", copy, "--out", tmp_path / "out"
    )
    assert code == 1
    assert str(copy) in error
    assert "copy" in error.rsplit(":", maxsplit=1)[-1] or "neither" in error
    assert "Traceback" not in error
    assert not (tmp_path / "out").exists()


def test_a_full_disk_costs_the_recording_and_leaves_nothing_of_it(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("a.wav", "b.wav"):
        make_talk(folder / name, 1.0)
    sync, calls = os.fsync, []

    def full_once(file: int) -> None:
        calls.append(file)
        if len(calls) == 2:  # the second file of the first recording
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        sync(file)

    monkeypatch.setattr(files.os, "fsync", full_once)
    code, error = _run(capfd, "analyze", folder, "--checkpoint", tiny, "--out", tmp_path / "out")
    assert code == 1
    assert "No space left on device" in error
    assert "make room, or choose another disk with --out" in error
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"b"}


def test_a_folder_that_may_not_be_written_is_named(
    tiny: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "out").write_text("a file is in the way")
    code, error = _run(
        capfd, "analyze", make_talk(tmp_path / "a.wav", 1.0), "--checkpoint", tiny, "--out", tmp_path / "out"
    )
    assert code == 1
    assert f"{tmp_path / 'out'}" in error
    assert "Traceback" not in error


def test_ctrl_c_keeps_what_is_done_and_leaves_nothing_half_written(tiny: Path, tmp_path: Path) -> None:
    first = make_talk(tmp_path / "a.wav", 1.0)
    second = make_sound(tmp_path / "b.wav", rate=RATE, wave=np.tile(voice(10.0), 60))
    words = [sys.executable, "-m", "affectline", "analyze", first, second, "--checkpoint", tiny]
    process = subprocess.Popen(
        [*map(str, words), "--out", str(tmp_path / "out")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # what a shell starts in the background ignores the signal, and so would all that it starts
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("[2/2]"):
            process.send_signal(signal.SIGINT)
            break
    rest = process.stderr.read()
    assert process.wait(timeout=60) == 130
    process.stderr.close()
    assert process.stdout is not None
    process.stdout.close()
    assert "Traceback" not in rest
    assert "interrupted: 1 of 2 done" in rest
    assert "--resume" in rest
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["a"]
    assert Timeline.read(tmp_path / "out" / "a" / "timeline.json").utterances
