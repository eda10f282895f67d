"""Small convolutional networks that are trained from scratch: one for a face, one for a spectrogram."""

import math

import torch
from jaxtyping import Bool, Float, Real
from torch import Tensor, nn
from torch.nn.functional import max_pool2d, relu

Steps = Bool[Tensor, "n time"]


class Residual(nn.Module):
    """Two 3 x 3 convolutions with squeeze-and-excitation (He et al. 2016; Hu et al. 2018).

    With a mask over the last axis the steps that do not count are held at zero and out of every mean, so
    that a padded sample gives what it gives alone.
    """

    def __init__(self, channels_in: int, channels: int, stride: int | tuple[int, int] = 1) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels_in, channels, 3, stride, padding=1, bias=False)
        self.norm_first = nn.BatchNorm2d(channels)
        self.second = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm_second = nn.BatchNorm2d(channels)
        nn.init.zeros_(self.norm_second.weight)
        self.excite = nn.Sequential(
            nn.Conv2d(channels, channels // 8, 1),
            nn.ReLU(),
            nn.Conv2d(channels // 8, channels, 1),
            nn.Sigmoid(),
        )
        self.shrink = nn.AvgPool2d(stride, ceil_mode=True)
        self.skip = (
            nn.Identity()
            if stride == 1 and channels_in == channels
            else nn.Sequential(nn.Conv2d(channels_in, channels, 1, bias=False), nn.BatchNorm2d(channels))
        )

    def forward(
        self, x: Float[Tensor, "n _ h w"], mask: Float[Tensor, "n 1 1 w"] | None = None
    ) -> Float[Tensor, "n _ h2 w2"]:
        y = relu(self.norm_first(self.first(x)))
        if mask is None:
            skip, after, y = self.shrink(x), None, self.norm_second(self.second(y))
            squeezed = y.mean(dim=(2, 3), keepdim=True)
        else:
            share = self.shrink(mask.expand(-1, -1, x.shape[2], -1))
            skip, after = self.shrink(x) / share.clamp(min=1e-6), halved(mask, y.shape[-1])
            y = self.norm_second(self.second(y * after))
            squeezed = (y * after).mean(dim=2, keepdim=True).sum(dim=3, keepdim=True) / after.sum(
                dim=3, keepdim=True
            )
        out = relu(self.skip(skip) + y * self.excite(squeezed))
        return out if after is None else out * after


def halved(mask: Float[Tensor, "n 1 1 w"], width: int) -> Float[Tensor, "n 1 1 w2"]:
    """The mask after a convolution that strides to `width` steps; a sample keeps its loudest, first step."""
    kept = mask if mask.shape[-1] == width else max_pool2d(mask, (1, 2), ceil_mode=True)
    assert kept.shape[-1] == width
    return kept


def _stem(channels: int) -> nn.Sequential:
    convolution = nn.Conv2d(1, channels, 5, 2, padding=2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(channels), nn.ReLU())


class FaceNet(nn.Module):
    """Expression of a grey 48 px face: the stem and two stages halve the picture, pooled to an embedding.

    The stem strides at once: on a CPU few channels at full size cost twice the time of all that follows.
    """

    def __init__(self, classes: int, width: int = 32, dropout: float = 0.3) -> None:
        super().__init__()
        self.size = 48
        self.embedding = 5 * width
        self.body = nn.Sequential(
            _stem(width),
            Residual(width, 2 * width, 2),
            Residual(2 * width, 2 * width),
            Residual(2 * width, 4 * width, 2),
            Residual(4 * width, self.embedding),
        ).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue] (missing in the stubs)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(self.embedding, classes)

    def embed(self, faces: Float[Tensor, "face 1 48 48"]) -> Float[Tensor, "face dim"]:
        """Faces as `standardise` makes them; in use, the mean of each and its mirror image."""
        seen = self._pooled(faces)
        return seen if self.training else (seen + self._pooled(faces.flip(-1))) / 2

    def _pooled(self, faces: Float[Tensor, "face 1 48 48"]) -> Float[Tensor, "face dim"]:
        return self.body(faces.contiguous(memory_format=torch.channels_last)).mean(dim=(2, 3))

    def forward(self, faces: Float[Tensor, "face 1 48 48"]) -> Float[Tensor, "face classes"]:
        return self.head(self.dropout(self.embed(faces)))


def standardise(
    faces: Real[Tensor, "face height width 3"], size: int
) -> Float[Tensor, "face 1 {size} {size}"]:
    """Grey, `size` pixels wide, and of zero mean and unit deviation within each picture."""
    grey = faces.to(torch.float32).mean(dim=-1).unsqueeze(1)
    if grey.shape[-2:] != (size, size):
        grey = nn.functional.interpolate(grey, size=(size, size), mode="area")
    mean, deviation = grey.mean(dim=(2, 3), keepdim=True), grey.std(dim=(2, 3), keepdim=True)
    return (grey - mean) / (deviation + 1)


class AudioNet(nn.Module):
    """Expression of a voice from its log-mel spectrogram, pooled over time by attention.

    The spectrogram loses its mean over the utterance, so that the distance to the microphone does not
    matter; its tilt, which is part of how a voice sounds, stays. Silence is left out of that mean and of
    the pooling: how much of it surrounds an utterance is an accident of how it was cut.
    """

    def __init__(self, classes: int, bands: int = 64, width: int = 32, dropout: float = 0.4) -> None:
        super().__init__()
        self.embedding = 5 * width
        self.stem = _stem(width)
        self.blocks = nn.ModuleList(
            [
                Residual(width, 2 * width, 2),
                Residual(2 * width, 4 * width, 2),
                Residual(4 * width, self.embedding, (2, 1)),
            ]
        )
        self.attend = nn.Conv1d(self.embedding, self.embedding, 1)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(2 * self.embedding, classes)

    def embed(self, mel: Float[Tensor, "n time bands"], mask: Steps) -> Float[Tensor, "n dim"]:
        mask = sounding(mel, mask)
        weights = mask.unsqueeze(-1).to(mel.dtype)
        mean = (mel * weights).mean(dim=2, keepdim=True).sum(dim=1, keepdim=True) / weights.sum(
            dim=1, keepdim=True
        )
        x = ((mel - mean) * weights / 3).transpose(1, 2).unsqueeze(1)  # n, 1, bands, time
        x = self.stem(x.contiguous(memory_format=torch.channels_last))
        valid = halved(mask[:, None, None].to(mel.dtype), x.shape[-1])
        x = x * valid
        for block in self.blocks:
            x = block(x, valid)
            valid = halved(valid, x.shape[-1])
        x, valid = x.mean(dim=2), valid.squeeze(2) > 0  # n, dim, time / 8
        attention = self.attend(x).masked_fill(~valid, -torch.inf).softmax(dim=-1)
        first = (attention * x).sum(dim=-1)
        second = (attention * x * x).sum(dim=-1) - first * first
        return torch.cat([first, second.clamp(min=1e-5).sqrt()], dim=-1)

    def forward(self, mel: Float[Tensor, "n time bands"], mask: Steps) -> Float[Tensor, "n classes"]:
        return self.head(self.dropout(self.embed(mel, mask)))


def sounding(mel: Float[Tensor, "n time bands"], mask: Steps, decibels: float = 35.0) -> Steps:
    """The valid steps that are at most so many decibels softer than the loudest one: never none."""
    power = mel.logsumexp(dim=2).masked_fill(~mask, -torch.inf)
    return mask & (power >= power.max(dim=1, keepdim=True).values - decibels * math.log(10) / 10)
