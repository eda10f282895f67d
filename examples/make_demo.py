"""Makes the demo conversation, `demo.mp4` and `demo.srt`: two friends, a lost dog, seven emotions.

    python examples/make_demo.py

Nobody in it exists: the faces are drawn (drawn_face.py) and the voices are espeak-ng's. Only this script
needs espeak-ng; the files it made are in the repository.
"""

import math
import subprocess
import tempfile
import wave
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from drawn_face import Expression, Moment, Person, Pose, draw
from jaxtyping import Float32, UInt8

HERE = Path(__file__).parent
RATE, FRAME_RATE = 22050, 25  # samples and pictures per second
HEIGHT, WIDTH = 360, 320  # of one half of the picture
GAP, LEAD, TAIL = 0.34, 0.5, 0.7  # seconds of silence between utterances, before the first, after the last

Sound = Float32[np.ndarray, " samples"]


@dataclass(frozen=True)
class Speaker:
    name: str
    person: Person
    voice: str  # of espeak-ng
    pitch: int


@dataclass(frozen=True)
class Line:
    """What one speaker says, and with which emotion."""

    speaker: str
    emotion: str
    text: str


SPEAKERS = (
    Speaker(
        "Ada",
        Person(
            skin=(146, 96, 68),
            lips=(128, 62, 60),
            hair=(38, 28, 26),
            iris=(62, 38, 24),
            shirt=(196, 140, 52),
            wall=(152, 168, 170),
            curls=True,
            seed=1,
        ),
        voice="en-us+f3",
        pitch=58,
    ),
    Speaker(
        "Ben",
        Person(
            skin=(236, 190, 164),
            lips=(186, 102, 98),
            hair=(104, 72, 46),
            iris=(70, 100, 120),
            shirt=(60, 86, 120),
            wall=(186, 172, 150),
            curls=False,
            seed=2,
        ),
        voice="en-gb+m3",
        pitch=38,
    ),
)

STORY = (
    Line("Ada", "neutral", "Hi Ben. I am at home now, so we can talk."),
    Line("Ben", "sadness", "Biscuit ran away last night. I miss him so much, I keep crying."),
    Line("Ada", "surprise", "What? Oh my God, I had no idea!"),
    Line("Ben", "anger", "Somebody left the gate open again. I am so angry, I hate it!"),
    Line("Ada", "fear", "I am scared. It is freezing, he could be in terrible danger."),
    Line("Ben", "disgust", "I even looked in the bins. Rotten fish, it was disgusting."),
    Line("Ada", "sadness", "I am so sorry, Ben. This is heartbreaking."),
    Line("Ben", "neutral", "The shelter opens at nine. I will call them then."),
    Line("Ada", "surprise", "Wait. Wow, I can't believe it! He is at my door!"),
    Line("Ben", "joy", "That is wonderful! I am so happy, thank you!"),
    Line("Ada", "disgust", "Yuck, he rolled in something gross. What a nasty smell."),
    Line("Ada", "joy", "Ha ha! I love this silly dog. What a great day!"),
)

FACES = {
    "neutral": Expression(),
    "joy": Expression(smile=1.0, brow=0.2, wide=0.5, jaw=0.3),
    "sadness": Expression(inner=0.9, smile=-0.7, eyes=-0.25, brow=-0.1),
    "anger": Expression(inner=-1.0, brow=-0.5, smile=-0.4, eyes=0.2, wrinkle=0.4),
    "surprise": Expression(brow=1.0, eyes=0.9, jaw=0.6, wide=-0.4),
    "fear": Expression(brow=0.7, inner=0.9, eyes=0.8, wide=0.6, smile=-0.3, jaw=0.2),
    "disgust": Expression(wrinkle=1.0, brow=-0.4, eyes=-0.4, smile=-0.5, inner=-0.4),
}

# How an emotion changes the voice: words per minute, steps of pitch.
PROSODY = {
    "neutral": (172, 0),
    "joy": (182, 18),
    "sadness": (152, -14),
    "anger": (188, 6),
    "surprise": (178, 24),
    "fear": (190, 16),
    "disgust": (162, -8),
}


def main() -> None:
    spoken = [_speak(line) for line in STORY]
    starts = LEAD + np.cumsum([0.0, *(len(s) / RATE + GAP for s in spoken[:-1])])
    starts = np.round(starts * FRAME_RATE) / FRAME_RATE
    duration = starts[-1] + len(spoken[-1]) / RATE + TAIL
    sound = np.zeros(round(duration * RATE), dtype=np.float32)
    for start, voice in zip(starts, spoken, strict=True):
        sound[round(start * RATE) :][: len(voice)] = voice
    spans = [(start, start + len(voice) / RATE) for start, voice in zip(starts, spoken, strict=True)]
    _write_subtitles(spans, HERE / "demo.srt")
    _write_video(sound, spans, HERE / "demo.mp4")


