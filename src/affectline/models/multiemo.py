"""MultiEMO: An Attention-Based Correlation-Aware Multimodal Fusion Framework (Shi and Huang, ACL 2023).

Symbols, as in the paper:
    h   features of an utterance, one vector for each modality (Section 3.3)
    c   the same in the context of the conversation, `dim` wide
    f   the same after fusion with the other modalities (Section 3.4)
    z   joint feature, which the contrastive loss sees (Eq. 14)
    l   hidden layer of the classifier (Eq. 15)
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from affectline.batch import Batch, Features, Stream
from affectline.losses import (
    class_weights,
    sample_weighted_focal_contrastive,
    soft_hgr,
    soft_hgr_release,
)
from affectline.nn.attention import MultiAttn
from affectline.nn.context import TransformerContext
from affectline.nn.conversation_encoder import ConversationEncoder
from affectline.nn.dialogue_rnn import DialogueRNN
from affectline.nn.ranks import everywhere
from affectline.nn.standardise import Standardise, fit_streams
from affectline.nn.text_encoder import MINILM, TextEncoder
from affectline.types import Modality, modality_of

Turns = Float[Tensor, "batch utterance dim"]
Mask = Bool[Tensor, "batch utterance"]

REDUCED = 512  # what features wider than twice as much are reduced to


@dataclass(frozen=True, kw_only=True)
class Config:
    """The sizes of the network; the defaults are the paper's, for IEMOCAP.

    `streams`: the width of each stream, one for each modality; what is not named is not built. 0: its values
    are word pieces, read by a transformer that is trained along: `encoder`, a name on the hub, a folder or
    "minilm"; those of "text.turns" by MiniLM, a whole conversation at once.
    `recurrent`, `two_stage`: the modalities whose context a DialogueRNN or a transformer over the utterances
    models. `head`: the classifier's hidden layer.

    Paper: text comes with its context from the encoder, voice and face get a DialogueRNN of both directions
           (Majumder et al. 2019); the same for both corpora.
    Code:  a third DialogueRNN on the text for IEMOCAP; forward only for MELD.
    Here:  the paper; the recipes of the release set `recurrent` and `bidirectional`.
    """

    classes: int
    streams: Mapping[str, int]
    recurrent: tuple[str, ...] = ("audio", "video")
    two_stage: tuple[str, ...] = ()
    bidirectional: bool = True
    encoder: str = MINILM
    dim: int = 256
    heads: int = 4
    layers: int = 6
    hidden: int = 1024
    head: int = 256
    dropout: float = 0.1


@dataclass(frozen=True)
class Output:
    logits: Float[Tensor, "batch utterance classes"]
    z: Turns
    fused: Mapping[Modality, Turns]
    present: Mapping[Modality, Mask]
    by_modality: Mapping[Modality, Turns] = field(default_factory=dict)


class MultiEMO(nn.Module):
    """Context, fusion, classification (Figure 3), for any of the modalities.

    Where one is missing in an utterance it is no key for the others, and nothing of it reaches z.
    """

    context = True
    pretrained = ("contexts.text.features.encoder.",)

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.streams = tuple(config.streams)
        of = {modality_of(stream): self._context(stream) for stream in config.streams}
        self.contexts = nn.ModuleDict({m: context for m, context in of.items()})
        sizes = (config.layers, config.dim, config.heads, config.hidden, config.dropout)
        self.fuse = nn.ModuleDict({m: MultiAttn(len(of) - 1, *sizes) for m in of})
        self.join = nn.Linear(len(of) * config.dim, config.dim)
        self.classify = nn.Sequential(
            nn.Linear(config.dim, config.head), nn.ReLU(), nn.Linear(config.head, config.classes)
        )

    def fit(self, train: Sequence[Sequence[Features]]) -> None:
        """Take the statistics that features are standardised by from those of the train part."""
        features = {s: self.contexts[modality_of(s)].features for s in self.streams}
        vectors = {s: f.standardise for s, f in features.items() if isinstance(f, Vectors)}
        fit_streams(vectors, train, pooled=True)

    def _context(self, stream: str) -> "Context":
        c, modality, width = self.config, modality_of(stream), self.config.streams[stream]
        if width:
            features = Vectors(width)
        else:
            features = ConversationEncoder() if stream == "text.turns" else TextEncoder(c.encoder)
        model = None
        if modality in c.recurrent:
            model = DialogueRNN(c.dim, c.dim, bidirectional=c.bidirectional, dropout=c.dropout)
        elif modality in c.two_stage:
            model = TransformerContext(c.dim, c.heads, c.hidden, c.dropout)
        return Context(features, c.dim, model)

    def forward(self, batch: Batch) -> Output:
        present = {modality_of(s): batch.present(s) & batch.mask for s in self.streams}
        h = {modality_of(s): batch.streams[s] for s in self.streams}
        c = {m: self.contexts[m](h[m], batch.speakers, present[m]) for m in h}
        f = {m: self.fuse[m](c[m], present[m], [(c[o], present[o]) for o in c if o != m]) for m in c}
        z = self.join(torch.cat([f[m] for m in f], dim=-1))  # Eqs. 13-14
        return Output(self.classify(z), z, f, present)  # Eqs. 15-16


class Context(nn.Module):
    """One modality in the context of the conversation (Section 3.3): zeros where it is missing."""

    def __init__(self, features: nn.Module, dim: int, model: nn.Module | None) -> None:
        super().__init__()
        self.features = features
        self.project = nn.Linear(features.width, dim)  # pyright: ignore[reportArgumentType]
        self.model = model

    def forward(self, stream: Stream, speakers: Int[Tensor, "batch utterance"], there: Mask) -> Turns:
        c = self.project(self.features(stream.values, stream.mask))
        c = c if self.model is None else self.model(c, speakers, there)
        return c * there.unsqueeze(-1)


class Vectors(nn.Module):
    """Features that are ready-made, averaged over time and standardised.

    Paper: openSMILE's 6373 features go through one fully-connected layer to 512 before the DialogueRNN.
    Code:  takes 512 features ready-made; how they were reduced is not public.
    Here:  features are standardised on the train part and cut off at 10 deviations; what is wider than 1,024
           is reduced to 512 by a layer that is trained along.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        wide = width > 2 * REDUCED
        self.standardise = Standardise(width)
        self.reduce = nn.Sequential(nn.Linear(width, REDUCED), nn.ReLU()) if wide else nn.Identity()
        self.width = REDUCED if wide else width

    def forward(
        self, values: Float[Tensor, "batch utterance time _"], mask: Bool[Tensor, "batch utterance time"]
    ) -> Turns:
        return self.reduce(self.standardise(Stream(values, mask).pooled()))


