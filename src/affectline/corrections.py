"""What a person corrects in an analysis, as a list of edits from which everything else follows.

An edit is a JSON object with a `kind`:

    {"kind": "text", "utterance": "u0003", "text": "I see."}                what was said
    {"kind": "times", "utterance": "u0003", "start": 1.5, "end": 2.25}      when, in seconds of the recording
    {"kind": "speaker", "utterances": ["u0003"], "speaker": "Cleo"}         by whom, who may be new (a split)
    {"kind": "face", "utterances": ["u0003"], "face": "F2"}                 whose face it is; null: nobody's
    {"kind": "merge", "speaker": "Ben", "into": "Ada"}                      two speakers are one
    {"kind": "rename", "speaker": "Ada", "name": "Ada Byron"}               what a speaker is called
    {"kind": "label", "utterance": "u0003", "emotions": ["joy"]}            what it shows; null: the model's

The first five change what a model is asked, so that it is asked again; the last two change what is shown.
Nothing is ever changed in place: a list with its last edit left out gives what was there before.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from affectline.checked import NULL, take, texts
from affectline.timeline import Entry, Speaker, Timeline
from affectline.types import Clip, Conversation, FaceTrack, Span, Utterance

Edit = Mapping[str, Any]

HEARD = ("text", "times", "face")
"""Kinds that change what there is to see and hear of an utterance."""
JUDGED = (*HEARD, "speaker", "merge")
"""Kinds after which a model is asked again."""
KINDS = (*JUDGED, "rename", "label")
LONGEST = {"text": 10_000, "name": 100}  # characters
BY_HAND = {"text": "words corrected by hand", "times": "times corrected by hand"}
SPEAKER = "speaker corrected by hand"
FACE, FACELESS = "face chosen by hand", "no face is the speaker's, by hand"
OF_FACES = ("no face found", "no face for ")
"""What begins the warnings of the face that was chosen before."""
LABELLED = "emotions named by hand"


def asks_again(edits: Sequence[Edit]) -> list[Edit]:
    """Those that change what the model is asked."""
    return [edit for edit in edits if edit["kind"] in JUDGED]


def by_face(edits: Sequence[Edit]) -> bool:
    """Whether faces of the recording must be known to follow the edits."""
    return any(edit["kind"] == "face" for edit in edits)


def checked(edit: Any, timeline: Timeline, faces: Sequence[FaceTrack] = ()) -> dict[str, Any]:
    """The edit with nothing but what its kind has, fit to be applied to a timeline as it is now.

    `faces`: all of the recording. An edit of a face may name a "speaker" in place of utterances: it is then
    of all of theirs in which the face is seen.

    Raises:
        ValueError: it has no known kind, lacks something, or names what is not there.
    """
    kind = take(edit, "kind", str, "a correction")
    if kind not in KINDS:
        raise ValueError(f"there is no correction {kind!r}; there are {', '.join(KINDS)}")
    if kind == "face":
        return {"kind": kind, **_face(edit, timeline, faces)}
    return {"kind": kind, **_CHECKS[kind](edit, timeline)}


def _face(edit: Edit, timeline: Timeline, faces: Sequence[FaceTrack]) -> dict[str, Any]:
    what = "a correction of faces"
    id = take(edit, "face", (str, NULL), what)
    track = next((t for t in faces if t.id == id), None)
    if id is not None and track is None:
        there = ", ".join(t.id for t in faces) or "none, as no pictures were read"
        raise ValueError(f"there is no face {id!r:.80}; the recording has {there}")
    if "speaker" in edit:
        speaker = _known_speaker(edit, "speaker", timeline)
        entries = [u for u in timeline.utterances if u.speaker == speaker and shows(track, u.span)]
    else:
        ids = texts(edit, "utterances", what)
        entries = [u for u in timeline.utterances if u.id in ids]
        if not ids or len(entries) < len({*ids}):
            raise ValueError(f"{what} names utterances that are there, got {list(ids)!r:.80}")
    unseen = [u.id for u in entries if not shows(track, u.span)]
    if unseen or not entries:
        raise ValueError(f"the face {id} is not seen in {', '.join(unseen[:3]) or 'any of them'}")
    return {"utterances": sorted(u.id for u in entries), "face": id}


def shows(track: FaceTrack | None, span: Span | None) -> bool:
    """Whether a face is seen in a stretch; None, which stands for no face, may be said of any."""
    return track is None or (span is not None and len(track.window(span.start, span.duration).times) > 0)


def _text(edit: Edit, timeline: Timeline) -> dict[str, Any]:
    text = take(edit, "text", (str, NULL), "a correction of words")
    if len(text or "") > LONGEST["text"]:
        raise ValueError(f"the words of an utterance are {LONGEST['text']} characters at most")
    if any("\ud800" <= character <= "\udfff" for character in text or ""):
        raise ValueError("the words hold half a character (a lone surrogate); leave it out")
    return {"utterance": _entry(edit, timeline).id, "text": " ".join(text.split()) or None if text else None}


def _times(edit: Edit, timeline: Timeline) -> dict[str, Any]:
    entry = _entry(edit, timeline)
    start, end = (
        round(float(take(edit, name, float, "a correction of times")), 3) for name in ("start", "end")
    )
    last = timeline.duration if timeline.duration is not None else 0.0
    if entry.span is None:
        raise ValueError("a conversation of words alone has no times")
    if not 0 <= start < end <= last + 0.001:
        raise ValueError(f"an utterance starts before it ends, in 0 to {last:g} s, got {start:g} and {end:g}")
    return {"utterance": entry.id, "start": start, "end": end}


def _speaker(edit: Edit, timeline: Timeline) -> dict[str, Any]:
    ids = texts(edit, "utterances", "a correction of speakers")
    known = {u.id for u in timeline.utterances}
    if not ids or not set(ids) <= known:
        raise ValueError(f"a correction of speakers names utterances that are there, got {list(ids)!r:.80}")
    return {"utterances": sorted(set(ids)), "speaker": _name(edit, "speaker")}


def _merge(edit: Edit, timeline: Timeline) -> dict[str, Any]:
    one, into = _known_speaker(edit, "speaker", timeline), _known_speaker(edit, "into", timeline)
    if one == into:
        raise ValueError("merging needs two speakers")
    return {"speaker": one, "into": into}


def _rename(edit: Edit, timeline: Timeline) -> dict[str, Any]:
    return {"speaker": _known_speaker(edit, "speaker", timeline), "name": _name(edit, "name")}


def _label(edit: Edit, timeline: Timeline) -> dict[str, Any]:
    entry = _entry(edit, timeline)
    if take(edit, "emotions", (list, NULL), "a label") is None:
        return {"utterance": entry.id, "emotions": None}
    emotions = texts(edit, "emotions", "a label")
    if not set(emotions) <= set(timeline.labels):
        raise ValueError(f"emotions are of {', '.join(timeline.labels)}, got {list(emotions)!r:.80}")
    return {"utterance": entry.id, "emotions": [name for name in timeline.labels if name in emotions]}


_CHECKS: Mapping[str, Callable[[Edit, Timeline], dict[str, Any]]] = {
    "text": _text,
    "times": _times,
    "speaker": _speaker,
    "merge": _merge,
    "rename": _rename,
    "label": _label,
}


def _entry(edit: Edit, timeline: Timeline) -> Entry:
    id = take(edit, "utterance", str, "a correction")
    found = next((u for u in timeline.utterances if u.id == id), None)
    if found is None:
        raise ValueError(f"there is no utterance {id!r:.80}")
    return found


def _known_speaker(edit: Edit, key: str, timeline: Timeline) -> str:
    id = take(edit, key, str, "a correction of speakers")
    if id not in {s.id for s in timeline.speakers}:
        raise ValueError(f"there is no speaker {id!r:.80}")
    return id


def _name(edit: Edit, key: str) -> str:
    name = " ".join(take(edit, key, str, "a correction of speakers").split())
    if not 0 < len(name) <= LONGEST["name"] or not name.isprintable():
        raise ValueError(f"a speaker's name has 1 to {LONGEST['name']} characters")
    return name


def corrected(
    conversation: Conversation, edits: Sequence[Edit], clip: Clip | None, faces: Sequence[FaceTrack] = ()
) -> Conversation:
    """The conversation as the model is asked about it after these edits.

    `clip`: the whole recording. `faces`: all of it; none are needed where no edit is of a face.
    """
    changes: Mapping[str, Callable[[Utterance, Edit], Utterance]] = {
        "text": _with_text,
        "times": partial(_with_times, clip=clip),
        "speaker": _by_another,
        "merge": _by_one,
        "face": partial(_with_face, faces={track.id: track for track in faces}),
    }
    for edit in asks_again(edits):
        utterances = tuple(changes[edit["kind"]](u, edit) for u in conversation)
        if edit["kind"] == "times":
            utterances = tuple(sorted(utterances, key=lambda u: u.span.start if u.span else 0.0))
        conversation = replace(conversation, utterances=utterances)
    return conversation


def _with_text(u: Utterance, edit: Edit) -> Utterance:
    if u.id != edit["utterance"]:
        return u
    source = "none" if edit["text"] is None else "given"
    warnings = _noted(u.warnings, BY_HAND["text"])
    return replace(u, text=edit["text"], text_source=source, words=(), warnings=warnings)


def _with_times(u: Utterance, edit: Edit, clip: Clip | None) -> Utterance:
    if u.id != edit["utterance"] or u.span is None:
        return u
    span = Span(edit["start"], edit["end"])
    return replace(
        u,
        span=span,
        words=tuple(w for w in u.words if w.span and span.start <= w.span.start and w.span.end <= span.end),
        clip=clip.window(span.start, span.duration) if clip else None,
        face=u.face and _moved(u.face, u.span, span),
        warnings=_noted(u.warnings, BY_HAND["times"]),
    )


def _moved(face: FaceTrack, old: Span, new: Span) -> FaceTrack | None:
    """What was seen of a face in the new stretch; where it was not looked for, nothing is."""
    times = face.times + old.start - new.start
    inside = (times >= 0) & (times <= new.duration)
    if not np.any(inside):
        return None
    return replace(face, times=times[inside], boxes=face.boxes[inside], landmarks=face.landmarks[inside])


def _by_another(u: Utterance, edit: Edit) -> Utterance:
    if u.id not in edit["utterances"]:
        return u
    return replace(u, speaker=edit["speaker"], warnings=_noted(u.warnings, SPEAKER))


def _by_one(u: Utterance, edit: Edit) -> Utterance:
    return replace(u, speaker=edit["into"]) if u.speaker == edit["speaker"] else u


def _with_face(u: Utterance, edit: Edit, faces: Mapping[str, FaceTrack]) -> Utterance:
    """How well it fits the voice is nobody's question any more; what of the picture it needs is cut anew."""
    if u.id not in edit["utterances"]:
        return u
    warnings = tuple(w for w in u.warnings if not w.startswith((*OF_FACES, FACE, FACELESS)))
    track = faces.get(edit["face"]) if edit["face"] is not None and u.span else None
    seen = track.window(u.span.start, u.span.duration) if track and u.span else None
    if seen is None or not len(seen.times):
        return replace(u, face=None, warnings=_noted(warnings, FACELESS))
    return replace(u, face=replace(seen, match=None), warnings=_noted(warnings, FACE))