def _speak(line: Line) -> Sound:
    """A line in its speaker's voice, without the silence about it."""
    speaker = next(s for s in SPEAKERS if s.name == line.speaker)
    pace, higher = PROSODY[line.emotion]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "line.wav"
        command = ["espeak-ng", "-v", speaker.voice, "-s", str(pace), "-p", str(speaker.pitch + higher)]
        subprocess.run([*command, "-w", str(path), line.text], check=True)
        with wave.open(str(path)) as file:
            if file.getframerate() != RATE:
                raise ValueError(f"espeak-ng speaks at {file.getframerate()} Hz; set RATE to that")
            sound = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2") / np.float32(32768)
    loud = np.flatnonzero(np.abs(sound) > 0.01)
    sound = sound[loud[0] : loud[-1] + 1]
    return (0.5 * sound / np.abs(sound).max()).astype(np.float32)


def _write_subtitles(spans: list[tuple[float, float]], path: Path) -> None:
    blocks = [
        f"{n}\n{_clock(start)} --> {_clock(end)}\n{line.speaker}: {line.text}\n"
        for n, (line, (start, end)) in enumerate(zip(STORY, spans, strict=True), start=1)
    ]
    path.write_text("\n".join(blocks), encoding="utf-8")


def _clock(seconds: float) -> str:
    milliseconds = round(seconds * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest // 1000:02},{rest % 1000:03}"


def _write_video(sound: Sound, spans: list[tuple[float, float]], path: Path) -> None:
    count = round(len(sound) / RATE * FRAME_RATE)
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as file:
        picture = file.add_stream("libx264", FRAME_RATE, options={"crf": "27", "preset": "slow"})
        picture.width, picture.height, picture.pix_fmt = 2 * WIDTH, HEIGHT, "yuv420p"
        picture.codec_context.thread_count = 1  # the same file each time
        voice = file.add_stream("aac", RATE, bit_rate=40_000, layout="mono")
        for pictured in _pictures(sound, spans, count):
            file.mux(picture.encode(av.VideoFrame.from_ndarray(pictured, format="rgb24")))
        file.mux(picture.encode())
        heard = av.AudioFrame.from_ndarray(sound[None], format="fltp", layout="mono")
        heard.sample_rate, heard.pts, heard.time_base = RATE, 0, Fraction(1, RATE)
        file.mux(voice.encode(heard))
        file.mux(voice.encode())


def _pictures(
    sound: Sound, spans: list[tuple[float, float]], count: int
) -> Iterator[UInt8[np.ndarray, "height width 3"]]:
    """Both speakers side by side, one picture after the other."""
    times = np.arange(count) / FRAME_RATE
    acts = [_act(n, sound, spans, times) for n in range(len(SPEAKERS))]
    with ProcessPoolExecutor(max_workers=4) as pool:
        yield from pool.map(_picture, zip(*acts, strict=True), chunksize=16)


def _picture(moments: tuple[Moment, ...]) -> UInt8[np.ndarray, "height width 3"]:
    halves = [draw(s.person, m, (HEIGHT, WIDTH)) for s, m in zip(SPEAKERS, moments, strict=True)]
    return np.concatenate(halves, axis=1)


def _act(number: int, sound: Sound, spans: list[tuple[float, float]], times: np.ndarray) -> list[Moment]:
    """What one speaker's face does at each time: who does not speak listens, with half of the feeling."""
    name, random = SPEAKERS[number].name, np.random.default_rng(number + 10)
    energy = _energy(sound, times)
    blinks = np.cumsum(random.uniform(2.2, 4.5, size=40))
    face, act = Expression(), []
    for time, loud in zip(times, energy, strict=True):
        begun = [n for n, (start, _) in enumerate(spans) if start - 0.2 <= time]
        now = begun[-1] if begun else 0
        mine = STORY[now].speaker == name
        goal = FACES[STORY[now].emotion] if begun else Expression()
        face = face.towards(goal if mine else _listening(goal), 0.16)
        speaking = mine and spans[now][0] <= time <= spans[now][1]
        closed = float(np.clip(1.6 - np.abs(time - blinks).min() / 0.06, 0, 1))
        act.append(
            Moment(face, _sway(number, float(time), speaking), float(loud) if speaking else 0.0, closed)
        )
    return act


def _listening(face: Expression) -> Expression:
    calm = Expression().towards(face, 0.4)
    return Expression(brow=calm.brow, inner=calm.inner, eyes=calm.eyes, smile=calm.smile)


def _sway(number: int, time: float, speaking: bool) -> Pose:
    """Slow movements of the head that never repeat, a little more in speech."""
    swing = 1.0 if speaking else 0.5
    a, b, c = (math.sin(time * w + p + 2.1 * number) for w, p in ((0.83, 0.0), (0.57, 1.3), (1.31, 0.4)))
    return Pose(
        x=WIDTH / 2 + 4 * a,
        y=HEIGHT * 0.47 + 2 * b,
        scale=80 + b,
        roll=0.025 * a + 0.02 * swing * c,
        turn=(0.25 if number == 0 else -0.25) + 0.35 * swing * c,
    )


def _energy(sound: Sound, times: np.ndarray) -> Float32[np.ndarray, " time"]:
    """How loud the sound is at each time, 0 to 1, as a mouth could follow it."""
    half = RATE // FRAME_RATE
    padded = np.pad(sound, half)
    centres = np.round(times * RATE).astype(int) + half
    loud = np.array([np.sqrt(np.mean(padded[max(c - half, 0) : c + half] ** 2)) for c in centres])
    return np.clip(loud / np.quantile(loud, 0.97), 0, 1).astype(np.float32) ** 0.8


if __name__ == "__main__":
    main()
