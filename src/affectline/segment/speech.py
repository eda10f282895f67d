"""When somebody speaks: Silero's voice activity detector over whole recordings; the cut into utterances."""

import importlib.util
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor, nn

from affectline.types import Clip, Span

RATE = 16_000
CHUNK = 512  # samples that one probability speaks for
CONTEXT = 64  # samples of the chunk before, which the network sees again
SECONDS = CHUNK / RATE
BLOCK = 60.0  # seconds of sound in memory at once

Block = Float32[np.ndarray, " _"]  # one of several, of any length
Probability = Float32[np.ndarray, " chunk"]
State = tuple[Float[Tensor, "1 1 dim"], Float[Tensor, "1 1 dim"]]


@dataclass(frozen=True, eq=False)
class Speech:
    """Where a recording holds speech: the spans, and the probability of each 32 ms they were cut from."""

    spans: tuple[Span, ...]
    probability: Probability

    @property
    def duration(self) -> float:
        """Seconds of speech."""
        return sum(s.duration for s in self.spans)


def detect(recording: Clip) -> Speech:
    """The speech of a recording, read a minute at a time; none where there is no sound."""
    if not recording.has_audio:
        return Speech((), np.zeros(0, dtype=np.float32))
    probability = probabilities(_audible(waveform for _, waveform in blocks(recording)))
    return Speech(spans_of(probability, recording.duration), probability)


def blocks(recording: Clip) -> Iterator[tuple[float, Block]]:
    """The sound at 16 kHz a minute at a time, each with its first second."""
    for n in range(int(np.ceil(recording.duration / BLOCK))):
        start = n * BLOCK
        yield start, recording.window(start, min(BLOCK, recording.duration - start)).waveform(RATE)


def _audible(sound: Iterable[Block]) -> Iterator[Block]:
    """Quiet recordings made louder, by 20 dB at most: the network is trained on speech at usual levels.

    Of 134 RAVDESS clips (every ninth) it then misses all speech in one instead of three.
    """
    loudest = 0.0
    for block in sound:
        loudest = max(loudest, float(np.quantile(np.abs(block), 0.999)) if len(block) else 0.0)
        yield block * np.float32(np.clip(0.4 / max(loudest, 1e-9), 1.0, 10.0))


def probabilities(sound: Iterable[Block]) -> Probability:
    """The probability of speech in every 512 samples of a sound that comes in blocks of any length."""
    network, state = silero(), None
    rest, found = np.zeros(CONTEXT, dtype=np.float32), []
    for block in sound:
        joined = np.concatenate([rest, block])
        whole = (len(joined) - CONTEXT) // CHUNK * CHUNK
        if whole:
            chunk_probability, state = network(torch.from_numpy(joined[: CONTEXT + whole]), state)
            found.append(chunk_probability.numpy())
        rest = joined[whole:]
    if len(rest) > CONTEXT:  # the end of the sound, filled up with silence
        last = np.pad(rest, (0, CONTEXT + CHUNK - len(rest)))
        found.append(network(torch.from_numpy(last), state)[0].numpy())
    return np.concatenate(found) if found else np.zeros(0, dtype=np.float32)


def spans_of(
    probability: Probability, duration: float, *, on: float = 0.5, off: float = 0.35, shortest: float = 0.25
) -> tuple[Span, ...]:
    """Speech begins at `on` and holds until it stays under `off` for 0.1 s; 30 ms are added on each side.

    These are the rules and the settings of `silero_vad.get_speech_timestamps`. What is shorter than
    `shortest` seconds is dropped.
    """
    pause, pad = 0.1, 0.03
    spans, start, quiet_since = [], None, None
    for n, p in enumerate([*probability.tolist(), *[0.0] * (int(pause / SECONDS) + 2)]):
        time = n * SECONDS
        if p >= on:
            start, quiet_since = (time if start is None else start), None
        elif start is not None and p < off:
            quiet_since = time if quiet_since is None else quiet_since
            if time - quiet_since >= pause:
                spans.append((start, quiet_since))
                start = quiet_since = None
    kept = [(a, b) for a, b in spans if b - a >= shortest and a < duration]
    ends = [b for _, b in kept]
    starts = [a for a, _ in kept]
    padded = []
    for n, (a, b) in enumerate(kept):
        before = (a - ends[n - 1]) / 2 if n else a
        after = (starts[n + 1] - b) / 2 if n + 1 < len(kept) else max(0.0, duration - b)
        padded.append(Span(a - min(pad, before), min(b + min(pad, after), duration)))
    return tuple(padded)


