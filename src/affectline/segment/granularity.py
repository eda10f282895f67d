"""What is judged of a conversation: each word, each utterance, or each turn of a speaker."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby

from affectline.types import Clip, Conversation, Span, Utterance, Word

GRANULARITIES = ("word", "utterance", "turn")


def regrouped(conversation: Conversation, recording: Clip | None, granularity: str) -> Conversation:
    """The conversation with an utterance for each word, or for all that one speaker says until another does.

    A word is called as its utterance and by its number ("u0003.2"); what has no words stays whole. A turn is
    called as the first utterance of it, and has the pauses in it. It is for conversations whose faces are yet
    to be found, as a face belongs to a stretch of the recording.

    Raises:
        ValueError: words are asked for whose times are not known, or lie outside of their utterance.
    """
    if granularity == "utterance":
        return conversation
    if granularity == "word":
        utterances = tuple(w for u in conversation for w in _words(u, recording))
    else:
        runs = groupby(conversation, key=lambda u: u.speaker)
        utterances = tuple(_turn(list(run), recording) for _, run in runs)
    return replace(conversation, utterances=utterances)


def _words(utterance: Utterance, recording: Clip | None) -> Iterator[Utterance]:
    if not utterance.text:
        yield utterance
        return
    if not utterance.words or utterance.span is None:
        raise ValueError(
            f"the granularity is word, and the times of the words of {utterance.id} are not known: have them "
            "recognised (asr), or give a transcript in JSON whose rows have words with start and end"
        )
    for n, word in enumerate(utterance.words, start=1):
        span = _within(word, utterance, utterance.span)
        yield replace(
            utterance,
            id=f"{utterance.id}.{n}",
            text=word.text,
            words=(replace(word, span=span),),
            span=span,
            clip=recording and recording.window(span.start, span.duration),
        )


def _within(word: Word, utterance: Utterance, span: Span) -> Span:
    """When the word is said, as far as that is in its utterance."""
    if word.span is None:
        raise ValueError(
            f"the granularity is word, and when {word.text!r} in {utterance.id} is said is not known; give "
            "its start and end in the transcript"
        )
    start, end = max(span.start, word.span.start), min(span.end, word.span.end)
    if start >= end:
        raise ValueError(
            f"the word {word.text!r} is said from {word.span.start:g} to {word.span.end:g} s, and its "
            f"utterance {utterance.id} from {span.start:g} to {span.end:g} s; correct the transcript"
        )
    return Span(start, end)


def _turn(said: Sequence[Utterance], recording: Clip | None) -> Utterance:
    first, texts = said[0], [u for u in said if u.text]
    if len(said) == 1:
        return first
    spans = [u.span for u in said if u.span is not None]
    span = Span(min(s.start for s in spans), max(s.end for s in spans)) if spans else None
    return replace(
        first,
        text=" ".join(u.text for u in texts if u.text) or None,
        text_source=texts[0].text_source if texts else "none",
        words=tuple(w for u in said for w in u.words),
        span=span,
        clip=recording.window(span.start, span.duration) if recording and span else None,
        missing=frozenset.intersection(*(u.missing for u in said)),
        warnings=tuple(dict.fromkeys(w for u in said for w in u.warnings)),
    )
