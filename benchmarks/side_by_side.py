"""Models beside one another on the same ready-made features, each with several seeds.

`python -m benchmarks.side_by_side [FAMILY...] [--seeds 0,1,2,3,4] [--runs DIR]` writes
docs/results/side_by_side_mosi.json ... The families meld and mosi read the words as the encoders in DIR have
learnt to, which `python -m benchmarks.conversations` trains. mosi_published keeps the last of a fixed number
of epochs; what the best epoch by the test part would have given stands beside it as LEAKY. What a model and a
seed have answered is kept in DIR/side_by_side and not computed again.
"""

import csv
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks._bc_lstm import BcLSTM, objective
from benchmarks._bc_lstm import Config as BcConfig
from benchmarks._record import parser, record
from scipy.special import softmax

from affectline.evaluation import Run, Truth, evaluate
from affectline.features.text_encoded import Encoded
from affectline.machines import Machines
from affectline.models import infer
from affectline.models.multiemo import Objective
from affectline.recipes import Data, Recipe, amuse, late_fusion, load, multiemo, one_by_one, only, run
from affectline.types import modality_of

FAMILIES: Mapping[str, Callable[[], Recipe]] = {
    "mosi_published": multiemo.mosi_published,
    "mosi": multiemo.mosi,
    "meld": multiemo.meld_encoded,
}


def of_multiemo(recipe: Recipe) -> Recipe:
    return recipe


def dialogue_rnn(recipe: Recipe) -> Recipe:
    """Every modality's DialogueRNN, their states side by side: MultiEMO without fusion and contrast."""
    everything = tuple(modality_of(s) for s in recipe.config.streams)
    config = replace(recipe.config, recurrent=everything, layers=0)
    return replace(recipe, config=config, objective=Objective(mu_1=0.0, mu_2=0.0))


def bc_lstm(recipe: Recipe) -> Recipe:
    config = BcConfig(classes=recipe.config.classes, streams=recipe.config.streams)
    return replace(recipe, model=BcLSTM, config=config, objective=objective)


MODELS: Mapping[str, Callable[[Recipe], Recipe]] = {
    "MultiEMO": of_multiemo,
    "AMuSE": amuse.beside,
    "DialogueRNN": dialogue_rnn,
    "bc-LSTM": bc_lstm,
    "late fusion": late_fusion.beside,
}
WITHOUT_CONTEXT = ("MultiEMO", "AMuSE")
BLIND_EPOCHS = {"MultiEMO": 8, "EmoJE": 12, "EmoJE without joint embedding": 12} | dict.fromkeys(
    ("AMuSE", "DialogueRNN", "bc-LSTM", "late fusion"), 20
)
"""Where validation is blind: of 8, 12 and 20 the number whose last epoch was best on the dev part of `mosi`,
with one seed; for EmoJE 12 and 20 were tried, with three; for DialogueRNN and late fusion 20 alone."""


@dataclass(frozen=True)
class Answers:
    """What one trained model says of the test part; `best`: its weighted F1 there in the best epoch."""

    logits: np.ndarray
    best: float


