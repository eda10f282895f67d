"""Several one-modality classifiers become one model that takes whatever is there.

No corpus at hand has words, voice and face of one utterance with emotions of its own, so the weights of the
modalities are learned on made-up utterances: a comment, a take and a face that were annotated apart with the
same single emotion. That tells how far to trust each modality for each label. It does not tell how modalities
agree in one person at one moment; a weighted mean, unlike a sum of evidence, does not pretend to know that.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from affectline.checkpoint import Checkpoint, load_trained, save, trained
from affectline.machines import Machines
from affectline.models import Inferred, infer
from affectline.models.late_fusion import STREAMS, LateFusion
from affectline.nn.ranks import leads
from affectline.recipes import Data, Fusion, Progress
from affectline.recipes import load as load_split
from affectline.recipes.decisions import fit_abstention, manifest_of, thresholds, versions
from affectline.recipes.encoders import train_parts
from affectline.types import LabelSpace, Modality


def train(
    fusion: Fusion,
    root: Path,
    out: Path,
    *,
    name: str,
    seed: int,
    machines: Machines | None,
    resume: bool,
    progress: Progress,
) -> Checkpoint:
    """Train the parts, each in a folder of its own below `out`, then join them."""
    how: Any = {"seed": seed, "machines": machines, "resume": resume, "progress": progress}
    parts = train_parts(fusion.parts, root, out, **how)
    dev = {m: load_split(recipe, root, "dev", progress) for m, recipe in fusion.parts.items()}
    checkpoint = join(fusion, parts, dev, name=name or out.name, seed=seed)
    if leads():
        save(checkpoint, out, half=True)
    return checkpoint


def join(
    fusion: Fusion,
    parts: Mapping[Modality, Checkpoint],
    dev: Mapping[Modality, Data],
    *,
    name: str,
    seed: int = 0,
) -> Checkpoint:
    """One checkpoint out of one for each modality: weights, thresholds and abstention are fitted on dev."""
    labels = next(iter(fusion.parts.values())).labels
    model = LateFusion(fusion.config).eval()
    load_trained(model, merged(model, parts))
    alone = {m: judged(model, m, data, labels) for m, data in dev.items()}
    rows = tuples(alone, fusion.tuples, seed)
    learn_weights(model, joined(model, alone, rows, set(alone)).out)
    sets = [*alone.values(), *(joined(model, alone, rows, kept) for kept in several(alone))]
    checkpoint = Checkpoint(
        name=name,
        model=model,
        labels=labels,
        extractors=fusion.extractors,
        thresholds={k: v for judged_ in sets for k, v in thresholds(judged_.out).items()},
        about={
            "data": [recipe.data for recipe in fusion.parts.values()],
            "languages": ["en"],
            "versions": versions(),
        }
        | manifest_of(next(iter(fusion.parts.values()))),
    )
    rule = fit_abstention(checkpoint, [(s.out, s.lengths) for s in sets])
    return replace(checkpoint, abstention=rule)


def merged(model: LateFusion, parts: Mapping[Modality, Checkpoint]) -> dict[str, Tensor]:
    """The state of the joined model: each branch from its own part, the rest as it is."""
    state = trained(model)
    for modality, part in parts.items():
        state |= {n: t for n, t in trained(part.model).items() if n.startswith(f"branches.{modality}.")}
    return state


@dataclass(frozen=True)
class Judged:
    """Utterances as a model sees them, with how much of each modality they have."""

    out: Inferred
    lengths: Sequence[Mapping[Modality, int]]


def judged(model: LateFusion, modality: Modality, data: Data, labels: LabelSpace) -> Judged:
    """Utterances that have one modality, through a model that knows several."""
    empty: dict[str, np.ndarray] = {
        STREAMS[Modality.TEXT]: np.zeros((0,), np.int64),
        STREAMS[Modality.AUDIO]: np.zeros((0, 64), np.float32),
        STREAMS[Modality.VIDEO]: np.zeros((0, 48, 48, 3), np.uint8),
    }
    stream = STREAMS[modality]
    features = [[{**empty, stream: u[stream]} for u in row] for row in data.features]
    out = infer(model, data.conversations, features, labels)
    return Judged(out, [{modality: len(u[stream])} for row in features for u in row])


def tuples(alone: Mapping[Modality, Judged], count: int, seed: int) -> dict[Modality, np.ndarray]:
    """`count` rows for each label, of one utterance per modality that shows that label and no other."""
    rng = np.random.default_rng(seed)
    rows: dict[Modality, list[np.ndarray]] = {m: [] for m in alone}
    for label in range(next(iter(alone.values())).out.targets.shape[1]):
        pools = {m: _showing(j.out, label) for m, j in alone.items()}
        if all(len(pool) for pool in pools.values()):
            for m, pool in pools.items():
                rows[m].append(rng.choice(pool, count))
    return {m: np.concatenate(found) for m, found in rows.items()}


def _showing(out: Inferred, label: int) -> np.ndarray:
    return np.flatnonzero(
        (out.targets[:, label] > 0) & (out.targets.sum(axis=1) == 1) & out.known.all(axis=1)
    )


def several(modalities: Iterable[Modality]) -> list[set[Modality]]:
    """Every set of two or more."""
    names = list(modalities)
    return [set(c) for size in range(2, len(names) + 1) for c in combinations(names, size)]


def joined(
    model: LateFusion,
    alone: Mapping[Modality, Judged],
    rows: Mapping[Modality, np.ndarray],
    kept: set[Modality],
) -> Judged:
    """The made-up utterances of `tuples`, with these modalities."""
    by_modality = {m: j.out.by_modality[m][rows[m]] for m, j in alone.items()}
    size = len(next(iter(by_modality.values())))
    present = {m: np.full(size, m in kept) for m in by_modality}
    with torch.no_grad():
        fused = model.fuse(
            {m: torch.from_numpy(x).unsqueeze(0).float() for m, x in by_modality.items()},
            {m: torch.from_numpy(x).unsqueeze(0) for m, x in present.items()},
        )
    one = next(iter(kept))
    truth = {k: getattr(alone[one].out, k)[rows[one]] for k in ("targets", "known", "ratings")}
    out = Inferred(fused[0].numpy(), by_modality, present, **truth)
    lengths = [{m: alone[m].lengths[rows[m][n]][m] for m in kept} for n in range(size)]
    return Judged(out, lengths)


def learn_weights(model: LateFusion, out: Inferred, steps: int = 300) -> None:
    """Fit the weights of the modalities alone, on every set of two or more of them at once."""
    logits = {m: torch.from_numpy(x).unsqueeze(0).float() for m, x in out.by_modality.items()}
    targets = torch.from_numpy(out.targets).unsqueeze(0)
    optimizer = torch.optim.Adam(model.weights.parameters(), lr=0.05)
    for _ in range(steps):
        loss = sum((_loss(model, logits, kept, targets) for kept in several(logits)), torch.zeros(()))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def _loss(
    model: LateFusion, logits: Mapping[Modality, Tensor], kept: set[Modality], targets: Tensor
) -> Float[Tensor, ""]:
    present = {m: torch.full(targets.shape[:2], m in kept) for m in logits}
    return binary_cross_entropy_with_logits(model.fuse(logits, present), targets)
