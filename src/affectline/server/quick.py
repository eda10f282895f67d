"""What the helper answers: timelines by fewer modalities, and streams."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from affectline.server.helper import Answer, Question

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import Float32, UInt8

    from affectline.analyze.live import Live
    from affectline.checkpoint import Checkpoint
    from affectline.types import Word

PIXELS = 4096 * 4096  # of a picture in a stream
AHEAD = 20.0  # seconds that a picture may be before the sound


@dataclass(frozen=True)
class Quick:
    """Makes what answers: `checkpoints` by name, as they are loaded by the workers."""

    checkpoints: dict[str, str]
    device: str = "auto"

    def __call__(self) -> Answer:
        return _Answers(self)


@dataclass(frozen=True)
class _Answers:
    of: Quick
    loaded: "dict[str, Checkpoint]" = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)
    live: "dict[str, Live]" = field(default_factory=dict)

    def __call__(self, question: Question, content: bytes) -> dict[str, Any]:
        match question["do"]:
            case "load":
                self.checkpoint(question["checkpoint"])
                return {}
            case "by modalities":
                return self.by_modalities(question)
            case "open" | "hear" | "see" | "say" | "end" | "leave":
                return self.streams(question, content)
            case _:
                raise ValueError(f"there is no answer to {question['do']!r}")

    def checkpoint(self, name: str) -> "Checkpoint":
        """One of those that the service has; loaded once."""
        from affectline import checkpoint
        from affectline.analyze import find_device

        with self.lock:
            if name not in self.loaded:
                self.loaded[name] = checkpoint.load(self.of.checkpoints[name], find_device(self.of.device))
            return self.loaded[name]

    def by_modalities(self, question: Question) -> dict[str, Any]:
        from affectline.analyze import modalities_of
        from affectline.analyze.subsets import by_modalities
        from affectline.checkpoint.seen import Seen
        from affectline.timeline import Timeline

        timeline = Timeline.from_json(question["timeline"])
        modalities = modalities_of(question["modalities"])
        seen, checkpoint = Seen.read(Path(question["seen"])), self.checkpoint(question["checkpoint"])
        return {"timeline": by_modalities(timeline, checkpoint, seen, modalities).to_json()}

    def streams(self, question: Question, content: bytes) -> dict[str, Any]:
        """Of a stream, which is opened first; `refused` says what is wrong with what a client sent."""
        stream = question["stream"]
        if question["do"] == "leave":
            self.live.pop(stream, None)
            return {}
        if question["do"] == "open":
            self.live[stream] = self.opened(question)
            return {}
        live = self.live[stream]
        try:
            match question["do"]:
                case "hear":
                    return {"utterances": live.hear(sound(content, question["format"]))}
                case "see":
                    _see(live, question["time"], content)
                case "say":
                    live.say(_words(question["words"]), question["speaker"])
                case _:
                    return {"utterances": live.end()}
        except WrongError as error:
            return {"refused": str(error)}
        return {}

    def opened(self, question: Question) -> "Live":
        from affectline.analyze import modalities_of
        from affectline.analyze.live import Live

        checkpoint = self.checkpoint(question["checkpoint"])
        modalities = modalities_of(question["modalities"])
        return Live(checkpoint, modalities, speaker=question["speaker"], wait=question["wait"])


class WrongError(ValueError):
    """What a client sent into a stream cannot be used."""


def sound(content: bytes, format: str) -> "Float32[np.ndarray, ' samples']":
    import numpy as np

    if format == "pcm16":
        return np.frombuffer(content, "<i2").astype(np.float32) / 32768
    found = np.frombuffer(content, "<f4")
    if not np.isfinite(found).all():
        raise WrongError("the sound holds a NaN or an infinity; samples are numbers from -1 to 1")
    return np.clip(found, -1, 1).astype(np.float32)


def _words(listed: Sequence[Mapping[str, Any]]) -> "list[Word]":
    from affectline.types import Span, Word

    try:
        return [Word(word["text"], Span(word["start"], word["end"])) for word in listed]
    except ValueError as error:
        raise WrongError(f"words: {error}") from error


def _see(live: "Live", time: float, content: bytes) -> None:
    """One of a time to come would have all others left out until then."""
    if time > live.seconds + AHEAD:
        heard = f"{live.seconds:g} s of sound came so far"
        raise WrongError(f"a picture is of {time:g} s, but {heard}: times are seconds since the beginning")
    live.see(time, picture(content))


def picture(content: bytes) -> "UInt8[np.ndarray, 'height width 3']":
    """The pixels of a JPEG or a PNG.

    Raises:
        WrongError: it is neither, damaged, or larger than 4096 x 4096.
    """
    import av
    from av.codec import CodecContext
    from av.error import FFmpegError

    kinds = {b"\xff\xd8\xff": "mjpeg", b"\x89PNG\r\n\x1a\n": "png"}
    kind = next((kind for magic, kind in kinds.items() if content.startswith(magic)), None)
    if kind is None:
        raise WrongError("the picture is neither a JPEG nor a PNG")
    codec: Any = CodecContext.create(kind, "r")
    codec.options = {"max_pixels": str(PIXELS)}
    try:
        frames = [*codec.decode(av.Packet(content)), *codec.decode(None)]
    except (FFmpegError, ValueError) as error:
        raise WrongError(f"the picture cannot be decoded; it has {PIXELS} pixels at most") from error
    if not frames:
        raise WrongError("the picture cannot be decoded")
    return frames[0].to_ndarray(format="rgb24")
