"""From a recording to its timeline, end to end."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import torch

from affectline import __version__, checkpoint, tracks
from affectline.analyze.kept import Kept
from affectline.analyze.recordings import is_transcript, sha256_of
from affectline.analyze.subsets import not_used
from affectline.checkpoint import Checkpoint
from affectline.checkpoint.seen import answered
from affectline.corrections import Edit, by_face, corrected
from affectline.faces import Tracked
from affectline.media import FileClip, Recording
from affectline.nn.mtcnn import MTCNN
from affectline.segment import FasterWhisper, transcribe
from affectline.segment.faces import attach_found, follow
from affectline.segment.granularity import GRANULARITIES, regrouped
from affectline.segment.speakers import Diariser, Pyannote, by_voice
from affectline.timeline import Source, Timeline
from affectline.types import Conversation, FaceTrack, Modality

Progress = Callable[[str, float], None]
"""Is told a stage (reading, speech, speakers, words, faces, emotions) and the share of it that is done."""

DIARIZATIONS = ("voice", "pyannote")


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a user may ask for in an analysis.

    `speakers`: how many there are, where the transcript does not name them; None: found by their voices.
    `language`: its ISO 639-1 code; None: detected. `modalities`: those that emotions are read from; who
    speaks when is always found by ear. `asr`: the faster-whisper model that recognises words where no
    transcript gives them; None: then there are no words. `diarization`: "voice", or "pyannote" (an extra).
    `granularity`: what is judged, as `affectline.segment.granularity` has it.

    Raises:
        ValueError: an option has a value that it cannot have.
    """

    speakers: int | None = None
    language: str | None = None
    modalities: tuple[Modality, ...] = tuple(Modality)
    asr: str | None = None
    diarization: str = "voice"
    granularity: str = "utterance"

    def __post_init__(self) -> None:
        if self.speakers is not None and self.speakers < 1:
            raise ValueError(
                f"speakers is {self.speakers}; a conversation has 1 or more; leave it out to have them found"
            )
        if not self.modalities or not set(self.modalities) <= set(Modality):
            known = ", ".join(Modality)
            raise ValueError(f"modalities are {list(map(str, self.modalities))}; give one or more of {known}")
        if self.language is not None and not (self.language[:2].isalpha() and self.language.isascii()):
            raise ValueError(f"language is {self.language!r}; give its ISO 639-1 code, such as en")
        if self.diarization not in DIARIZATIONS:
            raise ValueError(f"diarization is {self.diarization!r}; there are {', '.join(DIARIZATIONS)}")
        if self.granularity not in GRANULARITIES:
            known = ", ".join(GRANULARITIES)
            raise ValueError(f"granularity is {self.granularity!r}; there are {known}")

    def used(self, conversation: Conversation) -> Conversation:
        """Without the modalities that emotions are not read from."""
        unused = [m for m in Modality if m not in self.modalities]
        return conversation.without(*unused) if unused else conversation

    def settings(self, transcript: Path | None) -> dict[str, Any]:
        """What a timeline says of how it was made, and what must be equal for it to be made again."""
        return {
            "affectline": __version__,
            "transcript": None if transcript is None else sha256_of(transcript),
            "speakers": self.speakers,
            "language": self.language,
            "modalities": [str(m) for m in Modality if m in self.modalities],
            "asr": self.asr,
            "diarization": self.diarization,
            "granularity": self.granularity,
        }