def _noted(warnings: tuple[str, ...], warning: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*warnings, warning)))


def spoken(timeline: Timeline, edits: Sequence[Edit]) -> Timeline:
    """The timeline as these edits have its speakers, who may be others; scores stay as they are."""
    talk = Conversation(
        "", tuple(Utterance(id=u.id, speaker=u.speaker, warnings=u.warnings) for u in timeline.utterances)
    )
    after = corrected(talk, [e for e in edits if e["kind"] not in HEARD], None)
    return replace(
        timeline,
        speakers=tuple(Speaker(id) for id in after.speakers),
        utterances=tuple(
            replace(entry, speaker=u.speaker, warnings=u.warnings)
            for entry, u in zip(timeline.utterances, after, strict=True)
        ),
    )


def labels_of(edits: Sequence[Edit]) -> dict[str, list[str]]:
    """The emotions that a person named, by utterance; empty where none shows."""
    found = {e["utterance"]: e["emotions"] for e in edits if e["kind"] == "label"}
    return {id: list(emotions) for id, emotions in found.items() if emotions is not None}


def shown(timeline: Timeline, edits: Sequence[Edit]) -> Timeline:
    """The timeline of `corrected` with the names and the labels that a person gave."""
    if not edits:
        return timeline
    names = {e["speaker"]: e["name"] for e in edits if e["kind"] == "rename"}
    labels = labels_of(edits)
    return replace(
        timeline,
        speakers=tuple(replace(s, name=names.get(s.id, s.name)) for s in timeline.speakers),
        utterances=tuple(_labelled(u, labels.get(u.id)) for u in timeline.utterances),
        settings={**timeline.settings, "corrections": len(edits)},
    )


def _labelled(entry: Entry, emotions: Sequence[str] | None) -> Entry:
    """The scores stay the model's; what it said is in the warning."""
    if emotions is None:
        return entry
    said = "abstained" if entry.abstained else ", ".join(entry.emotions) or "none"
    warnings = (*entry.warnings, f"{LABELLED}; the model: {said}")
    return replace(entry, emotions=tuple(emotions), abstained=False, warnings=warnings)