@dataclass(frozen=True, kw_only=True)
class Objective:
    """The training loss (Eq. 22; its last term is the optimiser's weight decay).

    `mu_1`, `mu_2`: the weights of SWFC and of Soft-HGR; cross-entropy has the rest. `power`, `temperature`,
    `focus`: alpha, tau and gamma of Eqs. 18-19. `counts`: how often each class is in the train part, which
    `weights="train"` needs; `fitted` puts them in.

    Paper: classes are counted in the batch; Soft-HGR counts 1/N as the other terms do.
    Code:  classes are counted in the train part and their weights sum to one; the release's form of Soft-HGR.
    Here:  the train part with weights of mean one, and the release's form; the recipes of the paper and of
           the release set theirs. Utterances without a label count nowhere, those that lack a modality not
           in Soft-HGR. Cross-entropy has what mu_1 and mu_2 leave, also where one modality alone leaves no
           correlation to maximise.
    """

    mu_1: float = 0.4
    mu_2: float = 0.3
    temperature: float = 0.8
    power: float = 0.8
    focus: float = 2.0
    hgr: Literal["paper", "release"] = "release"
    weights: Literal["batch", "train"] = "train"
    norm: Literal["none", "l1", "mean1"] = "mean1"
    counts: tuple[int, ...] | None = None

    def fitted(self, targets: Float[Tensor, "utterance classes"]) -> "Objective":
        """With the classes counted in the train part."""
        return replace(self, counts=tuple(targets.sum(dim=0).int().tolist()))

    def __call__(self, model: nn.Module, batch: Batch) -> dict[str, Float[Tensor, ""]]:
        out, real = model(batch), batch.mask & batch.known.all(dim=2)
        logits, z = everywhere(out.logits[real]), everywhere(out.z[real])
        labels = everywhere(batch.targets[real]).argmax(dim=1)
        ce = cross_entropy(logits, labels)  # Eq. 21, by Eq. 22 a mean
        terms = {"ce": (1 - self.mu_1 - self.mu_2) * ce}
        if self.mu_1:
            weights = self._weights(labels, logits.shape[1])
            swfc = sample_weighted_focal_contrastive(
                z, labels, weights, temperature=self.temperature, focus=self.focus
            )
            terms["swfc"] = self.mu_1 * swfc
        if self.mu_2 and len(out.fused) > 1:
            whole = real & torch.stack(list(out.present.values())).all(dim=0)
            views = [everywhere(f[whole]) for f in out.fused.values()]
            release = self.hgr == "release"
            hgr = soft_hgr_release(views) if release else soft_hgr(views) / max(len(views[0]), 1)
            terms["soft_hgr"] = self.mu_2 * hgr
        return terms

    def _weights(self, labels: Int[Tensor, " utterance"], classes: int) -> Float[Tensor, " classes"]:
        if self.weights == "batch":
            counts = torch.bincount(labels, minlength=classes)
        elif self.counts is None:
            raise ValueError("the classes of the train part are not counted: take objective.fitted(targets)")
        else:
            counts = torch.tensor(self.counts, device=labels.device)
        return class_weights(counts, power=self.power, norm=self.norm)
