"""SeMuL-PCD: Multi-label Emotion Analysis in Conversation via Multimodal Knowledge Distillation.

Anand, Devulapally, Bhattacharjee and Yuan, ACM MM 2023. Symbols, as in the paper:
    z^m     tokens of a modality, its aggregation token first (Section 3.1)
    z^f     the one token of the fusion branch
    z_out   the aggregation token of a branch after the last layer
    f^b     joint-space feature of a branch: of a modality or of the fusion (3.2)
    P^b     what a branch says of each label, here as logits
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import log

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from affectline.batch import Batch, Features, turns
from affectline.losses import (
    Teacher,
    binary_cross_entropy,
    label_consistency,
    multimodal_distillation,
    pairwise_nce,
)
from affectline.nn.multimodal import MultimodalLayer
from affectline.nn.ranks import everywhere
from affectline.nn.standardise import fit_streams
from affectline.nn.tokens import Entrance, Tubelets, Vector, Waveform, Words
from affectline.types import Modality, modality_of

FUSION = "fusion"  # the branch beside those that are called as their modality
TEMPERATURES = (0.01, 1.0)  # tau_s stays between them

Turns = Float[Tensor, "batch utterance classes"]


def _raw() -> dict[str, int]:
    return {"text.words": 0, "audio.samples": 0, "video.frames": 0}


@dataclass(frozen=True, kw_only=True)
class Config:
    """The sizes of the network; the defaults are the paper's, for its six labels.

    `streams`: one for each modality; what is not named is not built. 0: numbers of words, samples of sound in
    [-1, 1] or pictures of 0 to 255, which are cut into tokens here; else the width of ready-made features,
    which are one token.
    `frames`, `picture`, `samples`, `words`: what the tables of positions are made for: pictures in time and
    their side, samples, words. `tubelet`: pictures, rows and columns of a token; `patch`: samples of one.
    `dim`: d. `hidden`: f. `joint`: e. `head`: the hidden layer of the classifiers. `drop_tokens`: which share
    of sound and pictures a step of training does without. `share_layers`: one layer, again and again.
    `checkpointing`: what a layer computes is computed anew for its gradient and not kept.

    Paper: 48 kHz, 32 pictures at 10 fps: 3.2 s. Nothing on dropout, the classifiers or DropToken.
    Code:  dropout .1, classifiers of 1024, shared layers.
    Here:  as the release, with layers of their own; DropToken, which halves the cost (VATT), is an option.
    """

    classes: int = 6
    streams: Mapping[str, int] = field(default_factory=_raw)
    frames: int = 32
    picture: int = 224
    tubelet: tuple[int, int, int] = (4, 16, 16)
    samples: int = 153_600
    patch: int = 128
    words: int = 48
    vocabulary: int = 1024
    dim: int = 2048
    layers: int = 25
    heads: int = 16
    hidden: int = 4096
    joint: int = 1024
    head: int = 1024
    dropout: float = 0.1
    drop_tokens: float = 0.0
    share_layers: bool = False
    checkpointing: bool = False

    @property
    def grid(self) -> tuple[int, int, int]:
        """Tokens of a whole window in time, from top to bottom and from left to right."""
        depth, height, width = self.tubelet
        return -(-self.frames // depth), self.picture // height, self.picture // width


PAPER = Config(checkpointing=True)
LARGE = Config(dim=768, layers=12, heads=12, hidden=1536, joint=512, head=768, drop_tokens=0.5)
BASE = Config(
    frames=16,
    picture=112,
    samples=51_200,
    dim=384,
    layers=6,
    heads=6,
    hidden=768,
    joint=256,
    head=384,
    drop_tokens=0.5,
)
SMALL = Config(
    frames=8,
    picture=64,
    samples=25_600,
    words=32,
    dim=192,
    layers=4,
    heads=4,
    hidden=384,
    joint=128,
    head=192,
)
TINY = Config(
    frames=8,
    picture=32,
    tubelet=(4, 8, 8),
    samples=12_800,
    words=16,
    vocabulary=256,
    dim=64,
    layers=2,
    heads=4,
    hidden=128,
    joint=32,
    head=64,
)


@dataclass(frozen=True)
class Output:
    """`logits` are those of the fusion branch; `joint` are f^b by branch, with rows for real utterances."""

    logits: Turns
    by_modality: Mapping[Modality, Turns]
    present: Mapping[Modality, Bool[Tensor, "batch utterance"]]
    joint: Mapping[str, Float[Tensor, "n joint"]]
    temperature: Float[Tensor, ""]


class SeMuLPCD(nn.Module):
    """Tokens, the layers of three peers and their fusion, a joint space and classifiers (Figure 1).

    Any modality may be missing: its tokens are masked, the fusion sees none of them, and its branch counts in
    no loss. The fusion branch answers always.

    Paper: classification is "via joint space embeddings".
    Code:  classifies z_out, with batch normalisation; no norm after the last layer.
    Here:  z_out, normalised; layer norms, so that no answer depends on other utterances.
    """

    context = False
    gathered = (MultimodalLayer,)

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = c = config
        self.streams = tuple(c.streams)
        self.modes = tuple(modality_of(stream) for stream in c.streams)
        self.enter = nn.ModuleDict({modality_of(s): _entrance(c, s, width) for s, width in c.streams.items()})
        self.aggregate = nn.Parameter(torch.randn(c.dim) * c.dim**-0.5)
        own = 1 if c.share_layers else c.layers
        sizes = (c.dim, c.heads, c.hidden, c.dropout)
        self.layers = nn.ModuleList(MultimodalLayer(self.modes, *sizes) for _ in range(own))
        branches = (*self.modes, FUSION)
        self.norms = nn.ModuleDict({b: nn.LayerNorm(c.dim) for b in branches})
        self.join = nn.ModuleDict({b: nn.Linear(c.dim, c.joint) for b in branches})
        self.classify = nn.ModuleDict({b: _classifier(c) for b in branches})
        self.log_temperature = nn.Parameter(torch.tensor([log(0.08)]))  # log tau_s

    def fit(self, train: Sequence[Sequence[Features]]) -> None:
        """Take the statistics that ready-made features are standardised by from those of the train part."""
        tokens = {s: self.enter[modality_of(s)].tokens for s in self.streams}
        vectors = {s: t.standardise for s, t in tokens.items() if isinstance(t, Vector)}
        fit_streams(vectors, train, pooled=True)

    def forward(self, batch: Batch) -> Output:
        real = batch.mask
        streams = {m: batch.streams[s] for m, s in zip(self.modes, self.streams, strict=True)}
        entered = {m: self.enter[m](s.values[real], s.mask[real]) for m, s in streams.items()}
        z, there = {m: x for m, (x, _) in entered.items()}, {m: seen for m, (_, seen) in entered.items()}
        present = {m: s.mask[real].any(dim=1) for m, s in streams.items()}
        z_out = self._encoded(z, there, present)
        logits = {b: turns(self.classify[b](z_b).float(), real) for b, z_b in z_out.items()}
        return Output(
            logits=logits[FUSION],
            by_modality={m: logits[m] for m in self.modes},
            present={m: turns(here, real) for m, here in present.items()},
            joint={b: self.join[b](z_b).float() for b, z_b in z_out.items()},
            temperature=self.log_temperature.exp().clamp(*TEMPERATURES)[0],
        )

    def _encoded(
        self,
        z: dict[Modality, Float[Tensor, "n _ dim"]],
        there: dict[Modality, Bool[Tensor, "n _"]],
        present: dict[Modality, Bool[Tensor, " n"]],
    ) -> dict[str, Float[Tensor, "n dim"]]:
        """z_out of each branch."""
        keys = _unless_all(torch.cat([there[m] & present[m][:, None] for m in self.modes], dim=1))
        seen = {m: _unless_all(mask) for m, mask in there.items()}
        f = self.aggregate.expand(len(z[self.modes[0]]), -1)
        for n in range(self.config.layers):
            layer = self.layers[n % len(self.layers)]
            if self.config.checkpointing and self.training:
                f, z = checkpoint(layer, f, z, seen, keys, use_reentrant=False)
            else:
                f, z = layer(f, z, seen, keys)
        pooled = {**{m: x[:, 0] for m, x in z.items()}, FUSION: f}
        return {b: self.norms[b](x) for b, x in pooled.items()}


def _entrance(c: Config, stream: str, width: int) -> Entrance:
    modality = modality_of(stream)
    if width:
        tokens = Vector(width, c.dim)
    elif modality == Modality.TEXT:
        tokens = Words(c.vocabulary, c.words, c.dim)
    elif modality == Modality.AUDIO:
        tokens = Waveform(c.patch, -(-c.samples // c.patch), c.dim)
    else:
        tokens = Tubelets(c.tubelet, c.grid, c.dim)
    drop = 0.0 if width or modality == Modality.TEXT else c.drop_tokens
    return Entrance(tokens, c.dim, dropout=c.dropout, drop=drop)


def _classifier(c: Config) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(c.dim, c.head, bias=False),
        nn.LayerNorm(c.head),
        nn.GELU(),
        nn.Dropout(c.dropout),
        nn.Linear(c.head, c.classes),
    )


def _unless_all(mask: Bool[Tensor, "n _"]) -> Bool[Tensor, "n _"] | None:
    return None if mask.all() else mask


@dataclass(frozen=True, kw_only=True)
class Objective:
    """L_BCE and, weighted, L_LCC, L_MDL and L_NCE (Eq. 1).

    `calibration`, `distillation`, `contrast`: lambda_C, lambda_K, lambda_S. A branch counts where its
    modality is there, a label where it is annotated. `teacher`: how the peers teach together.

    Paper: L_BCE is not written out; tau_k before the distillation is trained, and tau_s.
    Code:  L_BCE of the fusion alone, through two sigmoids; contrast without the fusion.
    Here:  L_BCE of each branch, summed: "independently learn". tau_s is trained, between .01 and 1; 1 / tau_k
           is part of `distillation`: the paper's .08 would be distillation=.5 / .08.
    """

    calibration: float = 1.0
    distillation: float = 0.5
    contrast: float = 1.0
    teacher: Teacher = "geomean"

    def __call__(self, model: nn.Module, batch: Batch) -> dict[str, Float[Tensor, ""]]:
        out, real = model(batch), batch.mask
        targets, known = everywhere(batch.targets[real]), everywhere(batch.known[real])
        fused = everywhere(out.logits[real])
        peers = [everywhere(logits[real]) for logits in out.by_modality.values()]
        there = [everywhere(out.present[m][real]) for m in out.by_modality]
        bce = binary_cross_entropy(fused, targets, known)
        for logits, here in zip(peers, there, strict=True):
            bce = bce + binary_cross_entropy(logits, targets, known & here[:, None])
        terms = {"bce": bce}
        if self.calibration:
            terms["lcc"] = self.calibration * label_consistency(fused, targets, known)
        if self.distillation:
            distilled = multimodal_distillation(fused, peers, there, known, teacher=self.teacher)
            terms["mdl"] = self.distillation * distilled
        if self.contrast:
            views = [everywhere(f) for f in out.joint.values()]
            some = torch.stack(there).any(dim=0)  # where nothing is, the fusion has nothing to be told by
            terms["nce"] = self.contrast * pairwise_nce(views, [*there, some], temperature=out.temperature)
        return terms
