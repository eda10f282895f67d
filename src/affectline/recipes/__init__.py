"""Which corpus, which features, which model, which numbers. The only modules that know all of them."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from affectline.batch import Features
from affectline.checkpoint import Checkpoint, load_trained, save
from affectline.epochs import Augment, Drawn, Epochs, Shuffled, View, rows_of
from affectline.evaluation import Truth
from affectline.features import Extractor, extract
from affectline.features.even_windows import EvenWindows
from affectline.features.text_words import Words
from affectline.features.video_faces import seen_whole
from affectline.machines import Machines
from affectline.models import infer
from affectline.models.semul_pcd import SeMuLPCD
from affectline.models.semul_pcd_size import check_memory, free_memory
from affectline.nn.ranks import leads
from affectline.recipes.select import SELECT
from affectline.training import Objective, Train, fit
from affectline.types import Conversation, LabelSpace, Modality, modality_of

Read = Callable[[Path, str], list[Conversation]]
Progress = Callable[[str, float, Mapping[str, float]], None]
"""Is told the stage, the share of it that is done, and loss terms and scores where there are any."""


@runtime_checkable
class FitsFeatures(Protocol):
    """A model with statistics of the train part, such as means to standardise by."""

    def fit(self, train: Sequence[Sequence[Features]]) -> None: ...


@runtime_checkable
class FitsPrior(Protocol):
    """A model that answers how common each class is in the train part, where it has nothing at all."""

    def fit_prior(
        self, targets: Float[Tensor, "utterance classes"], known: Bool[Tensor, "utterance classes"]
    ) -> None: ...


@runtime_checkable
class FitsTargets(Protocol):
    """An objective that weights the classes by how often they are in the train part."""

    def fitted(self, targets: Float[Tensor, "utterance classes"]) -> Objective: ...


@runtime_checkable
class FitsWords(Protocol):
    """An extractor that takes its vocabulary from the train part."""

    def fitted(self, train: Iterable[Conversation]) -> Extractor: ...


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """An experiment as data: `read(root / corpus, split)` gives the conversations.

    `select`: the validation score by which an epoch is chosen, a key of SELECT. `data`: what the checkpoint
    says of where its training data come from, and under which licence. `start`: puts weights that were learnt
    elsewhere into the new model; `before`: the recipe that learns them, in the folder of that name. `view`:
    what training sees of a conversation, another thing each epoch, so that its features are made as it goes,
    by `workers` processes. `windows`: what dev, and all that is judged later, see of a long utterance.
    `draw`: how many conversations of each corpus of a mixture an epoch sees; all of those that it does not
    name. `made_up`: adds utterances that the corpora lack, to every part. `encoders`: are trained before, or
    copied from a folder, each into that of its name below this one's; `Vectors` read them. `manifest`: what
    the checkpoint says of the one that names its data (see `affectline.recipes.holding`).
    """

    labels: LabelSpace
    corpus: str
    read: Read
    extractors: tuple[Extractor, ...]
    model: type[nn.Module]
    config: Any
    objective: Objective
    train: Train
    select: str
    augment: Augment | None = None
    view: View | None = None
    workers: int = 0
    draw: Mapping[str, int] | None = None
    windows: EvenWindows | None = None
    start: Callable[[nn.Module], None] | None = None
    before: "Recipe | None" = None
    made_up: "Callable[[Data], Data] | None" = None
    encoders: "Mapping[Modality, Recipe | Path]" = field(default_factory=dict)
    data: str = ""
    manifest: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.select not in SELECT:
            raise ValueError(f"select is {self.select!r}; there are {', '.join(SELECT)}")
        if self.view and self.draw:
            raise ValueError(
                "a recipe with a view sees all of its corpus in each epoch; take draw or view away"
            )
        if self.windows and self.windows.count > 1 and getattr(self.model, "context", True):
            raise ValueError(
                f"{self.model.__name__} answers by the conversation, and {self.windows} tear it apart; give 1"
            )


@dataclass(frozen=True, kw_only=True)
class Fusion:
    """Several recipes of one model, each for one modality, trained apart and then joined.

    `extractors`: those of the joined checkpoint; `tuples`: how many made-up utterances per label the weights
    of the modalities are learned on (see `affectline.recipes.joining`).
    """

    parts: Mapping[Modality, Recipe]
    config: Any
    extractors: tuple[Extractor, ...]
    tuples: int = 400


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """A trained checkpoint that goes on with a corpus, whatever its model and its labels.

    `checkpoint`: the name of an installed one, or a folder. `kept`: how much of its weights are mixed with
    what training makes of them, where the labels stay the same. `train.batch` are utterances here, whatever
    the length of conversations (see `affectline.recipes.tuning`).
    """

    corpus: str
    read: Read
    train: Train
    checkpoint: str = "base"
    kept: float = 0.3
    manifest: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Data:
    """A split, ready for a model; without features where they are made as training goes."""

    conversations: Sequence[Conversation]
    features: Sequence[Sequence[Features]]


def load(recipe: Recipe, root: Path, split: str, progress: Progress = lambda *_: None) -> Data:
    """Read a split of the recipe's corpus and extract its features.

    Raises:
        ValueError: where there is nothing to read; where a stream has nothing in any utterance, said before
            anything is extracted if that is plain already; where the model expects another width, other
            word pieces, or fewer words, than an extractor makes.
    """
    _check_fit(recipe)
    conversations = [c for c in recipe.read(root / recipe.corpus, split) if len(c)]
    if not conversations:
        raise ValueError(
            f"{root / recipe.corpus} has no utterance in its part {split!r}; get the corpus again"
        )

    if recipe.draw and split == "train" and not recipe.made_up:
        rows_of(conversations, recipe.draw)  # refused before anything is extracted

    def require(there: bool, stream: str) -> None:
        if not there:
            raise ValueError(
                f"no utterance of {root / recipe.corpus}, part {split!r}, has anything of {stream}: are its "
                "clips where they belong? Or its reader gives none; then take a recipe without this stream"
            )

    items = [(c, n) for c in conversations for n in range(len(c))]
    for e in recipe.extractors:
        found = (c.utterances[n].has(e.stream) and e.content(c, n) is not None for c, n in items)
        require(any(found), e.stream)
    if recipe.view and split == "train":
        return Data(conversations, ())
    if recipe.windows and split != "train":
        conversations = [w for c in conversations for w in recipe.windows(c)]
    data = featured(recipe, conversations, split, progress)
    for e in recipe.extractors:
        require(any(len(u[e.stream]) for row in data.features for u in row), e.stream)
    return recipe.made_up(data) if recipe.made_up else data


def _check_fit(recipe: Recipe) -> None:
    """That the model reads what the extractors make."""
    widths = getattr(recipe.config, "streams", {})
    for e in recipe.extractors:
        width, encoder = e.shape[0] if len(e.shape) == 1 else 0, getattr(e, "encoder", None)
        if widths.get(e.stream, width) != width:
            wrong = f"config.streams.{e.stream} is {widths[e.stream]}, and {e!r} makes {width} numbers"
        elif encoder and encoder != recipe.config.encoder:
            wrong = f"config.encoder is {recipe.config.encoder!r}, and {e!r} makes the pieces of another"
        elif isinstance(e, Words) and e.size > recipe.config.vocabulary:
            wrong = f"config.vocabulary is {recipe.config.vocabulary}, and {e.stream} has {e.size} numbers"
        else:
            continue
        raise ValueError(f"{wrong}; change one of them")


def only(recipe: Recipe, *modalities: str) -> Recipe:
    """The recipe with the streams of these modalities alone: a row of a table, trained for itself."""
    return keep(recipe, lambda stream: modality_of(stream) in modalities)


def keep(recipe: Recipe, kept: Callable[[str], bool]) -> Recipe:
    """The recipe with the streams alone of which `kept` says so."""
    streams = {s: w for s, w in recipe.config.streams.items() if kept(s)}
    extractors = tuple(e for e in recipe.extractors if kept(e.stream))
    return replace(recipe, config=replace(recipe.config, streams=streams), extractors=extractors)


def one_by_one(read: Read) -> Read:
    """Each utterance as a conversation of its own: a corpus without the context of its dialogues."""

    def apart(root: Path, split: str) -> list[Conversation]:
        return [
            replace(c, id=f"{c.id}.{n}", utterances=(u,)) for c in read(root, split) for n, u in enumerate(c)
        ]

    return apart


def featured(
    recipe: Recipe, conversations: Sequence[Conversation], stage: str, progress: Progress = lambda *_: None
) -> Data:
    """Conversations with the features that the recipe's model needs."""

    def told(stream: str, done: int, todo: int) -> None:
        progress(f"{stage} {stream}", done / max(1, todo), {})

    return Data(conversations, extract(conversations, recipe.extractors, progress=told))


