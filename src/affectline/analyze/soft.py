"""A checkpoint as a function of parts that are there by halves, through which gradients flow.

It works for words that a late fusion's branch reads, and for faces, whether the checkpoint is that fusion or
a model that reads its `Vectors`.
"""

from collections.abc import Callable, Iterator, MutableMapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from affectline import faces
from affectline.batch import Stream, collate
from affectline.checkpoint import Checkpoint, subset
from affectline.checkpoint.vectors import Vectors
from affectline.explain.parts import Perturbation
from affectline.explain.regions import Regions
from affectline.explain.words import Words
from affectline.features import Array, Extractor, extract
from affectline.features.text_tokens import Tokens
from affectline.features.video_faces import Faces
from affectline.models.late_fusion import FaceBranch, LateFusion, TextBranch
from affectline.nn.small_cnn import standardise
from affectline.types import Modality, modality_of

Masks = Float[Tensor, "n part"]
Vector = Float[Tensor, "n dim"]
PADDING = 0  # the word piece that stands for nothing
ABSENT = {Modality.TEXT: "padding", Modality.VIDEO: "flat colour"}
"""What stands in place of a part that is not there."""


@dataclass(frozen=True)
class _Encoder:
    """What reads a modality: an extractor, and a branch of a late fusion, which may be the model itself."""

    source: Extractor
    model: LateFusion
    vectors: Vectors | None


