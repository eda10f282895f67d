"""Sound at any rate, from any time on, as one float32 in [-1, 1] per sample.

A sample of the asked rate is the same wherever decoding began: sound is always resampled from a point at
which the samples of both rates coincide.
"""

from collections.abc import Callable, Iterable, Iterator
from math import ceil, gcd

import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler

from affectline.media.recording import SAME, MediaError, Recording, frames
from affectline.types import Modality, Waveform

Source = Callable[[int, int], Iterator[Waveform]]
"""From sample `begin` up to `end`, piece by piece; silence where there is nothing."""

_GAP = 0.05  # seconds of missing sound that count as missing; less is the jitter of timestamps
_WARM_UP = 1.0  # seconds that a decoder gets before what is wanted: overlapping windows, the bit reservoir
_REACH = 64  # samples, of the slower rate, within which the resampler's filter looks around
_PIECE = 1 << 14  # samples
_FULL_SCALE = {"u8": 128.0, "s16": 32768.0, "s32": 2147483648.0, "flt": 1.0, "dbl": 1.0}
_TYPE = {"u8": "u1", "s16": "i2", "s32": "i4", "flt": "f4", "dbl": "f8"}


def at_rate(source: Source, old: int, new: int, first: int, samples: int) -> Iterator[Waveform]:
    """`samples` samples at rate `new`, from sample `first` on, of a source at rate `old`."""
    common = gcd(old, new)
    reach = ceil(_REACH * max(1, new / old))
    enter = max(0, first - reach) // (new // common)  # in stretches that are whole samples of both rates
    skip = first - enter * (new // common)
    end = ceil((first + samples + reach) * old / new)
    for piece in _resampled(source(enter * (old // common), end), old, new):
        wanted = piece[skip : skip + samples]
        skip = max(0, skip - len(piece))
        samples -= len(wanted)
        if len(wanted):
            yield np.clip(wanted, -1, 1)
        if not samples:
            return
    yield from silence(samples)


def silence(samples: int) -> Iterator[Waveform]:
    for at in range(0, samples, _PIECE):
        yield np.zeros(min(_PIECE, samples - at), dtype=np.float32)


def gathered(pieces: Iterable[Waveform], samples: int) -> Iterator[Waveform]:
    """Pieces joined to pieces of whole multiples of `samples`, but for the last."""
    waiting, length = [], 0
    for piece in pieces:
        waiting.append(piece)
        length += len(piece)
        if length >= samples:
            joined, length = np.concatenate(waiting), length % samples
            yield joined[: len(joined) - length]
            waiting = [joined[len(joined) - length :]]
    if length:
        yield np.concatenate(waiting)


def _resampled(pieces: Iterable[Waveform], old: int, new: int) -> Iterator[Waveform]:
    if old == new:
        yield from pieces
        return
    resampler = AudioResampler(format="flt", layout="mono", rate=new)
    for piece in gathered(pieces, _PIECE):
        frame = AudioFrame.from_ndarray(piece[None], format="flt", layout="mono")
        frame.sample_rate = old
        for made in resampler.resample(frame):
            yield made.to_ndarray()[0]
    for made in resampler.resample(None):
        yield made.to_ndarray()[0]


def decoded(recording: Recording, begin: int, end: int) -> Iterator[Waveform]:
    """The samples of a recording at its own rate: a `Source` but for its first argument.

    A frame is placed by its timestamp where that leaves a gap, and else right after the frame before it, so
    that no sample is ever lost.
    """
    assert recording.sound is not None, recording.path
    rate, at, following = recording.sample_rate, begin, None
    stop = min(end, round(recording.sound.end * rate))  # not all decoders cut the padding at the end
    stream = frames(recording, Modality.AUDIO, max(0.0, begin / rate - _WARM_UP))
    for n, (time, frame) in enumerate(stream):
        assert isinstance(frame, AudioFrame)
        if not n and time > recording.sound.start + SAME:
            continue  # the first frame after a jump may have lost its beginning
        place = round(time * rate)
        if following is None:
            place = _on_grid(recording, place, frame)
        elif not recording.entry.timed or place - following < _GAP * rate:
            place = following
        following = place + frame.samples
        yield from silence(min(place, stop) - at)
        at = max(at, min(place, stop))
        if following > at:
            wanted = _mono(recording, frame)[at - place : stop - place]
            yield wanted
            at += len(wanted)
        if at >= stop:
            break
    yield from silence(end - at)


def _on_grid(recording: Recording, place: int, frame: AudioFrame) -> int:
    """The place of a frame among frames of one size, where its timestamp is coarser than a sample."""
    assert recording.sound is not None
    assert frame.time_base is not None
    origin = round(recording.sound.start * recording.sample_rate) + recording.entry.first_samples
    exact = origin + round((place - origin) / frame.samples) * frame.samples
    return exact if abs(exact - place) <= ceil(recording.sample_rate * frame.time_base) else place


def _mono(recording: Recording, frame: AudioFrame) -> Waveform:
    """The mean of all channels: a mix by loudspeaker would leave out some of eight microphones."""
    if frame.sample_rate != recording.sample_rate:
        raise MediaError(
            f"{recording.path}: its sound changes from {recording.sample_rate} to {frame.sample_rate} "
            f"samples per second; give it one rate: ffmpeg -i {recording.path.name} -ar 48000 converted.mkv"
        )
    name, channels = frame.format.packed.name, frame.layout.nb_channels
    if name not in _TYPE:
        raise MediaError(f"{recording.path}: sound in {name} is not read; convert it to 16-bit samples")
    # PyAV 18 counts nine planes in a frame of eight channels, and `to_ndarray` reads past its end.
    planes = frame.planes[: channels if frame.format.is_planar else 1]
    length = frame.samples * (1 if frame.format.is_planar else channels)
    values = np.array([np.frombuffer(memoryview(plane), _TYPE[name], length) for plane in planes], np.float32)
    if name in ("flt", "dbl") and not np.isfinite(values).all():
        raise MediaError(
            f"{recording.path}: its sound holds values that are no numbers; record or export it again"
        )
    if channels > 1:
        values = values.mean(axis=0) if frame.format.is_planar else values.reshape(-1, channels).mean(axis=1)
    return (values.reshape(-1) - (128 if name == "u8" else 0)) / np.float32(_FULL_SCALE[name])