def train_recipe(
    recipe: Recipe | Fusion | Tuning,
    root: Path,
    out: Path,
    *,
    name: str = "",
    seed: int = 0,
    machines: Machines | None = None,
    resume: bool = False,
    half: bool = False,
    progress: Progress = lambda *_: None,
) -> Checkpoint:
    """Read, extract, fit, calibrate, choose thresholds on dev, and write the checkpoint to `out`.

    With `half`, or encoders, which go with it, matrices are kept in 16 bits. Of several processes each gives
    the checkpoint, and rank 0 alone writes it.
    """
    from affectline.recipes import decisions, encoders, joining, tuning  # which need this module

    how: Any = {"seed": seed, "machines": machines, "resume": resume, "progress": progress}
    if isinstance(recipe, Fusion):
        return joining.train(recipe, root, out, name=name, **how)
    if isinstance(recipe, Tuning):
        return tuning.train(recipe, root, out, name=name, **how)
    encoders.train_parts(recipe.encoders, root, out, **how)
    if first := encoders.first(recipe, root, out, **how):
        recipe = replace(recipe, start=partial(load_trained, state=first))
    recipe = replace(encoders.encoded(recipe, out), train=replace(recipe.train, seed=seed))
    recipe = fitted(recipe, root)
    train, dev = (load(recipe, root, split, progress) for split in ("train", "dev"))
    model = run(recipe, train, dev, out, machines=machines, resume=resume, progress=progress)
    checkpoint = decisions.finish(recipe, model, dev, name=name or out.name)
    if recipe.encoders:  # whose corpus of faces shows nothing else; a recording does
        checkpoint = replace(checkpoint, extractors=seen_whole(checkpoint.extractors, False))
    if leads():
        save(checkpoint, out, half=half or bool(recipe.encoders))
    return checkpoint


