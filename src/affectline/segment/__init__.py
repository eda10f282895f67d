"""From a recording, a transcript or both to a Conversation: who speaks when, and which words.

`transcribe` does the whole job; `faces.attach` then gives each utterance the face of its speaker.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from affectline.segment import language as languages
from affectline.segment import voice
from affectline.segment.align import lay
from affectline.segment.asr import FasterWhisper, Recogniser, recognise
from affectline.segment.speakers import Diariser, Turn, by_voice, speaker_of
from affectline.segment.speech import Speech, cut, detect
from affectline.segment.transcript import Row, Transcript, TranscriptError, read
from affectline.types import Clip, Conversation, Modality, Span, Utterance

__all__ = ["FasterWhisper", "Recogniser", "TranscriptError", "conversation_of", "transcribe"]

UNKNOWN = "unknown"
"""The speaker of a row that has none, in a transcript that names others."""

NO_SPEECH = "no speech found, so the sound is not judged"

WINDOW = 5.0  # seconds of an utterance where no speech says where one ends

Progress = Callable[[str, float], None]


def transcribe(
    recording: Clip | None,
    *,
    id: str,
    transcript: Path | None = None,
    speakers: int | None = None,
    language: str | None = None,
    asr: Recogniser | None = None,
    diarise: Diariser = by_voice,
    progress: Progress = lambda stage, done: None,
) -> Conversation:
    """The utterances of a recording, each with its speaker, its stretch of the recording and its words.

    Words come from the transcript, else from `asr`, else there are none. Rows without times are laid over
    the speech and warned of as "approximate_times"; one such row is the whole recording. Speakers come from
    the transcript, else from the voices: S1, S2 ... in order of appearance. Where no speech is found the
    sound is missing, as nothing in it can be judged by how it is said; without a transcript the recording
    is then cut every 5 s. The conversation's warnings say either.

    Args:
        recording: None where there are only words, which the transcript must then give.
        id: the name of the conversation.
        transcript: SRT, WebVTT, JSON or CSV; see `affectline.segment.transcript`.
        speakers: how many there are, where the transcript does not name them; estimated where None.
        language: its ISO 639-1 code; where None it is detected, and warned of if the checkpoint does not
            know it.
        asr: what recognises words where no transcript gives them, such as `FasterWhisper()`.
        diarise: who speaks when, by `by_voice` here or by `Pyannote(token=...)`.
        progress: is told a stage ("speech", "speakers", "words") and the share of it that is done.

    Raises:
        TranscriptError: the transcript cannot be read, or does not fit the recording.
        ValueError: neither recording nor transcript, or a number of speakers below one.
    """
    if speakers is not None and speakers < 1:
        raise ValueError(f"speakers={speakers}; a conversation has at least one, or None to estimate it")
    script = None if transcript is None else read(transcript)
    if recording is None:
        if script is None:
            raise ValueError("there is neither a recording nor a transcript; give at least one of them")
        return conversation_of(script, id=id, language=language)
    progress("speech", 0.0)
    speech = detect(recording)
    progress("speakers", 0.0)
    turns = () if script and script.named else diarise(recording, speech, speakers)
    progress("words", 0.0)
    if script:
        rows, notes = _named(_timed(script, speech, recording.duration), turns), _notes(script)
        notes += (NO_SPEECH,) if recording.has_audio and not speech.spans else ()
    else:
        rows, notes = _spoken(recording, speech, turns)
        if asr and speech.spans:
            rows, language = _recognised(rows, recording, asr, language)
    progress("words", 1.0)
    if turns and speakers is None:
        count = len({r.speaker for r in rows})
        told = "only one voice was heard" if count == 1 else f"{count} voices were told apart"
        notes += (f"speakers: {told}; if wrong, say how many",)
    if turns and speakers != 1 and diarise is by_voice and voice.weights() is None:
        notes += (f"speakers: told apart by their spectra alone; better after {voice.INSTALL}",)
    words = " ".join(row.text for row in rows if row.text)
    notes += languages.warnings_for(words, given=language) if words else ()
    source = "given" if script else "recognised"
    return Conversation(
        id, tuple(_heard(u, speech) for u in _utterances(rows, recording, source)), None, notes
    )


def conversation_of(script: Transcript, *, id: str, language: str | None = None) -> Conversation:
    """A conversation of words alone, with times or without; sound and picture are missing."""
    notes = _notes(script) + languages.warnings_for(script.text, given=language)
    if not script.named:
        notes = ("speakers: the transcript names none; all is taken as said by one", *notes)
    rows = sorted(script.rows, key=lambda r: (r.start or 0.0, r.end or 0.0))
    rows = _named(rows, ())
    return Conversation(id, _utterances(rows, None, "given"), None, notes)


def _notes(script: Transcript) -> tuple[str, ...]:
    return (f"transcript: columns not read: {', '.join(script.ignored)}",) if script.ignored else ()


def _timed(script: Transcript, speech: Speech, duration: float) -> list[Row]:
    """The rows in the order they are spoken, each within the recording."""
    if script.timed:
        rows = [_within(row, duration) for row in script.rows]
        return sorted(rows, key=lambda row: (row.start, row.end))
    if len(script.rows) == 1:
        return [replace(script.rows[0], start=0.0, end=duration)]
    warnings = ("approximate_times",) if speech.spans else ("approximate_times", "no speech found")
    spans = lay([row.text or "" for row in script.rows], speech.spans or (Span(0.0, duration),))
    return [
        replace(row, start=span.start, end=span.end, warnings=warnings)
        for row, span in zip(script.rows, spans, strict=True)
    ]


def _within(row: Row, duration: float) -> Row:
    assert row.start is not None
    assert row.end is not None
    if row.start >= duration:
        raise TranscriptError(
            f"{row.place}: the row starts at {row.start:g} s and the recording is over at {duration:g} s;"
            " is this the transcript of another recording? Else remove the row"
        )
    if row.end <= duration:
        return row
    # subtitles often stay a moment longer than the recording: that is no reader's business
    late = (f"its end, {row.end:g} s, is past the recording's",) if row.end > duration + 0.5 else ()
    return replace(row, end=duration, warnings=row.warnings + late)


def _named(rows: Sequence[Row], turns: Sequence[Turn]) -> list[Row]:
    """Every row with a speaker: the transcript's, the voice's, or, where some have names, "unknown"."""
    if any(row.speaker for row in rows):
        return [
            row
            if row.speaker
            else replace(row, speaker=UNKNOWN, warnings=(*row.warnings, "speaker not named"))
            for row in rows
        ]
    found = [speaker_of(Span(row.start or 0.0, row.end or 1.0), turns) if turns else "S1" for row in rows]
    order = {name: f"S{n}" for n, name in enumerate(dict.fromkeys(found), start=1)}
    return [replace(row, speaker=order[name]) for row, name in zip(rows, found, strict=True)]


def _spoken(recording: Clip, speech: Speech, turns: Sequence[Turn]) -> tuple[list[Row], tuple[str, ...]]:
    """Rows without words: one for each stretch in which one speaker speaks, or every 5 s."""
    if not speech.spans:
        what = NO_SPEECH if recording.has_audio else "no sound"
        windows = _windows(recording.duration)
        return [Row("S1", s.start, s.end, None) for s in windows], (f"{what}: cut every {WINDOW:g} s",)
    order = {name: f"S{n}" for n, name in enumerate(dict.fromkeys(t.speaker for t in turns), start=1)}
    rows = [
        Row(order[name], span.start, span.end, None)
        for name in order
        for span in cut([t.span for t in turns if t.speaker == name], speech.probability)
    ]
    return sorted(rows, key=lambda row: (row.start, row.end)), ()


def _windows(duration: float) -> list[Span]:
    """Every 5 s; a rest of less than a second belongs to the window before it."""
    count = max(1, int((duration + WINDOW - 1.0) // WINDOW))
    return [Span(n * WINDOW, duration if n + 1 == count else (n + 1) * WINDOW) for n in range(count)]


def _recognised(
    rows: Sequence[Row], recording: Clip, asr: Recogniser, language: str | None
) -> tuple[list[Row], str | None]:
    spans = [Span(row.start or 0.0, row.end or 0.0) for row in rows]
    words, language = recognise(recording, spans, asr, language)
    return [
        replace(row, words=found, text=" ".join(word.text for word in found) or None)
        for row, found in zip(rows, words, strict=True)
    ], language


def _utterances(rows: Sequence[Row], recording: Clip | None, source: str) -> tuple[Utterance, ...]:
    return tuple(_utterance(n, row, recording, source) for n, row in enumerate(rows))


def _heard(utterance: Utterance, speech: Speech) -> Utterance:
    """Without its sound, where nobody is heard in the whole recording."""
    return utterance if speech.spans else replace(utterance, missing=utterance.missing | {Modality.AUDIO})


def _utterance(index: int, row: Row, recording: Clip | None, source: str) -> Utterance:
    assert row.speaker is not None
    span = None if row.start is None or row.end is None else Span(row.start, row.end)
    clip = recording.window(span.start, span.duration) if recording and span else None
    has = {
        "text": row.text is not None,
        "audio": clip is not None and clip.has_audio,
        "video": clip is not None and clip.has_video,
    }
    return Utterance(
        id=f"u{index + 1:04}",
        speaker=row.speaker,
        text=row.text,
        text_source=source if row.text else "none",
        words=row.words,
        clip=clip,
        span=span,
        missing=frozenset(name for name, there in has.items() if not there),
        warnings=row.warnings,
    )