def cut(
    spans: Sequence[Span], probability: Probability, *, gap: float = 0.3, longest: float = 15.0
) -> tuple[Span, ...]:
    """Utterances: spans closer than `gap` are one; what is longer than `longest` is cut at its best pause."""
    merged: list[Span] = []
    for span in spans:
        if merged and span.start - merged[-1].end < gap:
            merged[-1] = Span(merged[-1].start, max(span.end, merged[-1].end))
        else:
            merged.append(span)
    return tuple(part for span in merged for part in _halve(span, probability, longest))


def _halve(span: Span, probability: Probability, longest: float) -> list[Span]:
    """Cut a long span where 0.16 s sound least like speech, not near its ends, until all parts are short."""
    if span.duration <= longest:
        return [span]
    first, last = int(span.start / SECONDS), int(span.end / SECONDS)
    smooth = np.convolve(probability[first:last], np.ones(5) / 5, mode="same")
    margin = len(smooth) // 5
    if len(smooth) < 5:  # the network has not heard this part: nothing to choose by
        middle = (span.start + span.end) / 2
    else:
        middle = (first + margin + int(np.argmin(smooth[margin : len(smooth) - margin])) + 0.5) * SECONDS
    left, right = Span(span.start, middle), Span(middle, span.end)
    return _halve(left, probability, longest) + _halve(right, probability, longest)


class Silero(nn.Module):
    """The 16 kHz network of silero-vad 6, run over all chunks of a block at once.

    Package: one chunk of 576 samples (64 of them again) at a time, through TorchScript.
    Here:    the same weights; the convolutions see all chunks together and only the LSTM goes step by step,
             which is ten times as fast. It agrees with the package to 1e-5 (tests/test_segment_speech.py).
    """

    def __init__(self) -> None:
        super().__init__()
        self.stft = nn.Conv1d(1, 258, 256, stride=128, bias=False)
        sizes, strides = (129, 128, 64, 64, 128), (1, 2, 2, 1)
        self.encoder = nn.ModuleList(
            nn.Conv1d(i, o, 3, stride=s, padding=1)
            for i, o, s in zip(sizes[:-1], sizes[1:], strides, strict=True)
        )
        self.rnn = nn.LSTM(128, 128, batch_first=True)
        self.decide = nn.Conv1d(128, 1, 1)

    @torch.inference_mode()
    def forward(
        self, sound: Float[Tensor, " samples"], state: State | None = None
    ) -> tuple[Float[Tensor, " chunk"], State]:
        """`sound` begins with the 64 samples before its first chunk."""
        chunks = sound.unfold(0, CONTEXT + CHUNK, CHUNK).unsqueeze(1)
        spectrum = self.stft(nn.functional.pad(chunks, (0, CONTEXT), mode="reflect"))
        hidden = (spectrum[:, :129].square() + spectrum[:, 129:].square()).sqrt()
        for convolution in self.encoder:
            hidden = convolution(hidden).relu()
        steps, after = self.rnn(hidden.transpose(1, 2).reshape(1, len(chunks), -1), state)
        return self.decide(steps.relu().transpose(1, 2)).sigmoid()[0, 0], after


@cache
def silero() -> Silero:
    """The network with the weights that the package silero-vad carries.

    The package itself is not imported: that would set torch to one thread for the whole process.
    """
    spec = importlib.util.find_spec("silero_vad")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("speech detection needs silero-vad: pip install silero-vad")
    with warnings.catch_warnings():
        # torch calls TorchScript deprecated; the package has these weights in no other form
        warnings.simplefilter("ignore", DeprecationWarning)
        script = torch.jit.load(Path(spec.origin).parent / "data" / "silero_vad.jit", map_location="cpu")
    names = {
        "stft.forward_basis_buffer": "stft.weight",
        "decoder.decoder.2.weight": "decide.weight",
        "decoder.decoder.2.bias": "decide.bias",
        **{f"decoder.rnn.{w}": f"rnn.{w}_l0" for w in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")},
        **{f"encoder.{n}.reparam_conv.{w}": f"encoder.{n}.{w}" for n in range(4) for w in ("weight", "bias")},
    }
    weights = script.state_dict()
    network = Silero()
    network.load_state_dict({ours: weights[f"_model.{theirs}"] for theirs, ours in names.items()})
    return network.eval().requires_grad_(False)
