"""AM2-EmoJE: Adaptive Missing-Modality Emotion Recognition in Conversation via Joint Embedding Learning.

Devulapally, Anand, Bhattacharjee and Yuan, ICME 2024. **A declared reconstruction**: all that we could read
of it is the abstract, a summary by others and, in a thesis, a paragraph and the tables (Sections 3.3 and
5.3), without an equation. Here it is AMuSE by the same authors up to the cross-attended descriptors and from
the dialogue on, and between them what those sentences name. Symbols, of which none is the paper's:
    f_m   a mode of an utterance, step by step: words, voice, face, body (AMuSE III-A)
    c_m   its cross-attended descriptor (AMuSE III-B)
    s_m   how much it counts; q, all modes together by these
    p_m   its place in the joint space
    z     an utterance, whole: what is missing is told by the rest
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from affectline.batch import Batch, Features, turns
from affectline.losses import binary_cross_entropy, focal, infonce, nce, pairwise_nce, rating_cross_entropy
from affectline.models.amuse import Unimodal
from affectline.nn.context import DialogueContext, SpeakerContext
from affectline.nn.joint_space import JointSpace, Query, weights
from affectline.nn.man import MAN
from affectline.nn.ranks import everywhere
from affectline.nn.standardise import fit_streams
from affectline.types import Modality, modality_of

TEMPERATURES = (0.01, 1.0)  # that of the joint space stays between them, as CLIP's does

Turns = Float[Tensor, "batch utterance classes"]


@dataclass(frozen=True, kw_only=True)
class Config:
    """The sizes of the network.

    `streams`: the width of each stream. Each is a mode of its own, and may be missing by itself: the face
    without the body. `attention`, `heads`, `layers`, `context`: as in AMuSE. `joint`: the width of the joint
    space; 0 = none, and nothing stands in for what is missing. `several`: whether an utterance may show
    several classes. `answers`: the streams whose last numbers are logits of the classes, as an encoder that
    was trained before has them; the model says what they say until it learns better. `asked`: labels that
    one layer more tells from the classes, where others are asked for than were learnt; 0: the classes.

    Paper: no size is known.
    Here:  AMuSE's, and a joint space as wide as a descriptor.
    """

    classes: int
    streams: Mapping[str, int]
    dim: int = 256
    attention: int = 2
    heads: int = 8
    layers: int = 4
    context: int = 100
    joint: int = 256
    dropout: float = 0.2
    several: bool = False
    answers: tuple[str, ...] = ()
    asked: int = 0

    @property
    def labels(self) -> int:
        """How many it says something of."""
        return self.asked or self.classes


@dataclass(frozen=True)
class Output:
    """`there`, `joint` (p_m) and `missed` are by stream, with rows for real utterances.

    `missed`: how far a guess is from the descriptor, for those that are there and have others to be told by;
    `told` says which these are. The last two are empty where there is no joint space.
    """

    logits: Turns
    by_modality: Mapping[Modality, Turns]
    present: Mapping[Modality, Bool[Tensor, "batch utterance"]]
    there: Mapping[str, Bool[Tensor, " n"]]
    joint: Mapping[str, Float[Tensor, "n joint"]]
    missed: Float[Tensor, "n mode"]
    told: Bool[Tensor, "n mode"]
    temperature: Float[Tensor, ""]


class EmoJE(nn.Module):
    """Each mode in the light of the others, all of them together and whole, the conversation.

    Where a conversation has nothing at all, the answer is how common the classes are in the train part.

    Paper: keeps "mode-invariant and mode-exclusive" parts, and details in space and time of the dialogue.
    Here:  q is the invariant part, the descriptors side by side the exclusive one; a layer joins them. What
           each mode says by itself, before it sees the others, is part of the answer too, weighted as q is:
           a head on c_m would learn from the words what it calls the voice. What follows is AMuSE's (III-D),
           but that the classifier sees the utterance itself beside what is around it: on CMU-MOSI, by dev,
           the surroundings alone know less. An utterance of which nothing is there keeps its place among the
           others, as the joint space tells it from nothing.
    """

    context = True

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = c = config
        self.streams = tuple(c.streams)
        modes, around = len(self.streams), 2 * c.context
        self.unimodal = nn.ModuleList(
            Unimodal({s: w}, c.dim, c.attention, c.dropout) for s, w in c.streams.items()
        )
        self.man = MAN(self.streams, c.dim, c.heads, c.layers)
        self.heads = nn.ModuleList(nn.Linear(c.dim, c.classes) for _ in self.streams)
        self.query = Query(modes, c.dim)
        self.space = JointSpace(modes, c.dim, c.joint) if c.joint else None
        self.log_temperature = nn.Parameter(torch.tensor([log(0.07)])) if c.joint else None
        self.join = nn.Linear((1 + modes) * c.dim, c.dim)
        self.dropout = nn.Dropout(c.dropout)
        self.dialogue = DialogueContext(c.dim, c.context, dropout=c.dropout)
        self.speaker = SpeakerContext(c.dim, c.context, dropout=c.dropout)
        self.classify = nn.Linear(c.dim + 2 * around, c.classes)
        if c.answers:
            for layer in (self.classify, *self.heads):
                nn.init.zeros_(layer.weight)  # pyright: ignore[reportArgumentType]
                nn.init.zeros_(layer.bias)  # pyright: ignore[reportArgumentType]
        self.ask = nn.Linear(c.classes, c.asked) if c.asked else nn.Identity()
        self.prior = nn.Buffer(torch.zeros(c.labels))  # logits where nothing is there at all

    def fit(self, train: Sequence[Sequence[Features]]) -> None:
        """Take the statistics that features are standardised by from those of the train part."""
        modes = [mode for mode in self.unimodal if isinstance(mode, Unimodal)]
        modules = {s: mode.standardise[0] for s, mode in zip(self.streams, modes, strict=True)}
        fit_streams(modules, train, pooled=False)

    @torch.no_grad()
    def fit_prior(
        self, targets: Float[Tensor, "utterance classes"], known: Bool[Tensor, "utterance classes"]
    ) -> None:
        """Count the classes of the train part, each once more than it is there, and once more than not.

        The logarithm of how often each holds to how often not; where one alone holds, to all.
        """
        holds = (targets * known).sum(dim=0) + 1
        others = known.sum(dim=0) + 2 - holds if self.config.several else holds.sum()
        self.prior.copy_((holds / others).log())

    def forward(self, batch: Batch) -> Output:
        real = batch.mask
        f = {
            s: enter({s: (batch.streams[s].values[real], batch.streams[s].mask[real])})
            for s, enter in zip(self.streams, self.unimodal, strict=True)
        }
        there = torch.stack([mask.any(dim=1) for _, mask in f.values()], dim=1)
        c = self.dropout(torch.stack([*self.man(f).values()], dim=1))
        s = self.query(c)
        q = (weights(s, there)[..., None] * c).sum(dim=1)
        p, guess = self.space(c, s, there) if self.space else (None, torch.zeros_like(c))
        whole = torch.where(there[..., None], c, guess)
        z = turns(self.join(torch.cat([q, whole.flatten(1)], dim=1)), real)
        around = [self.speaker(z, batch.speakers, real), self.dialogue(z, real)]
        logits = self.classify(self.dropout(torch.cat([z, *around], dim=2)))
        own = self.dropout(torch.stack([_mean(*x) for x in f.values()], dim=1))
        said = torch.stack([head(x) for head, x in zip(self.heads, own.unbind(dim=1), strict=True)], dim=1)
        said = said + torch.stack([self._answered(s, batch) for s in self.streams], dim=1)
        logits = logits + turns((weights(s, there)[..., None] * said).sum(dim=1), real)
        something = turns(there.any(dim=1), real).any(dim=1)[:, None, None]
        by_modality, present = self._alone(said, there)
        return Output(
            logits=torch.where(something, self.ask(logits), self.prior),
            by_modality={m: turns(self.ask(said), real) for m, said in by_modality.items()},
            present={m: turns(here, real) for m, here in present.items()},
            there=self._by_stream(there),
            joint={} if p is None else self._by_stream(p),
            missed=(guess - c.detach()).square().mean(dim=2),
            told=there & (there.sum(dim=1, keepdim=True) > 1),
            temperature=self._temperature(c),
        )

    def _answered(self, stream: str, batch: Batch) -> Float[Tensor, "n classes"]:
        """What the encoder of a stream has said already; 0 where it says nothing."""
        classes = self.config.classes
        if stream in self.config.answers:
            return batch.streams[stream].pooled()[batch.mask][:, -classes:]
        return self.prior.new_zeros(int(batch.mask.sum()), classes)

    def _by_stream(self, x: Tensor) -> dict[str, Tensor]:
        return dict(zip(self.streams, x.unbind(dim=1), strict=True))

    def _temperature(self, like: Tensor) -> Float[Tensor, ""]:
        found = like.new_ones(1) if self.log_temperature is None else self.log_temperature.exp()
        return found.clamp(*TEMPERATURES)[0]

    def _alone(
        self, said: Float[Tensor, "n mode classes"], there: Bool[Tensor, "n mode"]
    ) -> tuple[dict[Modality, Float[Tensor, "n classes"]], dict[Modality, Bool[Tensor, " n"]]]:
        """What each modality says by itself: the mean of what its modes say that are there."""
        of = [modality_of(stream) for stream in self.streams]
        logits, present = {}, {}
        for modality in dict.fromkeys(of):
            own = [n for n, m in enumerate(of) if m == modality]
            here = there[:, own]
            total = (said[:, own] * here[..., None]).sum(dim=1)
            logits[modality] = total / here.sum(dim=1, keepdim=True).clamp(min=1)
            present[modality] = here.any(dim=1)
        return logits, present


def _mean(x: Float[Tensor, "n time dim"], mask: Bool[Tensor, "n time"]) -> Float[Tensor, "n dim"]:
    """Over the steps that are there; 0 where none is."""
    counts = mask[..., None].to(x.dtype)
    return (x * counts).sum(dim=1) / counts.sum(dim=1).clamp(min=1)


@dataclass(frozen=True, kw_only=True)
class Objective:
    """What the classifier and the modalities' heads say; alignment, guidance, compensation.

    `heads`, `contrast`, `guided`, `compensation`: the weights of the last four. `body` is guided by `face`
    where a model has both of these streams and an utterance too. `temperature` is learned, from .07. Where
    one class alone holds answers are judged by a focal loss with this `gamma`; where several may, by the
    binary cross-entropy over the annotated ones and, with the weight `ratings`, by the annotators' shares.

    Paper: by the summary of others, a "CLIP-like" alignment of pairs and a "Guided NCE loss", which is to
           preserve privacy: body language in the place of the face. Neither is written down where we could
           read it, nor how compensation is learned.
    Here:  InfoNCE in both directions over all pairs of modes that an utterance has. The guide gets no
           gradient: the body moves to where its face is, so that it can stand for it. A descriptor that is
           there is the target, without gradient, of the guess that the others make.
    """

    gamma: float = 1.0
    heads: float = 1.0
    contrast: float = 1.0
    guided: float = 0.5
    compensation: float = 0.1
    ratings: float = 0.0
    body: str = "video.scene"
    face: str = "video.aus"

    def __call__(self, model: nn.Module, batch: Batch) -> dict[str, Float[Tensor, ""]]:
        assert isinstance(model, EmoJE)
        out, judged = model(batch), self._several if model.config.several else self._one
        terms = {"classes": judged(out.logits, batch, batch.mask)}
        if self.heads:
            each = [judged(said, batch, batch.mask & out.present[m]) for m, said in out.by_modality.items()]
            terms["heads"] = self.heads * torch.stack(each).mean()
        if len(out.joint) < 2:
            return terms
        if self.contrast:
            views, there = ([everywhere(x) for x in of.values()] for of in (out.joint, out.there))
            contrast = pairwise_nce(views, there, temperature=out.temperature, loss=infonce)
            terms["joint"] = self.contrast * contrast
        if self.guided and {self.body, self.face} <= set(out.joint):
            both = out.there[self.body] & out.there[self.face]
            body, face = (everywhere(out.joint[stream][both]) for stream in (self.body, self.face))
            terms["guided"] = self.guided * nce(body, face.detach(), temperature=out.temperature)
        if self.compensation:
            missed, told = everywhere(out.missed), everywhere(out.told)
            terms["compensation"] = self.compensation * (missed * told).sum() / told.sum().clamp(min=1)
        return terms

    def _one(self, logits: Turns, batch: Batch, rows: Bool[Tensor, "batch utterance"]) -> Float[Tensor, ""]:
        rows = rows & batch.known.all(dim=2)
        labels = everywhere(batch.targets[rows]).argmax(dim=1)
        return focal(everywhere(logits[rows]), labels, gamma=self.gamma)

    def _several(
        self, logits: Turns, batch: Batch, rows: Bool[Tensor, "batch utterance"]
    ) -> Float[Tensor, ""]:
        said, known = everywhere(logits[rows]), everywhere(batch.known[rows])
        loss = binary_cross_entropy(said, everywhere(batch.targets[rows]), known)
        if self.ratings:
            loss = loss + self.ratings * rating_cross_entropy(said, everywhere(batch.ratings[rows]), known)
        return loss