def fitted(recipe: Recipe, root: Path) -> Recipe:
    """With the vocabularies that its extractors take from the train part."""
    if not any(isinstance(e, FitsWords) for e in recipe.extractors):
        return recipe
    train = recipe.read(root / recipe.corpus, "train")
    made = tuple(e.fitted(train) if isinstance(e, FitsWords) else e for e in recipe.extractors)
    return replace(recipe, extractors=made)


def run(
    recipe: Recipe,
    train: Data,
    dev: Data,
    folder: Path,
    *,
    machines: Machines | None = None,
    resume: bool = False,
    progress: Progress = lambda *_: None,
) -> nn.Module:
    """Train a recipe's model, choosing the epoch on `dev`; the log and the states are in `folder`.

    Raises:
        ValueError: a training of this size does not fit into the device's memory.
    """
    _check_memory(recipe, machines or Machines())
    torch.manual_seed(recipe.train.seed)
    model, objective = recipe.model(recipe.config), recipe.objective
    if isinstance(model, FitsFeatures):
        model.fit(train.features)
    if isinstance(model, FitsPrior):
        truth = Truth.of(train.conversations, recipe.labels)
        model.fit_prior(torch.from_numpy(truth.targets).float(), torch.from_numpy(truth.known))
    if recipe.start:  # last: what it knows of other data is not to be fitted to these
        recipe.start(model)
    if isinstance(objective, FitsTargets):
        objective = objective.fitted(_targets(train, recipe.labels))
    score = SELECT[recipe.select]
    epochs = _epochs(recipe, train)
    folder.mkdir(parents=True, exist_ok=True)
    number = 1

    def told(share: float, losses: Mapping[str, float]) -> None:
        progress(f"epoch {number}", 0.99 * share, losses)

    for epoch in fit(
        model,
        objective,
        epochs,
        recipe.train,
        validate=lambda m: score(infer(m, dev.conversations, dev.features, recipe.labels)),
        folder=folder,
        machines=machines,
        resume=resume,
        progress=told,
    ):
        progress(f"epoch {epoch.number + 1}", 1.0, {**epoch.losses, recipe.select: epoch.score})
        number = epoch.number + 2
    return model


def _check_memory(recipe: Recipe, machines: Machines) -> None:
    """Of the one model whose sizes reach from nothing to the largest devices."""
    if recipe.model is not SeMuLPCD:
        return
    found = "cuda" if torch.cuda.is_available() else "cpu"
    device = found if machines.device == "auto" else machines.device
    world = machines.devices * machines.nodes
    check_memory(
        recipe.config,
        batch=math.ceil(recipe.train.batch / world),
        free=free_memory(device) // (machines.devices if device == "cpu" else 1),
        half=recipe.train.precision == "bf16-mixed",
        shares=world if machines.sharded else 1,
    )


def _epochs(recipe: Recipe, train: Data) -> Epochs:
    talks, labels, size, seed = train.conversations, recipe.labels, recipe.train.batch, recipe.train.seed
    if recipe.view:
        return Drawn(talks, recipe.extractors, labels, size, seed, recipe.view, recipe.workers)
    return Shuffled(talks, train.features, labels, size, seed, recipe.augment, recipe.draw)


def _targets(data: Data, labels: LabelSpace) -> Float[Tensor, "utterance classes"]:
    """Of the utterances whose emotions are known."""
    rows = [labels.encode(u.emotions) for c in data.conversations for u in c if u.emotions is not None]
    return torch.from_numpy(np.stack(rows)) if rows else torch.zeros(0, len(labels.names))
