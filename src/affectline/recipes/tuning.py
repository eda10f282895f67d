"""A trained checkpoint goes on with other data: what it knows stays, what it is asked for is learnt."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from shutil import copytree
from typing import Any

import torch
from torch import Tensor, nn

from affectline import corpora
from affectline.checkpoint import Checkpoint, Platt, load, load_trained, save, trained
from affectline.checkpoint.vectors import Vectors
from affectline.evaluation import Truth
from affectline.features import Extractor
from affectline.features.video_faces import seen_whole
from affectline.machines import Machines
from affectline.models import emoje, infer, late_fusion
from affectline.models.emoje import EmoJE
from affectline.models.late_fusion import LateFusion
from affectline.nn.ranks import leads
from affectline.recipes import Data, Objective, Progress, Recipe, Tuning, featured, one_by_one, run
from affectline.recipes.decisions import finish
from affectline.recipes.relabel import fit_layer
from affectline.report import LICENCES
from affectline.types import Conversation, LabelSpace

OBJECTIVES: Mapping[type[nn.Module], tuple[Objective, Objective]] = {
    LateFusion: (late_fusion.Objective(ratings=1.0), late_fusion.OneLabel()),
    EmoJE: (emoje.Objective(contrast=0.1, ratings=1.0), emoje.Objective(contrast=0.1)),
}
"""Of the models that can go on: where several labels may hold, and where one does."""


def train(
    tuning: Tuning,
    root: Path,
    out: Path,
    *,
    name: str,
    seed: int,
    machines: Machines | None,
    resume: bool,
    progress: Progress,
) -> Checkpoint:
    """Go on, choose the epoch and decide on dev as all recipes do, and write the checkpoint to `out`.

    Raises:
        ValueError: there is no such checkpoint or corpus, the model of that cannot go on, or a part of this
            has nothing that the model reads.
    """
    before, module = load(tuning.checkpoint), corpora.find(tuning.corpus, root / tuning.corpus)
    recipe = recipe_of(replace(tuning, train=replace(tuning.train, seed=seed)), before, module.LABELS)
    if getattr(module, "PICTURES_ARE_FACES", False):
        recipe = replace(recipe, extractors=seen_whole(recipe.extractors))
    named = None if recipe.labels != before.labels else module.LABELS.names
    learnt, dev = (_data(recipe, root, split, named, progress) for split in ("train", "dev"))
    if named is None:
        recipe = replace(recipe, start=partial(_told, before=before, learnt=learnt, labels=recipe.labels))
    long = sum(map(len, learnt.conversations)) / len(learnt.conversations)
    recipe = replace(recipe, train=replace(recipe.train, batch=max(1, round(recipe.train.batch / long))))
    model = run(recipe, learnt, dev, out, machines=machines, resume=resume, progress=progress)
    if named is not None:
        blend(model, trained(before.model), tuning.kept)
    made = finish(recipe, model, dev, name=name or out.name)
    if named is not None:
        made = _as_before(made, before, [label in named for label in recipe.labels.names])
    licence = before.about.get("licence", LICENCES.get(before.name))  # theirs is a work on its weights
    began = {"name": before.name, "sha256": before.sha256}
    about = {**made.about, "began_with": began} | ({"licence": licence} if licence else {})
    made = replace(made, about=about)
    if leads():
        made = replace(made, extractors=_carried(seen_whole(made.extractors, False), out))
        save(made, out, half=True)
    return made


@torch.no_grad()
def blend(model: nn.Module, first: Mapping[str, Tensor], kept: float) -> None:
    """Move a model's weights back, by the share `kept`, to those that it began with.

    What it knew before is lost last (WiSE-FT: Wortsman et al., Robust fine-tuning of zero-shot models, CVPR
    2022, Eq. 1).
    """
    for name, weights in trained(model).items():
        if name in first and weights.is_floating_point():
            weights.lerp_(first[name].to(weights), kept)


def recipe_of(tuning: Tuning, before: Checkpoint, labels: LabelSpace) -> Recipe:
    """The recipe that goes on from a checkpoint with a corpus of these labels.

    Where the checkpoint has all of them it keeps its own: so it can be compared with what it was, and what
    the corpus does not name stays. Else it learns those of the corpus: an EmoJE tells them from what it says
    of its own, a late fusion begins with what it knows of those that it has by name.

    Raises:
        ValueError: the model cannot go on.
    """
    kind = type(before.model)
    if kind not in OBJECTIVES:
        able = ", ".join(model.__name__ for model in OBJECTIVES)
        raise ValueError(f"{tuning.checkpoint} is a {kind.__name__}, and cannot go on: {able} can")
    same = before.labels.multilabel and {*labels.names} <= {*before.labels.names}
    asked, config = (before.labels if same else labels), before.model.config
    if not same:
        changes: dict[str, Any] = {"classes": len(asked.names)}
        if kind is EmoJE:
            changes = {"asked": len(asked.names), "several": asked.multilabel}
        config = replace(config, **changes)  # pyright: ignore
    several, one = OBJECTIVES[kind]
    begun = "; ".join(before.about.get("data", ()))
    return Recipe(
        labels=asked,
        corpus=tuning.corpus,
        read=tuning.read if getattr(kind, "context", True) else one_by_one(tuning.read),
        extractors=before.extractors,
        model=kind,
        config=config,
        objective=several if asked.multilabel else one,
        train=tuning.train,
        select="map" if asked.multilabel else "weighted_f1",
        start=partial(_begin, before=before, labels=asked),
        data=f"{begun}; then {tuning.corpus}",
        manifest=tuning.manifest,
    )


@torch.no_grad()
def _begin(model: nn.Module, before: Checkpoint, labels: LabelSpace) -> None:
    """All weights of the checkpoint; of those of a label, those that are of a label with the same name."""
    state = trained(before.model)
    if labels == before.labels:
        load_trained(model, state)
        return
    if isinstance(model, EmoJE):  # it says of its classes what it said, and tells the labels from that
        _body(model, state)
        return
    config: Any = before.model.config
    larger = trained(type(before.model)(replace(config, classes=config.classes + 1)))
    rows = [(n, before.labels.names.index(x)) for n, x in enumerate(labels.names) if x in before.labels.names]
    for name, new in trained(model).items():
        axes = [n for n, size in enumerate(larger[name].shape) if size != state[name].shape[n]]
        if not axes:
            new.copy_(state[name])
        for to, of in rows if axes else ():
            new.select(axes[0], to).copy_(state[name].select(axes[0], of))


def _told(model: nn.Module, before: Checkpoint, learnt: Data, labels: LabelSpace) -> None:
    """Begin; where labels are told from classes, as is likeliest in the train part."""
    _begin(model, before, labels)
    if not isinstance(model, EmoJE):
        return
    plain = EmoJE(replace(model.config, asked=0))
    _body(plain, trained(model))
    classes = LabelSpace(tuple(map(str, range(model.config.classes))), multilabel=True)
    unknown = [
        replace(c, utterances=tuple(replace(u, emotions=None) for u in c)) for c in learnt.conversations
    ]
    assert isinstance(model.ask, nn.Linear)
    fit_layer(
        model.ask,
        infer(plain, unknown, learnt.features, classes).logits,
        Truth.of(learnt.conversations, labels),
    )


@torch.no_grad()
def _body(model: EmoJE, state: Mapping[str, Tensor]) -> None:
    """What does not depend on the labels that are asked for."""
    for name, new in trained(model).items():
        if not name.startswith(("ask.", "prior")):
            new.copy_(state[name])


def _data(recipe: Recipe, root: Path, split: str, named: Sequence[str] | None, progress: Progress) -> Data:
    """A part with the features of the checkpoint; `named`: the labels that are known of it, of more.

    Raises:
        ValueError: it is empty, no label is known, or nothing of it can be read.
    """
    folder = root / recipe.corpus
    talks: list[Conversation] = [c for c in recipe.read(folder, split) if len(c)]
    if not any(u.emotions is not None for c in talks for u in c):
        raise ValueError(f"{folder} has no utterance with known labels in its part {split!r}")
    if named is not None:
        talks = [replace(c, labels=tuple(x for x in recipe.labels.names if x in named)) for c in talks]
    data = featured(recipe, talks, split, progress)
    if not any(len(a) for row in data.features for u in row for a in u.values()):
        streams = ", ".join(e.stream for e in recipe.extractors)
        raise ValueError(f"no utterance of {folder}, part {split!r}, has anything of {streams}")
    return data


def _as_before(made: Checkpoint, before: Checkpoint, learnt: Sequence[bool]) -> Checkpoint:
    """What dev could not decide, for want of labels or of modalities, as it was."""

    def joined(new: Sequence[float], old: Sequence[float]) -> tuple[float, ...]:
        return tuple(n if here else o for n, o, here in zip(new, old, learnt, strict=True))

    same = (1.0,) * len(learnt), (0.0,) * len(learnt)
    half = (0.5,) * len(learnt)
    thresholds = {k: joined(row, before.thresholds.get(k, half)) for k, row in made.thresholds.items()}
    calibration: dict[str, Platt] = {}
    for key, (scale, bias) in made.calibration.items():
        old_scale, old_bias = before.calibration.get(key, same)
        calibration[key] = joined(scale, old_scale), joined(bias, old_bias)
    return replace(
        made,
        thresholds={**before.thresholds, **thresholds},
        calibration={**before.calibration, **calibration},
        abstention=made.abstention if all(learnt) else before.abstention,
    )


def _carried(extractors: Sequence[Extractor], out: Path) -> tuple[Extractor, ...]:
    """Networks that an extractor reads by go with the checkpoint, in a folder of their own inside it."""
    found: list[Extractor] = []
    for extractor in extractors:
        if isinstance(extractor, Vectors) and Path(extractor.checkpoint).is_dir():
            inside = out / extractor.modality
            copytree(extractor.checkpoint, inside, dirs_exist_ok=True)
            extractor = replace(extractor, checkpoint=str(inside))  # noqa: PLW2901
        found.append(extractor)
    return tuple(found)
