"""AMuSE: Adaptive Multimodal Analysis for Speaker Emotion Recognition in Group Conversations.

Devulapally, Anand, Bhattacharjee, Yuan and Chang, BigMM 2023. Symbols, as in the paper:
    f^m     a mode of an utterance, step by step (Section III-A)
    f_CA^m  its cross-attended descriptor, one vector (III-B)
    Q_m     the classes by that descriptor alone
    A(u)    the descriptors, adaptively fused (III-C)
    d, s    an utterance in its dialogue, and among those of its speaker (III-D)
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from affectline.batch import Batch, Features, Stream, turns
from affectline.losses import focal, pairwise_nce
from affectline.nn.adaptive_fusion import AdaptiveFusion, Alpha
from affectline.nn.context import DialogueContext, SpeakerContext
from affectline.nn.man import MAN, Masked
from affectline.nn.ranks import everywhere
from affectline.nn.standardise import Standardise, fit_streams
from affectline.types import Modality, modality_of

Steps = Float[Tensor, "n time dim"]
StepMask = Bool[Tensor, "n time"]
Raw = tuple[Float[Tensor, "n _time _width"], Bool[Tensor, "n _time"]]
Turns = Float[Tensor, "batch utterance classes"]


@dataclass(frozen=True, kw_only=True)
class Config:
    """The sizes of the network.

    `streams`: the width of each stream; those of one modality, such as the face and what is behind it,
    follow one another in time. `attention`: layers of self-attention in a mode; `layers`, `heads`: of MAN;
    `context`: units of the Bi-LSTMs in each direction; `alpha`, `epsilon`: of the adaptive fusion.

    Paper: gives 4 layers for MAN (Table V), no other size.
    Here:  256 wide, 8 heads, 2 layers of self-attention; for the Bi-LSTMs the release's: 100 units, 2 layers.
    """

    classes: int
    streams: Mapping[str, int]
    dim: int = 256
    attention: int = 2
    heads: int = 8
    layers: int = 4
    context: int = 100
    alpha: Alpha = "pseudo"
    epsilon: float = 0.3
    dropout: float = 0.2


@dataclass(frozen=True)
class Output:
    """`by_modality` are the logits of Q_m; `descriptors` and `fused`, A(u), have rows for real utterances."""

    logits: Turns
    by_modality: Mapping[Modality, Turns]
    present: Mapping[Modality, Bool[Tensor, "batch utterance"]]
    descriptors: Mapping[Modality, Float[Tensor, "n dim"]]
    fused: Float[Tensor, "n modes_x_dim"]


class AMuSE(nn.Module):
    """Each mode, each mode in the light of the others, their fusion, the conversation (Figure 2)."""

    context = True

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.streams = tuple(config.streams)
        self.modes = tuple(m for m in Modality if m in {modality_of(s) for s in self.streams})
        of = {m: {s: w for s, w in config.streams.items() if modality_of(s) == m} for m in self.modes}
        dim, classes = config.dim, config.classes
        self.unimodal = nn.ModuleDict({m: Unimodal(of[m], dim, config.attention) for m in self.modes})
        self.man = MAN(self.modes, dim, config.heads, config.layers)
        self.heads = nn.ModuleDict({m: nn.Linear(dim, classes) for m in self.modes})
        self.fuse = AdaptiveFusion(self.modes, dim, alpha=config.alpha, epsilon=config.epsilon)
        self.dropout = nn.Dropout(config.dropout)
        wide, around = len(self.modes) * dim, 2 * config.context
        self.dialogue = DialogueContext(wide, config.context, dropout=config.dropout)
        self.speaker = SpeakerContext(wide, config.context, dropout=config.dropout)
        self.classify = nn.Linear(2 * around, classes)

    def fit(self, train: Sequence[Sequence[Features]]) -> None:
        """Take the statistics that features are standardised by from those of the train part."""
        modes = [mode for mode in self.unimodal.values() if isinstance(mode, Unimodal)]
        modules = {s: m for mode in modes for s, m in zip(mode.streams, mode.standardise, strict=True)}
        fit_streams(modules, train, pooled=False)

    def forward(self, batch: Batch) -> Output:
        real = batch.mask
        f = {
            m: self.unimodal[m]({s: _rows(batch.streams[s], real) for s in self.streams}) for m in self.modes
        }
        there = {m: mask.any(dim=1) for m, (_, mask) in f.items()}
        f_ca = self.man(f)  # Eq. 1
        labels = batch.targets[real].argmax(dim=1) if self.config.alpha == "oracle" else None
        fused = self.fuse(f_ca, there, dict(self.heads.items()), labels)  # Eqs. 2 and 6
        a = turns(fused, real)
        d, s = self.dialogue(a, real), self.speaker(a, batch.speakers, real)
        return Output(
            logits=self.classify(self.dropout(torch.cat([s, d], dim=2))),
            by_modality={m: turns(self.heads[m](f_ca[m]), real) for m in self.modes},
            present={m: turns(there[m], real) for m in self.modes},
            descriptors={m: f_ca[m] for m in self.modes},
            fused=fused,
        )


def _rows(stream: Stream, real: Bool[Tensor, "batch utterance"]) -> Raw:
    """The real utterances, one after the other."""
    return stream.values[real], stream.mask[real]


class Unimodal(nn.Module):
    """One mode, step by step: a Bi-LSTM over each of its streams, then self-attention over all of them.

    Paper: w_{m+1} = linear(softmax(w_m w_m^T / sqrt(d)) w_m) without maps of query, key and value.
    Code:  text is one vector of a sentence, sound one of openSMILE.
    Here:  the paper; such a vector is a sequence of one step. A learned vector tells the streams of a mode
           apart.
    """

    def __init__(self, widths: Mapping[str, int], dim: int, layers: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.streams = tuple(widths)
        self.standardise = nn.ModuleList(Standardise(width) for width in widths.values())
        self.project = nn.ModuleList(nn.Linear(width, dim) for width in widths.values())
        self.lstm = nn.ModuleList(DialogueContext(dim, dim // 2, layers=1) for _ in widths)
        self.kind = nn.Parameter(torch.zeros(len(widths), dim))
        self.attention = nn.ModuleList(nn.Linear(dim, dim) for _ in range(layers))

    def forward(self, streams: Mapping[str, Raw]) -> Masked:
        parts = zip(self.streams, self.standardise, self.project, self.lstm, self.kind, strict=True)
        steps = []
        for stream, standardise, project, lstm, kind in parts:
            values, there = streams[stream]
            values = values.masked_fill(~there[..., None], 0.0)
            steps.append(lstm(project(self.dropout(standardise(values))), there) + kind)
        x = torch.cat(steps, dim=1)
        mask = torch.cat([streams[s][1] for s in self.streams], dim=1)
        for linear in self.attention:
            x = linear(_attended(x, mask))
        return x, mask


def _attended(w: Steps, mask: StepMask) -> Steps:
    """softmax(w w^T / sqrt(d)) w over the steps that are there; 0 where none is."""
    w = w.masked_fill(~mask[..., None], 0.0)
    scores = (w @ w.mT / w.shape[2] ** 0.5).masked_fill(~mask[:, None], torch.finfo(w.dtype).min)
    return scores.softmax(dim=2) @ w


@dataclass(frozen=True, kw_only=True)
class Objective:
    """Focal losses of the classifier and of the modes' heads, and L_ACE (Eqs. 3-5).

    `heads`, `contrast`: the weights of the last two. `temperature`: of L_ACE. `informative`: how much more
    the informative utterances count, those which the fusion makes a mode's head call something else.

    Paper: L_MAN = L_ACE + L_fl, without weights; how the classifier is trained is not said; informative
           samples come from the validation pool.
    Code:  focal loss of the final output, and AVID's contrast within and between modes, weight .5.
    Here:  all three together, weights 1 by default; informative are samples of the batch that is trained on.
    """

    gamma: float = 1.0
    heads: float = 1.0
    contrast: float = 1.0
    temperature: float = 0.07
    informative: float = 0.0

    def __call__(self, model: nn.Module, batch: Batch) -> dict[str, Float[Tensor, ""]]:
        out, real = model(batch), batch.mask & batch.known.all(dim=2)
        labels = everywhere(batch.targets[real]).argmax(dim=1)
        terms = {"focal": focal(everywhere(out.logits[real]), labels, gamma=self.gamma)}
        if self.heads:
            terms["heads"] = self.heads * of_heads(out.by_modality, out.present, batch, real, self.gamma)
        if self.contrast and len(out.descriptors) > 1:
            views = [everywhere(f) for f in out.descriptors.values()]
            there = [everywhere(out.present[m][batch.mask]) for m in out.descriptors]
            terms["ace"] = self.contrast * pairwise_nce(views, there, temperature=self.temperature)
        if self.informative:
            rows = real & turns(informative(model, out, batch), batch.mask)
            true = everywhere(batch.targets[rows]).argmax(dim=1)
            again = focal(everywhere(out.logits[rows]), true, gamma=self.gamma)
            terms["informative"] = self.informative * again
        return terms


def of_heads(
    by_modality: Mapping[Modality, Turns],
    present: Mapping[Modality, Bool[Tensor, "batch utterance"]],
    batch: Batch,
    real: Bool[Tensor, "batch utterance"],
    gamma: float,
) -> Float[Tensor, ""]:
    """The mean over the modalities of the focal losses of their own heads, where each is there."""
    terms = []
    for mode, logits in by_modality.items():
        rows = real & present[mode]
        labels = everywhere(batch.targets[rows]).argmax(dim=1)
        terms.append(focal(everywhere(logits[rows]), labels, gamma=gamma))
    return torch.stack(terms).mean()


@torch.no_grad()
def informative(model: nn.Module, out: Output, batch: Batch) -> Bool[Tensor, " n"]:
    """The real utterances of which some mode's head says another class after the fusion than before it."""
    assert isinstance(model, AMuSE)
    parts = out.fused.unflatten(1, (len(model.modes), -1)).unbind(dim=1)
    changed = [
        (model.heads[m](part).argmax(dim=1) != model.heads[m](out.descriptors[m]).argmax(dim=1))
        & out.present[m][batch.mask]
        for m, part in zip(model.modes, parts, strict=True)
    ]
    return torch.stack(changed).any(dim=0)
