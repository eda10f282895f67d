"""Several one-modality classifiers become one model that takes whatever is there.

No corpus at hand has words, voice and face of one utterance with emotions of its own, so the weights of the
modalities are learned on made-up utterances: a comment, a take and a face that were annotated apart with the
same single emotion. That tells how far to trust each modality for each label. It does not tell how modalities
agree in one person at one moment; a weighted mean, unlike a sum of evidence, does not pretend to know that.
"""

from collections.abc import Mapping
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from affectline.batch import Features
from affectline.checkpoint import Checkpoint, load, load_trained, save, trained
from affectline.models import infer
from affectline.models.late_fusion import STREAMS, LateFusion
from affectline.recipes import Data, Fusion, Progress, fit_abstention, thresholds, train_recipe, versions
from affectline.recipes import load as load_split
from affectline.types import Conversation, LabelSpace, Modality


def train(
    fusion: Fusion,
    root: Path,
    out: Path,
    *,
    name: str,
    seed: int,
    device: str,
    resume: bool,
    progress: Progress,
) -> Checkpoint:
    """Train the parts, each in a folder of its own below `out`, then join them."""
    parts: dict[Modality, Checkpoint] = {}
    for modality, recipe in fusion.parts.items():
        folder = out / modality
        done = resume and (folder / "config.json").exists()
        told: Progress = lambda stage, *rest, m=modality: progress(f"{m}: {stage}", *rest)  # noqa: E731
        settings = {"seed": seed, "device": device, "resume": resume, "progress": told}
        parts[modality] = load(folder) if done else train_recipe(recipe, root, folder, **settings)
    dev = {m: load_split(recipe, root, "dev", progress) for m, recipe in fusion.parts.items()}
    checkpoint = join(fusion, parts, dev, name=name or out.name, seed=seed)
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
    model = LateFusion(fusion.config)
    load_trained(model, merged(model, parts))
    made = tuples(dev, labels, fusion.tuples, seed)
    learn_weights(model, made, labels)
    checkpoint = Checkpoint(
        name=name,
        model=model,
        labels=labels,
        extractors=fusion.extractors,
        thresholds={},
        about={
            "data": [recipe.data for recipe in fusion.parts.values()],
            "languages": ["en"],
            "versions": versions(),
        },
    )
    sets = [*(with_all(data) for data in dev.values()), *subsets(made)]
    found = [thresholds(infer(model, d.conversations, d.features, labels)) for d in sets]
    checkpoint = replace(checkpoint, thresholds={key: value for f in found for key, value in f.items()})
    return replace(checkpoint, abstention=fit_abstention(checkpoint, sets))


def merged(model: LateFusion, parts: Mapping[Modality, Checkpoint]) -> dict[str, Tensor]:
    """The state of the joined model: each branch from its own part, the rest as it is."""
    state = trained(model)
    for modality, part in parts.items():
        state |= {n: t for n, t in trained(part.model).items() if n.startswith(f"branches.{modality}.")}
    return state


def tuples(dev: Mapping[Modality, Data], labels: LabelSpace, count: int, seed: int) -> Data:
    """`count` made-up utterances for each label, of one utterance per modality with that label alone."""
    rng = np.random.default_rng(seed)
    pools = {m: _by_label(data) for m, data in dev.items()}
    conversations: list[Conversation] = []
    features: list[list[Features]] = []
    for label in labels.names:
        if not all(pool.get(label) for pool in pools.values()):
            continue
        for n in range(count):
            rows = {m: int(rng.choice(pool[label])) for m, pool in pools.items()}
            first = dev[next(iter(rows))].conversations[rows[next(iter(rows))]].utterances[0]
            utterance = replace(first, id=f"{label}{n}", emotions=frozenset({label}), ratings=None)
            conversations.append(Conversation(utterance.id, (utterance,)))
            features.append([{s: a for m, i in rows.items() for s, a in dev[m].features[i][0].items()}])
    return Data(conversations, features)


def _by_label(data: Data) -> dict[str, list[int]]:
    pools: dict[str, list[int]] = {}
    for i, conversation in enumerate(data.conversations):
        emotions = conversation.utterances[0].emotions
        if emotions is not None and len(emotions) == 1:
            pools.setdefault(next(iter(emotions)), []).append(i)
    return pools


def subsets(data: Data) -> list[Data]:
    """The same utterances with every set of two modalities, and with all."""
    streams = [str(s) for s in data.features[0][0]]
    kept = [set(pair) for pair in combinations(streams, 2)] if len(streams) > 2 else []
    return [*(_keep(data, k) for k in kept), data]


def singles(data: Data) -> list[Data]:
    """The same utterances with each modality alone."""
    return [_keep(data, {str(s)}) for s in data.features[0][0]]


def with_all(data: Data) -> Data:
    """One-modality data with the other streams there, but empty."""
    empty: dict[str, np.ndarray] = {
        STREAMS[Modality.TEXT]: np.zeros((0,), np.int64),
        STREAMS[Modality.AUDIO]: np.zeros((0, 64), np.float32),
        STREAMS[Modality.VIDEO]: np.zeros((0, 48, 48, 3), np.uint8),
    }
    return Data(data.conversations, [[{**empty, **u} for u in row] for row in data.features])


def _keep(data: Data, streams: set[str]) -> Data:
    features = [
        [{s: a if s in streams else a[:0] for s, a in u.items()} for u in row] for row in data.features
    ]
    return Data(data.conversations, features)


def learn_weights(model: LateFusion, data: Data, labels: LabelSpace, steps: int = 300) -> None:
    """Fit the weights of the modalities alone, on every set of two or more of them at once."""
    out = infer(model, data.conversations, data.features, labels)
    logits = {m: torch.from_numpy(x).unsqueeze(0) for m, x in out.by_modality.items()}
    targets = torch.from_numpy(out.targets).unsqueeze(0)
    sets = [set(c) for k in range(2, len(logits) + 1) for c in combinations(logits, k)]
    optimizer = torch.optim.Adam(model.weights.parameters(), lr=0.05)
    for _ in range(steps):
        loss = sum((_loss(model, logits, chosen, targets) for chosen in sets), torch.zeros(()))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def _loss(
    model: LateFusion, logits: Mapping[Modality, Tensor], chosen: set[Modality], targets: Tensor
) -> Float[Tensor, ""]:
    shape = targets.shape[:2]
    present = {m: torch.full(shape, m in chosen) for m in logits}
    return binary_cross_entropy_with_logits(model.fuse(logits, present), targets)
