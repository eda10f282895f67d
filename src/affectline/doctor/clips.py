"""Whether clips decode, and to what they should: as long as was annotated, heard, seen, whole."""

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np

from affectline.corpora import Fault
from affectline.doctor.copies import Copy, Placed, relative
from affectline.media import FileClip, JoinedClip, MediaError, PairedClip
from affectline.types import Clip, Modality

POINTER = b"version https://git-lfs"
RATE = 16_000
"""Samples a second of a sound that has no rate of its own."""
SILENT = 1e-3
"""Of full scale, -60 dB: what is never louder is not heard."""
CLIPPED = 0.01
"""Of the samples, at full scale."""
LONGER, SHARE = 0.5, 0.2
"""A clip may differ from the annotated times by so many seconds, or by this share of them."""
FAST, SLOW = 8.0, 0.5
"""Words a second: more than anybody says; fewer than anybody says for ten seconds."""
FEW_WORDS, LONG = 3, 10.0


@dataclass(frozen=True)
class Decoded:
    """What is in a clip. `sound`: a hash of its samples. `level`: the loudest of them, of full scale.

    Where `problem` says why it could not be decoded nothing else is known. Without decoding only `duration`,
    `modalities` and `warnings` are.
    """

    duration: float = 0.0
    modalities: frozenset[Modality] = frozenset()
    sound: str = ""
    level: float = 1.0
    clipped: float = 0.0
    blank: bool = False
    warnings: tuple[str, ...] = ()
    problem: str = ""

    @property
    def silent(self) -> bool:
        return Modality.AUDIO in self.modalities and self.level < SILENT


def is_file(clip: Clip) -> bool:
    """Whether a clip lies in files of its own, or of its conversation."""
    return bool(files(clip))


def files(clip: Clip | None) -> tuple[FileClip, ...]:
    """The stretches of files that make a clip."""
    if isinstance(clip, FileClip):
        return (clip,)
    if isinstance(clip, JoinedClip):
        return clip.clips
    return (*files(clip.sound), *files(clip.picture)) if isinstance(clip, PairedClip) else ()


def decode(
    copy: Copy, whole: bool, progress: Callable[[str, float], None] = lambda *_: None
) -> dict[str, Decoded]:
    """What the clips hold, by utterance; `whole`: also what is heard and seen in them."""
    there = [p for p in copy.utterances if p.utterance.clip is not None]
    found: dict[str, Decoded] = {}
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # FFmpeg decodes without holding Python up
        for n, one in enumerate(pool.map(partial(_decoded, whole=whole), there), start=1):
            found[there[n - 1].id] = one
            progress("clips", n / len(there))
    return found


def _decoded(placed: Placed, whole: bool) -> Decoded:
    clip = placed.utterance.clip
    assert clip is not None
    try:
        warnings = tuple(w for file in files(clip) for w in file.recording.warnings)
        there = {Modality.AUDIO} if clip.has_audio else set[Modality]()
        there |= {Modality.VIDEO} if clip.has_video else set[Modality]()
        found = Decoded(clip.duration, frozenset(there), warnings=(*warnings, *_over(clip)))
        return _heard_and_seen(clip, found) if whole else found
    except (MediaError, OSError) as error:
        return Decoded(problem=next(filter(None, map(_pointer, files(clip))), str(error)))


def _pointer(file: FileClip) -> str:
    """What to say of a text that stands for a file which Git did not fetch."""
    if not file.path.is_file():
        return ""
    with file.path.open("rb") as opened:
        pointer = opened.read(len(POINTER)) == POINTER
    return f"{file.path}: is not the file but a pointer to it (Git LFS): run git lfs pull" if pointer else ""


def _over(clip: Clip) -> Iterator[str]:
    """Where a file ends before the stretch that was asked for."""
    for file in files(clip):
        over = 0.0 if file.end is None else file.end - file.recording.duration
        if over > LONGER:
            yield f"breaks off {over:.1f} s before the utterance ends"


