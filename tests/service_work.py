"""Work that is quick and does as the recording says; what a worker's process imports."""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from timeline_makers import talk

from affectline import tracks
from affectline.corrections import Edit, corrected
from affectline.server.helper import Answer, Question
from affectline.server.worker import Report, Task, Work
from affectline.timeline import Entry, Speaker, Timeline, face_of
from affectline.types import Conversation, FaceTrack, Modality, Utterance


@dataclass(frozen=True)
class Fake:
    """Makes work that does what the recording says: "sleep 2", "crash", "crash once", "hang", "talk 60 1" ...

    `seconds`: that any other recording takes.
    """

    seconds: float = 0.0

    def __call__(self) -> Work:
        return self.do

    def do(self, task: Task, report: Report) -> None:
        said = Path(task["recording"]).read_bytes()[:200].decode("latin-1").split()
        word, rest = (said or [""])[0], said[1:]
        folder = Path(task["folder"])
        match word:
            case "sleep":
                wait(report, float(rest[0]))
            case "hang":  # and hears nothing
                time.sleep(60)
            case "crash":
                once = folder.parent / "crashed"
                folder.parent.mkdir(exist_ok=True)
                if not rest or not once.exists():
                    once.touch()
                    os._exit(1)
            case "fail":
                raise ValueError(f"{task['recording']}: is text, not a recording")
            case "stumble":
                raise KeyError("/etc/secret")
            case "eat":
                held = bytearray(300_000_000)
                wait(report, 20.0 + held[0])
            case _:
                wait(report, self.seconds)
        timeline = talk(3, timed=word != "untimed", path=task["recording"])
        if word == "talk":  # "talk 60 1": so many utterances of such a seed
            timeline = by(task["options"]["checkpoint"], int(rest[0]), int(rest[1]), task["recording"])
        timeline.write(folder / "timeline.json")


def by(checkpoint: str, size: int, seed: int, path: str) -> Timeline:
    """A talk whose every third utterance checkpoints other than base call fear, and nothing else."""
    timeline = talk(size, seed=seed, path=path)
    entries = timeline.utterances
    if checkpoint != "base":
        entries = tuple(
            replace(u, emotions=("fear",), abstained=False) if n % 3 == 0 else u
            for n, u in enumerate(entries)
        )
    source = replace(timeline.source, sha256=f"{seed % 10}" * 64)
    named = {"name": checkpoint, "sha256": None}
    return replace(timeline, utterances=entries, source=source, checkpoint=named)


@dataclass(frozen=True)
class FakeStudio:
    """Makes what answers those who look: a score follows from the words and the modalities."""

    def __call__(self) -> Answer:
        return answer


@dataclass(frozen=True)
class FakeBlurring:
    """Makes what blurs: the copy says so, and a recording may say that it takes long or cannot be."""

    def __call__(self) -> Answer:
        return blurred


def blurred(question: Question, content: bytes) -> dict[str, Any]:
    if question["do"] == "share":
        return {"share": 0.25}
    path, out = Path(question["recording"]), Path(question["out"])
    out.write_bytes(b"half of it: " + path.read_bytes())
    if b"slowly" in path.read_bytes():
        time.sleep(60)
    if b"faceless" in path.read_bytes():
        raise ValueError(f"{path}: there are no pictures in it")
    with (out.parents[2] / "made").open("a") as file:
        file.write("one\n")
    out.write_bytes(b"blurred: " + path.read_bytes())
    return {}


def answer(question: Question, content: bytes) -> dict[str, Any]:
    if question["do"] == "load":
        return {}
    if question["do"] == "how far":
        return {"stage": "words", "share": 0.5}
    if question["do"] == "why":
        return {"explanations": [], "notes": ["nothing to explain"]}
    whole = Timeline.read(Path(question["folder"]) / "timeline.json")
    faces = tracks.read(Path(question["kept"]) / tracks.NAME) or ()
    asked_again(whole, question["edits"], question["modalities"], faces).write(question["out"])
    return {}


def asked_again(
    timeline: Timeline, edits: Sequence[Edit], modalities: Sequence[str], faces: Sequence[FaceTrack]
) -> Timeline:
    talk = corrected(Conversation("talk", tuple(map(_utterance, timeline.utterances))), edits, None, faces)
    by_hand = {id for edit in edits if edit["kind"] == "face" for id in edit["utterances"]}
    if any(u.text == "crash" for u in talk):
        os._exit(1)
    of = {u.id: u for u in timeline.utterances}
    entries = tuple(_judged(of[u.id], u, [Modality(m) for m in modalities]) for u in talk)
    entries = tuple(
        replace(e, face=u.face and face_of(u.face, u.span)) if u.id in by_hand else e
        for e, u in zip(entries, talk, strict=True)
    )
    return replace(timeline, speakers=tuple(map(Speaker, talk.speakers)), utterances=entries)


def _utterance(entry: Entry) -> Utterance:
    plain = {
        n: getattr(entry, n) for n in ("id", "speaker", "text", "text_source", "words", "span", "warnings")
    }
    return Utterance(**plain)


def _judged(entry: Entry, u: Utterance, modalities: Sequence[Modality]) -> Entry:
    score = len(f"{u.text}{modalities}") % 100 / 100
    plain = {n: getattr(u, n) for n in ("speaker", "text", "text_source", "words", "span", "warnings")}
    return replace(entry, **plain, modalities=tuple(modalities), scores={**entry.scores, "joy": score})


def wait(report: Report, seconds: float) -> None:
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        report("faces", 1 - left / seconds)
        time.sleep(min(left, 0.02))
