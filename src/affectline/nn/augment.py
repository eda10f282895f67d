"""Random changes to a batch that leave the emotion as it is, and things that it lacks: for training alone."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Generator, Tensor
from torch.nn.functional import affine_grid, conv2d, grid_sample, interpolate, pad
from torch.nn.utils.rnn import pad_sequence

from affectline.batch import Batch, Stream
from affectline.nn.small_cnn import sounding


@dataclass(frozen=True)
class Faces:
    """Mirror, turn, zoom, shift, change the contrast of, blur, and cover part of each picture of `stream`."""

    stream: str = "video.faces"
    degrees: float = 15.0
    zoom: float = 0.15
    shift: float = 0.08  # of the picture's width
    gamma: tuple[float, float] = (0.6, 1.5)  # the power that grey is raised to
    blur: float = 0.0  # the share of pictures out of focus, all of a batch by one Gaussian, of 0 to 2 pixels
    cover: float = 0.3  # side of the square that is covered, at most, as a share of the width

    def __call__(self, batch: Batch, generator: Generator) -> Batch:
        stream = batch.streams[self.stream]
        values = stream.values.clone()
        values[stream.mask] = self.change(stream.values[stream.mask], generator)
        return replace(batch, streams={**batch.streams, self.stream: Stream(values, stream.mask)})

    def change(self, faces: UInt8[Tensor, "n h w 3"], generator: Generator) -> UInt8[Tensor, "n h w 3"]:
        n, h, w, _ = faces.shape
        x = faces[..., :1].permute(0, 3, 1, 2).to(torch.float32)  # the networks see grey
        x = grid_sample(x, self._grid(n, h, w, generator), padding_mode="border", align_corners=False)
        gamma = _uniform((n, 1, 1, 1), *self.gamma, generator)
        x = self._blurred((x / 255).clamp(min=1e-4) ** gamma * 255, generator)
        x = torch.where(self._covered(n, h, w, generator), x.mean(dim=(2, 3), keepdim=True), x)
        return x.round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).expand(n, h, w, 3)

    def _grid(self, n: int, h: int, w: int, generator: Generator) -> Float[Tensor, "n h w 2"]:
        angle = torch.deg2rad(_uniform((n,), -self.degrees, self.degrees, generator))
        scale = _uniform((n,), 1 - self.zoom, 1 + self.zoom, generator)
        mirror = torch.where(torch.rand(n, generator=generator) < 0.5, -1.0, 1.0)
        shift = 2 * _uniform((n, 2), -self.shift, self.shift, generator)
        cos, sin = scale * angle.cos(), scale * angle.sin()
        rows = torch.stack([mirror * cos, -sin, shift[:, 0], mirror * sin, cos, shift[:, 1]], dim=1)
        return affine_grid(rows.view(n, 2, 3), [n, 1, h, w], align_corners=False)

    def _blurred(self, x: Float[Tensor, "n 1 h w"], generator: Generator) -> Float[Tensor, "n 1 h w"]:
        if not self.blur:
            return x
        sigma = _uniform((), 0.1, 2.0, generator)
        kernel = torch.exp(-0.5 * (torch.arange(-6, 7) / sigma) ** 2)
        kernel = kernel / kernel.sum()
        soft = conv2d(pad(x, (6, 6, 6, 6), mode="replicate"), kernel[None, None, :, None] * kernel)
        return torch.where(torch.rand((len(x), 1, 1, 1), generator=generator) < self.blur, soft, x)

    def _covered(self, n: int, h: int, w: int, generator: Generator) -> Tensor:
        side = _uniform((n, 1, 1, 1), 0.0, self.cover, generator)
        top, left = (torch.rand((n, 1, 1, 1), generator=generator) for _ in range(2))
        y = torch.linspace(0, 1, h).view(1, 1, h, 1)
        x = torch.linspace(0, 1, w).view(1, 1, 1, w)
        return ((y - top).abs() < side / 2) & ((x - left).abs() < side / 2)


@dataclass(frozen=True)
class Spectrograms:
    """Change spectrograms of `stream`: a part, its speed, pitch, tilt and noise, masks, babble, mixtures.

    Masks are those of SpecAugment (Park et al. 2019), the mixture of two samples and of their targets that
    of mixup (Zhang et al. 2018).
    """

    stream: str = "audio.mel"
    longest: int = 200  # steps of the part
    speed: float = 0.1
    pitch: int = 1  # bands
    tilt: float = 0.5  # nats, from the lowest band to the highest
    noise: float = 0.2  # nats, at most
    bands: int = 6  # masked at once, at most
    steps: int = 15
    masks: int = 2
    babble: float = 0.0  # the share of samples that get the voices of others behind them, 0 to 20 dB below
    mix: float = 0.0  # of Beta(mix, mix); 0 = no mixture

    def __call__(self, batch: Batch, generator: Generator) -> Batch:
        stream = batch.streams[self.stream]
        rows = stream.values.flatten(0, 1)
        masks = sounding(rows, stream.mask.flatten(0, 1))
        parts = [self._part(mel, mask, generator) for mel, mask in zip(rows, masks, strict=True)]
        if self.babble:
            parts = [self._among(n, parts, generator) for n in range(len(parts))]
        values = pad_sequence(parts, batch_first=True)
        mask = torch.arange(values.shape[1]) < torch.tensor([[len(p)] for p in parts])
        shape = stream.mask.shape[:2]
        changed = Stream(values.unflatten(0, shape), mask.unflatten(0, shape))
        return self._mixed(replace(batch, streams={**batch.streams, self.stream: changed}), generator)

    def _part(
        self, mel: Float[Tensor, "time bands"], mask: Bool[Tensor, " time"], generator: Generator
    ) -> Float[Tensor, "time2 bands"]:
        """What sounds, changed; nothing of an utterance that is padding."""
        steps = mask.nonzero()
        return self.change(mel[steps.min() : steps.max() + 1], generator) if len(steps) else mel[:0]

    def change(self, mel: Float[Tensor, "time bands"], generator: Generator) -> Float[Tensor, "time2 bands"]:
        factor = 1 + self.speed * _uniform((1,), -1, 1, generator).item()
        mel = interpolate(mel.T.unsqueeze(0), size=max(8, round(len(mel) * factor)), mode="linear")[0].T
        start = _integer(0, max(0, len(mel) - self.longest), generator)
        mel = mel[start : start + self.longest]
        mel = mel.roll(_integer(-self.pitch, self.pitch, generator), dims=1)
        mel = mel + self.tilt * _uniform((1,), -1, 1, generator) * torch.linspace(-0.5, 0.5, mel.shape[1])
        loud = self.noise * torch.rand(1, generator=generator)
        mel = mel + loud * torch.randn(mel.shape, generator=generator)
        return self._masked(mel, generator)

    def _among(
        self, n: int, parts: Sequence[Float[Tensor, "_ bands"]], generator: Generator
    ) -> Float[Tensor, "time bands"]:
        """The nth sample, at random with three others of the batch behind it, which begin anywhere."""
        mel, others = parts[n], [p for m, p in enumerate(parts) if m != n and len(p)]
        if not others or not len(mel) or torch.rand((), generator=generator) >= self.babble:
            return mel
        chosen = [others[_integer(0, len(others) - 1, generator)] for _ in range(3)]
        looped = [p[(torch.arange(len(mel)) + _integer(0, len(p) - 1, generator)) % len(p)] for p in chosen]
        babble = torch.stack(looped).logsumexp(dim=0)
        below = _uniform((), 0, 20, generator) * math.log(10) / 10
        return torch.logaddexp(mel, babble - _level(babble) + _level(mel) - below)

    def _masked(self, mel: Float[Tensor, "time bands"], generator: Generator) -> Tensor:
        mean = mel.mean(dim=0)
        for _ in range(self.masks):
            start, width = _integer(0, mel.shape[1] - 1, generator), _integer(0, self.bands, generator)
            mel[:, start : start + width] = mean[start : start + width]
            start = _integer(0, len(mel) - 1, generator)
            mel[start : start + _integer(0, min(self.steps, len(mel) // 6), generator)] = mean
        return mel

    def _mixed(self, batch: Batch, generator: Generator) -> Batch:
        if not self.mix:
            return batch
        stream = batch.streams[self.stream]
        seed = int(torch.randint(2**31, (), generator=generator))
        share = float(np.random.default_rng(seed).beta(self.mix, self.mix))
        other = torch.randperm(len(batch.mask), generator=generator)
        values = torch.logaddexp(  # powers add
            stream.values + math.log(max(share, 1e-6)), stream.values[other] + math.log(max(1 - share, 1e-6))
        )
        mask = stream.mask | stream.mask[other]
        values = torch.where(stream.mask.unsqueeze(-1), values, stream.values[other])
        values = torch.where(stream.mask[other].unsqueeze(-1), values, stream.values)
        return replace(
            batch,
            streams={**batch.streams, self.stream: Stream(values, mask)},
            targets=share * batch.targets + (1 - share) * batch.targets[other],
            ratings=share * batch.ratings + (1 - share) * batch.ratings[other],
            known=batch.known & batch.known[other],
        )


@dataclass(frozen=True)
class Gaps:
    """Takes away whole streams, and steps of those that stay, as recordings lack them.

    `streams`: the share of conversations that lose some: half of these the same ones from beginning to end,
    the others here and there, other ones in each second utterance. How many go is random, and which; one
    stays, of those that the conversation, or the utterance, has. `steps`: the share of the steps of each
    stream that go; one stays, so a pooled feature is whole or missing.

    Paper: (AM2-EmoJE, by the thesis 3.3) "randomly dropping representation tensors within a modality, and
           alternatively drop the entire modality during training/inference"; no share.
    Here:  half of the conversations, .15 of the steps.
    """

    streams: float = 0.5
    steps: float = 0.15

    def __call__(self, batch: Batch, generator: Generator) -> Batch:
        has = torch.stack([batch.present(name) for name in batch.streams], dim=2)
        size, utterances, _ = has.shape
        always = _some(has.any(dim=1, keepdim=True), generator)
        now = _some(has, generator) | (torch.rand(size, utterances, 1, generator=generator) < 0.5)
        fate = torch.rand(size, 1, 1, generator=generator)
        left = torch.where(fate < self.streams / 2, always, now) | (fate >= self.streams)
        kept = zip(batch.streams.items(), left.unbind(dim=2), strict=True)
        return replace(batch, streams={n: self._thinned(s, here, generator) for (n, s), here in kept})

    def _thinned(self, stream: Stream, here: Bool[Tensor, "batch utterance"], generator: Generator) -> Stream:
        chance = torch.rand(stream.mask.shape, generator=generator).masked_fill(~stream.mask, -1.0)
        most = chance.amax(dim=2, keepdim=True)
        mask = stream.mask & here.unsqueeze(2) & ((chance >= self.steps) | (chance == most))
        gone = ~mask.view(*mask.shape, *[1] * (stream.values.ndim - 3))
        return Stream(stream.values.masked_fill(gone, 0), mask)


def _level(mel: Float[Tensor, "time bands"]) -> Float[Tensor, ""]:
    """The mean power, as a logarithm."""
    return mel.logsumexp(dim=(0, 1)) - math.log(len(mel))


def _some(has: Bool[Tensor, "batch _ stream"], generator: Generator) -> Bool[Tensor, "batch _ stream"]:
    """A random number of those it has, at least one and not all, where it has several."""
    rank = torch.rand(has.shape, generator=generator).masked_fill(~has, 2.0).argsort(dim=2).argsort(dim=2)
    most = has.sum(dim=2, keepdim=True) - 1
    count = 1 + (torch.rand(most.shape, generator=generator) * most).long()  # 1 to most, or 1 of 1
    return has & (rank < count)


def _uniform(shape: tuple[int, ...], low: float, high: float, generator: Generator) -> Tensor:
    return low + (high - low) * torch.rand(shape, generator=generator)


def _integer(low: int, high: int, generator: Generator) -> int:
    return int(torch.randint(low, high + 1, (), generator=generator))
