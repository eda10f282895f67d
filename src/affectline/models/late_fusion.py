"""Late fusion: one classifier for each modality, and a weighted mean of the logits of those that are there.

The honest baseline: no modality sees another one, no utterance sees its neighbours. With one modality alone
the fusion is that modality, so its scores are those that were measured on its own corpus.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from affectline.batch import Batch, Features, Stream
from affectline.losses import binary_cross_entropy, rating_cross_entropy
from affectline.nn.lora import adapt
from affectline.nn.minilm import load_minilm
from affectline.nn.ranks import everywhere
from affectline.nn.small_cnn import AudioNet, FaceNet, standardise
from affectline.nn.standardise import Standardise, fit_streams
from affectline.types import Modality, modality_of

if TYPE_CHECKING:
    from collections.abc import Callable

Logits = Float[Tensor, "batch utterance classes"]
Mask = Bool[Tensor, "batch utterance"]
Steps = Bool[Tensor, "n time"]
Faces = UInt8[Tensor, "n time height width 3"]


@dataclass(frozen=True, kw_only=True)
class Config:
    """The sizes of the network; a branch of size 0 is not built. `text`: the rank of MiniLM's adapters.

    `vectors`: the width of ready-made streams, one for each modality, in place of words, sound and faces.
    """

    classes: int
    text: int = 0
    audio: int = 0
    face: int = 0
    vectors: Mapping[str, int] = field(default_factory=dict)
    dropout: float = 0.3


@dataclass(frozen=True)
class Output:
    """Calibrated logits: fused, and of each modality alone (those of an absent one mean nothing)."""

    logits: Logits
    by_modality: Mapping[Modality, Logits]
    present: Mapping[Modality, Mask]


class Calibrated(nn.Module):
    """A classifier and, per label, the scale and bias that calibrate its logits (on dev; Platt 1999)."""

    def __init__(self, network: nn.Module, classes: int) -> None:
        super().__init__()
        self.network = network
        self.scale = nn.Buffer(torch.ones(classes))
        self.bias = nn.Buffer(torch.zeros(classes))

    def forward(self, stream: Stream) -> Logits:
        """The network sees the utterances that have the stream, without time that none of them fills."""
        there = stream.mask.any(dim=2)
        logits = self.bias.expand(*there.shape, -1).clone()
        if there.any():
            mask = stream.mask[there]
            longest = int(mask.any(dim=0).nonzero().max()) + 1
            raw = self.network(stream.values[there][:, :longest], mask[:, :longest])
            logits[there] = raw * self.scale + self.bias
        return logits


class LateFusion(nn.Module):
    """Classify each modality, calibrate, and average what is present with learned weights per label."""

    context = False  # an utterance's answer does not depend on its neighbours
    borrowed = ("branches.text.network.encoder.",)  # MiniLM's own weights: not saved, its adapters are

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        build: dict[Modality, tuple[int, Callable[[int, int, float], nn.Module]]] = {
            Modality.TEXT: (config.text, TextBranch),
            Modality.AUDIO: (config.audio, AudioBranch),
            Modality.VIDEO: (config.face, FaceBranch),
        }
        networks = {
            m: branch(size, config.classes, config.dropout) for m, (size, branch) in build.items() if size
        }
        networks |= {
            modality_of(s): VectorBranch(w, config.classes, config.dropout) for s, w in config.vectors.items()
        }
        self.branches = nn.ModuleDict({m: Calibrated(n, config.classes) for m, n in networks.items()})
        self._stream = STREAMS | {modality_of(s): s for s in config.vectors}
        self.weights = nn.ParameterDict({m: nn.Parameter(torch.zeros(config.classes)) for m in self.branches})
        self.prior = nn.Buffer(torch.zeros(config.classes))  # logits where nothing is there at all

    def branch(self, modality: Modality) -> "tuple[str, Branch]":
        """The stream of this modality, and the network that reads it.

        Raises:
            ValueError: there is none.
        """
        if modality not in self.branches:
            raise ValueError(
                f"the late fusion has no branch for {modality}; it has {', '.join(self.branches)}"
            )
        return self._stream[modality], self.branches[modality].network  # pyright: ignore[reportReturnType]

    def answer(self, modality: Modality, vectors: Float[Tensor, "n dim"]) -> Float[Tensor, "n classes"]:
        """The calibrated logits of a modality, from what `embed` of its branch gives."""
        branch = self.branches[modality]
        assert isinstance(branch, Calibrated)
        return branch.network.answer(vectors) * branch.scale + branch.bias  # pyright: ignore

    @property
    def streams(self) -> tuple[str, ...]:
        return tuple(self._stream[Modality(m)] for m in self.branches)

    def fit(self, train: Sequence[Sequence[Features]]) -> None:
        """Take the statistics that ready-made vectors are standardised by from the train part."""
        networks = {s: self.branches[modality_of(s)].network for s in self.config.vectors}
        fit_streams({s: n.standardise for s, n in networks.items()}, train, pooled=True)  # pyright: ignore

    @torch.no_grad()
    def calibrate(self, modality: Modality, scale: Sequence[float], bias: Sequence[float]) -> None:
        """Calibrate the branch of a modality: its logits, as they are now, times scale plus bias."""
        branch = self.branches[modality]
        assert isinstance(branch, Calibrated)
        branch.bias.mul_(torch.tensor(scale)).add_(torch.tensor(bias))
        branch.scale.mul_(torch.tensor(scale))

    def forward(self, batch: Batch) -> Output:
        by_modality = {
            Modality(m): branch(batch.streams[self._stream[Modality(m)]])
            for m, branch in self.branches.items()
        }
        present = {m: batch.present(self._stream[m]) for m in by_modality}
        return Output(self.fuse(by_modality, present), by_modality, present)

    def fuse(self, by_modality: Mapping[Modality, Logits], present: Mapping[Modality, Mask]) -> Logits:
        """The mean of the logits, weighted by softmax over the modalities that are there."""
        logits = torch.stack([by_modality[m] for m in by_modality])
        there = torch.stack([present[m] for m in by_modality]).unsqueeze(-1)
        weights = torch.stack([self.weights[m].exp().expand_as(by_modality[m]) for m in by_modality]) * there
        total = weights.sum(dim=0)
        mean = (weights * logits.masked_fill(~there, 0.0)).sum(dim=0) / total.clamp(min=1e-12)
        return torch.where(total > 0, mean, self.prior)


STREAMS = {Modality.TEXT: "text.tokens", Modality.AUDIO: "audio.mel", Modality.VIDEO: "video.faces"}


class TextBranch(nn.Module):
    """MiniLM with low-rank adapters, its tokens averaged, and one hidden layer."""

    def __init__(self, rank: int, classes: int, dropout: float) -> None:
        super().__init__()
        self.encoder = load_minilm()
        adapt(self.encoder, rank)
        dim = self.encoder.config.hidden_size
        self.head = nn.Sequential(
            nn.Dropout(dropout), nn.Linear(dim, dim), nn.GELU(), nn.Dropout(dropout), nn.Linear(dim, classes)
        )

    def embed(self, ids: Int[Tensor, "n time"], mask: Steps) -> Float[Tensor, "n dim"]:
        """What the last dropout and the last layer read."""
        hidden = self.encoder(input_ids=ids, attention_mask=mask.long()).last_hidden_state
        weights = mask.unsqueeze(-1)
        return self.head[:-2]((hidden * weights).sum(dim=1) / weights.sum(dim=1))

    def answer(self, x: Float[Tensor, "n dim"]) -> Float[Tensor, "n classes"]:
        """The logits, from what `embed` gives."""
        return self.head[-2:](x)

    def forward(self, ids: Int[Tensor, "n time"], mask: Steps) -> Float[Tensor, "n classes"]:
        return self.answer(self.embed(ids, mask))


class AudioBranch(nn.Module):
    """A small convolutional network on the log-mel spectrogram."""

    def __init__(self, width: int, classes: int, dropout: float) -> None:
        super().__init__()
        self.net = AudioNet(classes, width=width, dropout=dropout)

    def embed(self, mel: Float[Tensor, "n time bands"], mask: Steps) -> Float[Tensor, "n dim"]:
        return self.net.embed(mel, mask)

    def answer(self, x: Float[Tensor, "n dim"]) -> Float[Tensor, "n classes"]:
        """The logits, from what `embed` gives."""
        return self.net.head(self.net.dropout(x))

    def forward(self, mel: Float[Tensor, "n time bands"], mask: Steps) -> Float[Tensor, "n classes"]:
        return self.net(mel, mask)


class FaceBranch(nn.Module):
    """A small convolutional network on each face, its logits averaged over the pictures."""

    def __init__(self, width: int, classes: int, dropout: float) -> None:
        super().__init__()
        self.net = FaceNet(classes, width=width, dropout=dropout)

    def embed(self, faces: Faces, mask: Steps) -> Float[Tensor, "n dim"]:
        """The mean over the pictures, whose logits are the mean of theirs: but for dropout, it is one."""
        return _mean(self.net.embed(standardise(faces[mask], self.net.size)), mask)

    def answer(self, x: Float[Tensor, "n dim"]) -> Float[Tensor, "n classes"]:
        """The logits, from what `embed` gives."""
        return self.net.head(self.net.dropout(x))

    def forward(self, faces: Faces, mask: Steps) -> Float[Tensor, "n classes"]:
        return _mean(self.net(standardise(faces[mask], self.net.size)), mask)


def _mean(steps: Float[Tensor, "step dim"], mask: Steps) -> Float[Tensor, "n dim"]:
    """Over the time of each row, from the steps that the mask has, row after row."""
    summed = steps.new_zeros(len(mask), steps.shape[-1])
    summed = summed.index_add(0, mask.nonzero()[:, 0], steps)
    return summed / mask.sum(dim=1, keepdim=True)


class VectorBranch(nn.Module):
    """Ready-made vectors, averaged over time and standardised, and one hidden layer."""

    def __init__(self, width: int, classes: int, dropout: float, hidden: int = 256) -> None:
        super().__init__()
        self.standardise = Standardise(width)
        self.head = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(width, hidden),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, classes),
        )

    def embed(self, values: Float[Tensor, "n time width"], mask: Steps) -> Float[Tensor, "n dim"]:
        """What the last dropout and the last layer read."""
        return self.head[:-2](self.standardise(Stream(values[None], mask[None]).pooled()[0]))

    def answer(self, x: Float[Tensor, "n dim"]) -> Float[Tensor, "n classes"]:
        """The logits, from what `embed` gives."""
        return self.head[-2:](x)

    def forward(self, values: Float[Tensor, "n time width"], mask: Steps) -> Float[Tensor, "n classes"]:
        return self.answer(self.embed(values, mask))


Branch = TextBranch | AudioBranch | FaceBranch | VectorBranch


@dataclass(frozen=True, kw_only=True)
class Objective:
    """Binary cross-entropy per label and, weighted by `ratings`, agreement with the annotators' shares."""

    ratings: float = 0.0

    def __call__(self, model: nn.Module, batch: Batch) -> dict[str, Float[Tensor, ""]]:
        real = batch.mask
        logits, known = everywhere(model(batch).logits[real]), everywhere(batch.known[real])
        terms = {"bce": binary_cross_entropy(logits, everywhere(batch.targets[real]), known)}
        if self.ratings:
            shares = everywhere(batch.ratings[real])
            terms["ratings"] = self.ratings * rating_cross_entropy(logits, shares, known)
        return terms


@dataclass(frozen=True, kw_only=True)
class OneLabel:
    """Cross-entropy of the fusion and, as a mean, of each modality where it is there."""

    def __call__(self, model: nn.Module, batch: Batch) -> dict[str, Float[Tensor, ""]]:
        out, real = model(batch), batch.mask & batch.known.all(dim=2)
        labels = everywhere(batch.targets[real]).argmax(dim=1)
        terms = {"fused": cross_entropy(everywhere(out.logits[real]), labels)}
        for m, logits in out.by_modality.items():
            rows = real & out.present[m]
            said, true = everywhere(logits[rows]), everywhere(batch.targets[rows]).argmax(dim=1)
            terms[m] = cross_entropy(said, true, reduction="sum") / max(len(true), 1) / len(out.by_modality)
        return terms