@dataclass(frozen=True)
class Family:
    """A recipe, the seeds it is trained with, and where data are and answers go."""

    name: str
    seeds: Sequence[int]
    data: Path
    runs: Path

    def measure(self) -> dict[str, object]:
        """Every model on every subset of the recipe's modalities; two also without the dialogues."""
        recipe = FAMILIES[self.name]()
        modalities = [modality_of(s) for s in recipe.config.streams]
        subsets = [s for n in range(1, len(modalities) + 1) for s in combinations(modalities, n)]
        rows = {
            f"{name}, {' + '.join(subset)}": self.recipe(name, make, *subset)
            for name, make in MODELS.items()
            for subset in subsets
        }
        alone = replace(recipe, read=one_by_one(recipe.read), train=replace(recipe.train, batch=160))
        rows |= {
            f"{name}, without dialogues": _scheduled(name, MODELS[name](alone)) for name in WITHOUT_CONTEXT
        }
        if self.name == "meld":
            authors = multiemo.authors_meld_text()
            rows["MultiEMO, settings of the release"] = authors
            rows["MultiEMO, settings of the release, last epoch"] = replace(
                authors, train=replace(authors.train, keep="last")
            )
        found = {title: self.row(title, row) for title, row in rows.items()}
        whole = {name: found[f"{name}, {' + '.join(modalities)}"]["weighted_f1"]["mean"] for name in MODELS}
        lead = max(whole["MultiEMO"], whole["AMuSE"]) - whole["bc-LSTM"]
        return {"rows": found, "lead": lead, "seeds": list(self.seeds)}

    def recipe(self, name: str, make: Callable[[Recipe], Recipe], *modalities: str) -> Recipe:
        """That of a model on these modalities, or on all."""
        recipe = FAMILIES[self.name]()
        return _scheduled(name, make(only(recipe, *modalities) if modalities else recipe))

    def row(self, title: str, recipe: Recipe) -> dict[str, Any]:
        """The test part's scores over the seeds, the epoch being chosen on dev or fixed."""
        answers = [self._answers(title, recipe, seed) for seed in self.seeds]
        said = [Run(softmax(a.logits, axis=1), np.full(a.logits.shape[1], 0.5)) for a in answers]
        whole = FAMILIES[self.name]().read(self.data / recipe.corpus, "test")  # drawn by conversation always
        truth = Truth.of(whole, recipe.labels)
        results = evaluate(truth, said, seeds=self.seeds).to_json()
        row = {name: results[name] for name in ("accuracy", "weighted_f1", "macro_f1")}
        if recipe.train.keep == "last":
            row["LEAKY: weighted_f1 of the best test epoch"] = float(np.mean([a.best for a in answers]))
        print(title, row, flush=True)
        return row

    def _answers(self, title: str, recipe: Recipe, seed: int) -> Answers:
        """Of one seed: as they were kept, or trained now."""
        path = self.runs / "side_by_side" / self.name / f"{title.replace(' ', '_')}_{seed}.npz"
        if not path.is_file():
            made = self._train(recipe, seed)
            path.parent.mkdir(parents=True, exist_ok=True)
            np.savez(path, logits=made.logits, best=made.best)
        with np.load(path) as file:
            return Answers(file["logits"], float(file["best"]))

    def _train(self, recipe: Recipe, seed: int) -> Answers:
        extractors = tuple(of_seed(e, seed, self.runs) for e in recipe.extractors)
        seeded = replace(recipe, extractors=extractors, train=replace(recipe.train, seed=seed))
        train, dev, test = (read(seeded, self.data, split) for split in ("train", "dev", "test"))
        chosen_on = test if recipe.train.keep == "last" else dev  # the last epoch is no choice
        with tempfile.TemporaryDirectory() as folder:
            model = run(seeded, train, chosen_on, Path(folder), machines=Machines(device="cpu"))
            with (Path(folder) / "log.csv").open(encoding="utf-8", newline="") as log:
                scores = [float(row["score"]) for row in csv.DictReader(log)]
        return Answers(infer(model, test.conversations, test.features, recipe.labels).logits, max(scores))


def _scheduled(name: str, recipe: Recipe) -> Recipe:
    blind = recipe.train.keep == "last"
    return replace(recipe, train=replace(recipe.train, epochs=BLIND_EPOCHS[name])) if blind else recipe


def of_seed(extractor: object, seed: int, runs: Path) -> object:
    if isinstance(extractor, Encoded):
        return Encoded(str(runs / Path(extractor.checkpoint).name / f"seed{seed}"))
    return extractor


_read: dict[tuple[object, ...], Data] = {}


def read(recipe: Recipe, data: Path, split: str) -> Data:
    """Each split once for all models that see the same of it."""
    key = (recipe.extractors, getattr(recipe.read, "__qualname__", ""), split)
    if key not in _read:
        _read[key] = load(recipe, data, split)
    return _read[key]


if __name__ == "__main__":
    arguments = parser(__doc__ or "", seeds="0,1,2,3,4")
    arguments.add_argument("families", nargs="*", metavar="FAMILY", help=f"default: {', '.join(FAMILIES)}")
    chosen = arguments.parse_args()
    for family in chosen.families or FAMILIES:
        seeds = [int(n) for n in chosen.seeds.split(",")]
        record(f"side_by_side_{family}", Family(family, seeds, chosen.data, chosen.runs).measure())