def _heard_and_seen(clip: Clip, found: Decoded) -> Decoded:
    sound, level, clipped = "", 1.0, 0.0
    if Modality.AUDIO in found.modalities:
        rate = max((file.recording.sample_rate for file in files(clip)), default=RATE)
        samples = clip.waveform(rate or RATE)
        sound = hashlib.sha256(samples.tobytes()).hexdigest()
        level = float(np.ptp(samples)) / 2 if len(samples) else 0.0
        clipped = float((np.abs(samples) >= 0.999).mean()) if len(samples) else 0.0
    blank = Modality.VIDEO in found.modalities and int(np.ptp(clip.frames(count=1))) == 0
    return Decoded(
        duration=found.duration,
        modalities=found.modalities,
        sound=sound,
        level=level,
        clipped=clipped,
        blank=blank,
        warnings=found.warnings,
    )


def of_clips(copy: Copy, decoded: Mapping[str, Decoded]) -> Iterator[Fault]:
    """What is wrong with the clips that are there, and which are not there though others are."""
    known = {fault.where for fault in copy.faults() if fault.kind == "known"}
    parts = {part: [p for p in copy.utterances if p.part == part] for part in copy.parts}
    some = [part for part, placed in parts.items() if any(p.utterance.clip for p in placed)]
    for part, placed in parts.items():
        if part not in some:
            if some and placed:
                what = f"has no clips at all, and {some[0]} has some"
                yield Fault(part, part, what, "read without sound and picture", "missing")
            continue
        usual = _usual([decoded[p.id] for p in placed if p.id in decoded])
        for one in placed:
            if one.utterance.clip is None:
                if one.id not in known:
                    yield Fault(part, one.id, "has no clip", "read without sound and picture", "missing")
            else:
                yield from _of_clip(copy, one, decoded[one.id], usual)


def _usual(found: Sequence[Decoded]) -> frozenset[Modality]:
    """What most clips of a part have."""
    counts = Counter(m for one in found for m in one.modalities)
    return frozenset(m for m, n in counts.items() if 2 * n > len(found))


def _of_clip(copy: Copy, placed: Placed, found: Decoded, usual: frozenset[Modality]) -> Iterator[Fault]:
    clip = placed.utterance.clip
    own = files(clip)
    file = relative(copy, own[0].path) if own else placed.part

    def fault(kind: str, what: str, done: str = "kept") -> Fault:
        return Fault(file, placed.id, what, done, kind)

    if found.problem:
        what = found.problem.replace(f"{copy.root}{os.sep}", "")
        yield fault("unreadable", what, "refused when it is decoded")
        return
    for warning in found.warnings:
        yield fault(_kind(warning), warning)
    for modality in sorted(usual - found.modalities):
        yield fault("mute", f"has no {'sound' if modality is Modality.AUDIO else 'picture'}")
    if found.silent:
        yield fault("silent", f"is never louder than {found.level:.1g} of full scale")
    if found.clipped > CLIPPED:
        yield fault("clipped", f"{found.clipped:.1%} of its samples are at full scale")
    if found.blank:
        yield fault("blank", "shows one colour")
    span = placed.utterance.span
    if span and own and own[0].end is None:
        apart = found.duration - span.duration
        if abs(apart) > max(LONGER, SHARE * span.duration):
            yield fault("length", f"lasts {found.duration:.1f} s, annotated are {span.duration:.1f} s")


def _kind(warning: str) -> str:
    if "breaks off" in warning:
        return "cut-short"
    return "unreadable" if "cannot be decoded" in warning else "out-of-step"


def pace(copy: Copy, decoded: Mapping[str, Decoded]) -> Iterator[Fault]:
    """Utterances whose words do not fit into their time, as annotated, else as their clip lasts."""
    for placed in copy.utterances:
        utterance, heard = placed.utterance, decoded.get(placed.id)
        words = len((utterance.text or "").split())
        seconds = utterance.span.duration if utterance.span else heard.duration if heard else 0.0
        if not seconds or words < FEW_WORDS:
            continue
        if words / seconds > FAST or (seconds > LONG and words / seconds < SLOW):
            yield Fault(placed.part, placed.id, f"{words} words in {seconds:.2f} s", "kept", "pace")