class Soft:
    """The probabilities of emotions, of an utterance of which each part is there from 0 to 1.

    `memo`: what extractors made of the conversation before, as in `extract`.

    Raises:
        ValueError: the checkpoint reads this modality in a way that gradients do not lead through.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        perturbation: Perturbation,
        emotions: Sequence[str],
        memo: MutableMapping[str, Array] | None = None,
    ) -> None:
        self._checkpoint, self._talk, self._index = checkpoint, perturbation.conversation, perturbation.index
        self._columns = [checkpoint.labels.names.index(name) for name in emotions]
        self._encoder = _encoder(checkpoint, Modality(perturbation.modality))
        self._modality = Modality(perturbation.modality)
        self._read = _reader(self._encoder, perturbation)
        (self._features,) = extract([self._talk], checkpoint.extractors, memo=memo)

    def __call__(self, masks: Masks) -> Float[Tensor, "n emotion"]:
        read = self._read(masks)
        logits = self._through(read) if self._encoder.vectors else self._fused(read[self._index])
        scores = self._probabilities(logits)
        return scores[:, self._columns]

    def _fused(self, vector: Vector) -> Float[Tensor, "n classes"]:
        """What a late fusion says, of which one branch gives this."""
        model, row = self._encoder.model, self._features[self._index]
        logits, present = {}, {}
        for m in map(Modality, model.branches):
            array = row[model.branch(m)[0]]
            if m is self._modality:
                logits[m] = model.answer(m, vector)[None]
            else:
                values, there = torch.from_numpy(array)[None, None], torch.ones(1, 1, len(array)) > 0
                with torch.no_grad():
                    said = model.branches[m](Stream(values, there))
                logits[m] = said.expand(1, len(vector), -1)
            present[m] = torch.full((1, len(vector)), len(array) > 0)
        return model.fuse(logits, present)[0]

    def _through(self, read: dict[int, Vector]) -> Float[Tensor, "n classes"]:
        """What a model says that reads these vectors among all others of the conversation."""
        vectors, model = self._encoder.vectors, self._checkpoint.model
        assert vectors is not None
        count = len(next(iter(read.values())))
        batch = collate([self._talk] * count, [self._features] * count, self._checkpoint.labels)
        stream = batch.streams[vectors.stream]
        values = stream.values.clone()
        for index, vector in read.items():
            said = [self._encoder.model.answer(vectors.modality, vector)] if vectors.answers else []
            values[:, index, 0] = torch.cat([vector, *said], dim=1)
        batch.streams[vectors.stream] = Stream(values, stream.mask)  # pyright: ignore[reportIndexIssue]
        return model(batch).logits[:, self._index]

    def _probabilities(self, logits: Float[Tensor, "n classes"]) -> Float[Tensor, "n classes"]:
        checkpoint = self._checkpoint
        if not checkpoint.labels.multilabel:
            return (logits / checkpoint.temperature).softmax(dim=1)
        own = self._features[self._index]
        there = {modality_of(e.stream) for e in checkpoint.extractors if len(own[e.stream])}
        scale, bias = checkpoint.calibration.get(subset(there), ((1.0,), (0.0,)))
        return (logits * torch.tensor(scale) + torch.tensor(bias)).sigmoid()


def _encoder(checkpoint: Checkpoint, modality: Modality) -> _Encoder:
    model = checkpoint.model
    if checkpoint.windows is None and isinstance(model, LateFusion) and modality in model.branches:
        stream, branch = model.branch(modality)
        (source,) = (e for e in checkpoint.extractors if e.stream == stream)
        if isinstance(branch, TextBranch | FaceBranch):
            return _Encoder(source, model, None)
    for extractor in checkpoint.extractors if checkpoint.windows is None else ():
        if isinstance(extractor, Vectors) and extractor.modality is modality:
            encoder = extractor.network
            if isinstance(encoder.branch(modality)[1], TextBranch | FaceBranch):
                return _Encoder(extractor.source, encoder, extractor)
    raise ValueError(
        f"integrated gradients do not lead from the answers of {checkpoint.name!r} to its {modality}, as "
        "they do to words and faces that a late fusion reads; take lime or shap"
    )


def _reader(encoder: _Encoder, perturbation: Perturbation) -> Callable[[Masks], dict[int, Vector]]:
    """From masks to the vectors of the utterances that they change, by their place."""
    if isinstance(perturbation, Words) and isinstance(encoder.source, Tokens):
        pieces = {n: _Pieces.of(encoder.source, perturbation, n) for n, _ in perturbation.places}
        branch = encoder.model.branch(Modality.TEXT)[1]
        assert isinstance(branch, TextBranch)
        return lambda masks: {n: piece(branch, masks) for n, piece in pieces.items()}
    if isinstance(perturbation, Regions) and perturbation.track is not None:
        branch, source = encoder.model.branch(Modality.VIDEO)[1], encoder.source
        assert isinstance(branch, FaceBranch)
        assert isinstance(source, Faces)
        shown = _Shown.of(source, perturbation)
        return lambda masks: {perturbation.index: shown(branch, masks)}
    raise ValueError("integrated gradients lead to words and to the regions of a face; take lime or shap")


@dataclass(frozen=True, eq=False)
class _Pieces:
    """The word pieces of an utterance; `owner`: the part that each is of, or the one after the last."""

    ids: Int[Tensor, " piece"]
    owner: Int[Tensor, " piece"]

    @classmethod
    def of(cls, tokens: Tokens, words: Words, index: int) -> "_Pieces":
        text = words.conversation.utterances[index].text or ""
        starts = [n for n, c in enumerate(text) if not c.isspace() and (n == 0 or text[n - 1].isspace())]
        part = {w: p for p, (u, own) in enumerate(words.places) if u == index for w in own}
        ids, spans = tokens.pieces(text)
        owner = [
            part.get(int(np.searchsorted(starts, begin, side="right")) - 1, len(words.parts))
            if end > begin
            else len(words.parts)
            for begin, end in spans
        ]
        return cls(torch.tensor(ids), torch.tensor(owner))

    def __call__(self, branch: TextBranch, masks: Masks) -> Vector:
        layer = branch.encoder.embeddings.word_embeddings
        assert isinstance(layer, nn.Embedding)
        ids = self.ids.expand(len(masks), -1)
        there = torch.cat([masks, torch.ones(len(masks), 1)], dim=1)[:, self.owner, None]
        embedded = there * layer(ids) + (1 - there) * layer.weight[PADDING]
        with _instead(layer, embedded):
            return branch.embed(ids, torch.ones_like(ids) > 0)


@contextmanager
def _instead(layer: nn.Module, output: Tensor) -> Iterator[None]:
    """The layer gives this, whatever it is given."""
    hook = layer.register_forward_hook(lambda *_: output)
    try:
        yield
    finally:
        hook.remove()


@dataclass(frozen=True, eq=False)
class _Shown:
    """Crops of a face as they are, and what stands for them; `owner`: the part that each pixel is of."""

    plain: Float[Tensor, "time size size 3"]
    covered: Float[Tensor, "time size size 3"]
    owner: Int[Tensor, "size size"]

    @classmethod
    def of(cls, source: Faces, regions: Regions) -> "_Shown":
        clips = (c(np.full(len(regions.parts), on)) for c, on in ((regions, True), (regions, False)))
        found = [c.utterances[regions.index].clip for c in clips]
        size = (source.rate, source.size, min(source.limit, regions.most or source.limit))
        assert regions.track is not None
        plain, covered = (
            torch.from_numpy(faces.crops(clip, regions.track, *size)).float() for clip in found if clip
        )
        rows, columns = regions.labels.shape
        at = (np.arange(source.size) + 0.5) / source.size
        owner = regions.labels[(at * rows).astype(int)][:, (at * columns).astype(int)]
        return cls(plain, covered, torch.from_numpy(owner))

    def __call__(self, branch: FaceBranch, masks: Masks) -> Vector:
        there = masks[:, None, self.owner, None]
        seen = there * self.plain + (1 - there) * self.covered
        found = branch.net.embed(standardise(seen.flatten(0, 1), branch.net.size))
        return found.unflatten(0, (len(masks), -1)).mean(dim=1)