@dataclass(frozen=True)
class Analyzer:
    """A checkpoint and a face detector, ready for any number of recordings.

    ```python
    timeline = Analyzer.load("base").analyze("talk.mp4", transcript="talk.srt")
    ```
    """

    checkpoint: Checkpoint
    detector: MTCNN

    @classmethod
    def load(cls, name: str | Path = "base", device: str = "auto") -> "Analyzer":
        """With an installed checkpoint, by name, or one in a folder. `device`: auto, cpu, cuda, cuda:1, mps.

        Raises:
            ValueError: there is no such checkpoint or device, or the checkpoint's files are damaged.
        """
        chosen = find_device(device)
        return cls(checkpoint.load(name, chosen), MTCNN.load().to(chosen))

    def analyze(
        self,
        recording: Path | str,
        transcript: Path | str | None = None,
        *,
        speakers: int | None = None,
        language: str | None = None,
        modalities: Sequence[str] | None = None,
        asr: str | None = None,
        diarization: str = "voice",
        granularity: str = "utterance",
        progress: Progress = lambda _stage, _share: None,
    ) -> Timeline:
        """The timeline of a recording, or of a transcript alone (SRT, WebVTT, JSON, CSV) given as one.

        Nothing is written; `Timeline.write`, `exports.export` and `report.write_html` do that. For the
        options see `Options`.

        Raises:
            ValueError: the recording, its transcript or an option cannot be used; the message says why.
            ImportError: an extra is missing; the message gives the command that installs it.
            OSError: a file cannot be read.
        """
        options = Options(
            speakers=speakers,
            language=language,
            modalities=tuple(Modality) if modalities is None else modalities_of(modalities),
            asr=asr,
            diarization=diarization,
            granularity=granularity,
        )
        return self.run(Path(recording), transcript and Path(transcript), options, progress)  # pyright: ignore

    def run(
        self,
        recording: Path,
        transcript: Path | None = None,
        options: Options = Options(),
        progress: Progress = lambda _stage, _share: None,
        kept: Kept | None = None,
    ) -> Timeline:
        """As `analyze`, with the options as one value.

        What is `kept` of this recording is not decoded again, and what it lacks is kept.
        """
        return self.judged(recording, transcript, options, progress, kept)[1]

    def judged(
        self,
        recording: Path,
        transcript: Path | None = None,
        options: Options = Options(),
        progress: Progress = lambda _stage, _share: None,
        kept: Kept | None = None,
        *,
        edits: Sequence[Edit] = (),
    ) -> tuple[Conversation, Timeline]:
        """The timeline, after the conversation that it was made of; with corrections, as they have it."""
        progress("reading", 0.0)
        clip = None if is_transcript(recording) else FileClip(recording)
        facts = None if clip is None else clip.recording
        sha256 = cache(partial(sha256_of, recording))  # of a long recording that takes seconds
        conversation = self._seen(
            recording, transcript, options, progress, clip=clip, kept=kept, sha256=sha256
        )
        faces = self._faces(clip, kept, progress) if clip and by_face(edits) else ()
        conversation = corrected(conversation, edits, clip, faces)
        conversation = options.used(conversation)
        progress("emotions", 0.0)
        predictions, seen = answered(
            self.checkpoint,
            conversation,
            memo=kept.features if kept else None,
            progress=partial(progress, "emotions"),
        )
        if kept and kept.seen and seen:
            seen.write(kept.seen)
        return conversation, Timeline.of(
            conversation,
            predictions,
            source=Source(str(recording), sha256(), facts.duration if facts else None),
            labels=self.checkpoint.labels.names,
            checkpoint={"name": self.checkpoint.name, "sha256": self.checkpoint.sha256},
            thresholds=self.checkpoint.thresholds_of(predictions),
            warnings=_warnings(conversation, facts, options.modalities),
            settings=options.settings(transcript),
        )

    def _seen(
        self,
        recording: Path,
        transcript: Path | None,
        options: Options,
        progress: Progress,
        *,
        clip: FileClip | None,
        kept: Kept | None,
        sha256: Callable[[], str],
    ) -> Conversation:
        """Who says what, when, and whose face it is where pictures are asked for."""
        words = _words_of(recording, transcript, options)
        recognised = options.asr if Modality.TEXT in options.modalities else None

        def heard() -> Conversation:
            return transcribe(
                clip,
                id=recording.stem,
                transcript=words,
                speakers=options.speakers,
                language=options.language,
                asr=_recogniser(recognised) if recognised else None,
                diarise=_diariser(options.diarization),
                progress=progress,
            )

        def with_faces() -> Conversation:
            assert clip is not None
            progress("faces", 0.0)
            return attach_found(conversation, clip, self._followed(clip, kept, progress))

        made_of: dict[str, Any] = {}
        if kept:
            changed = {"asr": recognised, "modalities": None, "granularity": None, "recording": sha256()}
            made_of = {**options.settings(words), **changed}
        conversation = kept.conversation("heard", made_of, clip, heard) if kept else heard()
        conversation = regrouped(conversation, clip, options.granularity)
        made_of = made_of and {**made_of, "granularity": options.granularity}
        if clip is None or not clip.has_video or Modality.VIDEO not in options.modalities:
            return conversation
        return kept.conversation("seen", made_of, clip, with_faces) if kept else with_faces()

    def _followed(self, clip: FileClip, kept: Kept | None, progress: Progress) -> list[Tracked]:
        found = follow(clip, self.detector, progress=lambda share: progress("faces", share))
        if kept:
            tracks.write(kept.faces, [face.track for face in found])
        return found

    def _faces(self, clip: FileClip, kept: Kept | None, progress: Progress) -> tuple[FaceTrack, ...]:
        """All of the recording: those that were kept, else found again."""
        known = tracks.read(kept.faces) if kept else None
        return tuple(f.track for f in self._followed(clip, kept, progress)) if known is None else known


