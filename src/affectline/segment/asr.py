"""Words from sound, by faster-whisper (extra `asr`)."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from affectline.segment.speech import RATE
from affectline.types import Clip, Span, Waveform, Word

LONGEST = 28.0  # seconds given at once: Whisper hears 30
NEEDS = 'recognising words needs faster-whisper: pip install "affectline[asr]"'
AROUND = 0.2  # seconds of sound before and after the speech, so that no word is cut


@dataclass(frozen=True)
class Recognised:
    """Words with times from the start of the sound that was heard, and the language they are in."""

    words: tuple[Word, ...]
    language: str
    probability: float


Recogniser = Callable[[Waveform, str | None], Recognised]
"""Gives the words of up to half a minute of sound at 16 kHz; the language is detected where it is None."""


@dataclass(frozen=True)
class FasterWhisper:
    """Whisper on CTranslate2. `model`: a size such as "small", a name on the hub, or the folder of one."""

    model: str = "small"
    device: str = "auto"
    compute_type: str = "default"

    def __call__(self, waveform: Waveform, language: str | None) -> Recognised:
        segments, info = self.whisper.transcribe(
            waveform,
            language=language,
            word_timestamps=True,
            vad_filter=False,  # the sound is already cut at its pauses
            condition_on_previous_text=False,  # one stretch must not repeat the errors of another
        )
        return Recognised(tuple(words_of(segments)), info.language, info.language_probability)

    @cached_property
    def whisper(self) -> Any:
        """The model, loaded when it is first needed."""
        try:
            from faster_whisper import WhisperModel
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(f"{NEEDS}; or give a transcript with --transcript") from error
        return WhisperModel(self.model, device=self.device, compute_type=self.compute_type)


def fetch(model: str) -> Path:
    """The folder of a model's weights, which are fetched from the hub where they are not here yet.

    Raises:
        ValueError: there is no such model, or it is not here and the hub cannot be reached.
    """
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        from faster_whisper import download_model
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(NEEDS) from error
    try:
        return Path(download_model(model))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise ValueError(f"Whisper's weights {model!r} could not be fetched ({error})") from error


def words_of(segments: Iterator[Any] | Sequence[Any]) -> Iterator[Word]:
    """Whisper's segments as words; its words of no length, and empty ones, get no span or are left out."""
    for segment in segments:
        for word in segment.words or ():
            if text := word.word.strip():
                yield Word(text, Span(word.start, word.end) if 0 <= word.start < word.end else None)


def recognise(
    recording: Clip, spans: Sequence[Span], recogniser: Recogniser, language: str | None = None
) -> tuple[list[tuple[Word, ...]], str | None]:
    """The words of each span, with times of the recording, and the language.

    Neighbouring spans are heard together, up to 28 s at once; a word belongs to the span that it shares
    most time with. Where no language is given, the first stretch that is sure of one (p >= 0.5) decides.
    """
    words: list[list[Word]] = [[] for _ in spans]
    for first, last in _stretches(spans):
        start = max(0.0, spans[first].start - AROUND)
        end = min(recording.duration, max(span.end for span in spans[first:last]) + AROUND)
        heard = recogniser(recording.window(start, end - start).waveform(RATE), language)
        if language is None and heard.probability >= 0.5 and heard.words:
            language = heard.language
        at = first
        for word in heard.words:
            if word.span is not None:
                span = Span(start + word.span.start, min(start + word.span.end, recording.duration))
                at = max(range(first, last), key=lambda n, s=span: _nearness(s, spans[n]))
                word = replace(word, span=span)  # noqa: PLW2901
            words[at].append(word)  # a word without a time stays with the one before
    return [tuple(found) for found in words], language


def _stretches(spans: Sequence[Span]) -> Iterator[tuple[int, int]]:
    first = 0
    for n in range(1, len(spans) + 1):
        if n == len(spans) or spans[n].end - spans[first].start > LONGEST:
            yield first, n
            first = n


def _nearness(word: Span, span: Span) -> tuple[float, float]:
    return word.overlap(span), -abs((word.start + word.end) - (span.start + span.end))
