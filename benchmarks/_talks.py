"""Long recordings made of short clips: MOSI's, joined into one file with their words as its transcript."""

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

SIZE, RATE, SOUND = (640, 360), 30, 44_100


@dataclass(frozen=True)
class Spoken:
    """An utterance of MOSI that has a clip."""

    id: str
    video: str
    text: str
    sentiment: float
    clip: Path


def spoken(data: Path) -> list[Spoken]:
    """The utterances that have clips, in the order of the file."""
    with (data / "mosi" / "utterances.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["has_clip"] == "1"]
    return [
        Spoken(
            row["utterance_id"],
            row["video_id"],
            row["text"],
            float(row["sentiment"]),
            data / "mosi" / "clips" / f"{row['utterance_id']}.mp4",
        )
        for row in rows
    ]


def write_words(path: Path, rows: Sequence[Mapping[str, object]]) -> Path:
    """A JSON transcript."""
    path.write_text(json.dumps(rows), encoding="utf-8")
    return path


def join(utterances: list[Spoken], seconds: float, folder: Path) -> tuple[Path, Path]:
    """A recording of at least so many seconds, of these clips over and over, and its transcript with times.

    640 x 360, 30 pictures a second, encoded anew: what the clips say at their ends does not matter then.
    """
    recording, now, number = folder / f"joined_{seconds:.0f}.mp4", 0.0, 0
    rows: list[dict[str, object]] = []
    with av.open(str(recording), "w") as file:
        picture = file.add_stream("libx264", rate=RATE, options={"preset": "ultrafast", "crf": "23"})
        picture.width, picture.height = SIZE
        picture.pix_fmt = "yuv420p"
        sound = file.add_stream("aac", rate=SOUND, layout="mono")
        while now < seconds:
            one = utterances[number % len(utterances)]
            pictures, wave = decoded(one.clip)
            start = now
            count = min(len(pictures), int(len(wave) / SOUND * RATE))
            for n, frame in enumerate(pictures[:count]):
                frame.pts, frame.time_base = round(start * RATE) + n, Fraction(1, RATE)
                file.mux(picture.encode(frame))
            for frame in _sound_frames(wave[: count * SOUND // RATE], round(start * SOUND)):
                file.mux(sound.encode(frame))
            now = start + count / RATE
            rows.append({"speaker": one.video, "start": start, "end": now, "text": one.text})
            number += 1
        file.mux(picture.encode(None))
        file.mux(sound.encode(None))
    return recording, write_words(folder / f"joined_{seconds:.0f}.json", rows)


def decoded(clip: Path) -> tuple[list[av.VideoFrame], np.ndarray]:
    """The pictures and the sound of a clip in the size and at the rates of the whole."""
    convert = av.AudioResampler(format="flt", layout="mono", rate=SOUND)
    pictures, sound = [], []
    with av.open(str(clip)) as file:
        for frame in file.decode(video=0, audio=0):
            if isinstance(frame, av.VideoFrame):
                pictures.append(frame.reformat(*SIZE, format="yuv420p"))
            elif isinstance(frame, av.AudioFrame):
                sound += [made.to_ndarray()[0] for made in convert.resample(frame)]
    return pictures, np.concatenate(sound)


def _sound_frames(wave: np.ndarray, start: int) -> Iterator[av.AudioFrame]:
    for at in range(0, len(wave), 1024):
        frame = av.AudioFrame.from_ndarray(wave[None, at : at + 1024], format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = SOUND, start + at, Fraction(1, SOUND)
        yield frame