def modalities_of(names: Sequence[str]) -> tuple[Modality, ...]:
    """The modalities of these names, in the library's order.

    Raises:
        ValueError: there is no such modality.
    """
    unknown = [name for name in names if name not in set(Modality)]
    if unknown:
        raise ValueError(f"there is no modality {unknown[0]!r}; give one or more of {', '.join(Modality)}")
    return tuple(m for m in Modality if m in names)


def find_device(name: str) -> torch.device:
    """The device of this name; "auto" is CUDA where it is there, else Apple's MPS, else the processor.

    Raises:
        ValueError: there is no such device here.
    """
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return torch.device(next(n for n in ("cuda", "mps", "cpu") if there[n]))
    kind, _, number = name.partition(":")
    usable = there.get(kind, False) and (number.isdigit() if number else name == kind)
    if not usable or (kind == "cuda" and number and int(number) >= torch.cuda.device_count()):
        here = ", ".join(["auto", *(n for n, yes in there.items() if yes)])
        raise ValueError(f"there is no device {name!r} here; there are {here}")
    return torch.device(name)


def _words_of(recording: Path, transcript: Path | None, options: Options) -> Path | None:
    """The transcript: the one that is given, or the recording where that is one itself."""
    if not is_transcript(recording):
        return transcript
    if transcript is not None:
        raise ValueError(
            f"{recording} is a transcript itself and cannot have the transcript {transcript}; "
            "give the sound or video file as the recording"
        )
    if Modality.TEXT not in options.modalities:
        raise ValueError(
            f"{recording} holds words alone and the modalities are {', '.join(options.modalities)}; add text"
        )
    return recording


def _warnings(
    conversation: Conversation, facts: Recording | None, modalities: Sequence[Modality]
) -> tuple[str, ...]:
    if facts is None:
        return ()
    told = any(warning.startswith("no sound") for warning in conversation.warnings)
    looked = facts.has_video and Modality.VIDEO in modalities
    seen = any(utterance.face is not None for utterance in conversation)
    return (
        *facts.warnings,
        *([] if facts.has_audio or told else ["no sound"]),
        *(["no face found in any utterance"] if looked and not seen else []),
        *not_used(modalities),
    )


@cache
def _recogniser(model: str) -> FasterWhisper:
    return FasterWhisper(model)


@cache
def _diariser(name: str) -> Diariser:
    return Pyannote() if name == "pyannote" else by_voice
