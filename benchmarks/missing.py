"""What each model keeps when modalities are missing, from one checkpoint; and what it has when trained so.

`python -m benchmarks.missing [FAMILY...] [--seeds 0,1,2,3,4] [--runs DIR]` writes docs/results/
missing_mosi.json and missing_mosi_published.json, on the data and features of `benchmarks.side_by_side`. Each
model is trained once for each seed with all modalities, and judged with every subset, and with more and more
of each lost. Beside it stands the model trained on that subset alone. What a model and a seed have answered
is kept in DIR/missing and DIR/side_by_side, and not computed again.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks._record import parser, record
from benchmarks.side_by_side import FAMILIES, Family, of_multiemo, of_seed, read
from scipy.special import softmax
from torch import nn

from affectline.evaluation import Run, Truth
from affectline.evaluation.damage import modes_of
from affectline.evaluation.report import compare_headlines
from affectline.evaluation.robustness import Answer, Plan, ask
from affectline.features import extract
from affectline.machines import Machines
from affectline.models import infer
from affectline.recipes import Recipe, amuse, emoje, late_fusion, run
from affectline.types import Conversation, Modality

OURS = "EmoJE"
MODELS: Mapping[str, Callable[[Recipe], Recipe]] = {
    OURS: emoje.beside,
    "EmoJE without joint embedding": lambda recipe: emoje.without_joint(emoje.beside(recipe)),
    "MultiEMO": of_multiemo,
    "AMuSE": amuse.beside,
    "late fusion": late_fusion.beside,
}
"""DialogueRNN and bc-LSTM stand in `benchmarks.side_by_side`."""
OTHERS = ("MultiEMO", "AMuSE", "late fusion")


@dataclass(frozen=True)
class Missing:
    """A family of `side_by_side`, the seeds, and where data are and answers go."""

    name: str
    seeds: Sequence[int]
    data: Path
    runs: Path

    def measure(self) -> dict[str, object]:
        recipe = self._of(FAMILIES[self.name](), self.seeds[0])
        talks = read(recipe, self.data, "test").conversations
        plan = Plan.of(modes_of(recipe.extractors, talks), talks)
        truth = Truth.of(talks, recipe.labels)
        asked = {name: [self._asked(name, plan, talks, seed) for seed in self.seeds] for name in MODELS}
        found: dict[str, Any] = {}
        for name, runs in asked.items():
            found[name] = plan.judge(truth, runs)
            print(self.name, name, [round(_f1(row), 3) for row in found[name]["subsets"]], flush=True)
        retrained = self._retrained([row.kept for row in plan.subsets])
        ahead, missing = _ahead(plan, truth, asked), _losses(found)
        return {
            "least lead": min(row[name]["mean"] for row in ahead for name in OTHERS),
            "largest share of a loss": max(row["share of its loss"] for row in missing),
            "one checkpoint": _side_by_side(found, "subsets", "modes"),
            "one checkpoint, EmoJE minus the others": ahead,
            "one missing, what is lost": missing,
            "trained with these alone": retrained,
            **{
                f"{mode} lost": _side_by_side(found, "curve", "lost", "share", mode=mode)
                for mode in found[OURS]["modes"]
            },
            "seeds": list(self.seeds),
        }

    def _of(self, recipe: Recipe, seed: int) -> Recipe:
        extractors = tuple(of_seed(e, seed, self.runs) for e in recipe.extractors)
        return replace(recipe, extractors=extractors, train=replace(recipe.train, seed=seed))

    def _asked(self, name: str, plan: Plan, talks: Sequence[Conversation], seed: int) -> list[Run]:
        """What a model of this seed answers under each damage: as it was kept, or trained now."""
        path = self.runs / "missing" / self.name / f"{name.replace(' ', '_')}_{seed}.npz"
        if not path.is_file():
            recipe = self._of(Family(self.name, [], self.data, self.runs).recipe(name, MODELS[name]), seed)
            runs = ask(_answer(recipe, self._trained(recipe, path.with_suffix(""))), talks, plan.damages)
            path.parent.mkdir(parents=True, exist_ok=True)
            np.savez(path, scores=np.stack([r.scores for r in runs]))
        with np.load(path) as file:
            return [Run(scores, np.full(scores.shape[1], 0.5)) for scores in file["scores"]]

    def _trained(self, recipe: Recipe, folder: Path) -> nn.Module:
        parts = [read(recipe, self.data, split) for split in ("train", "dev", "test")]
        chosen_on = parts[2] if recipe.train.keep == "last" else parts[1]  # the last epoch is no choice
        return run(recipe, parts[0], chosen_on, folder, machines=Machines(device="cpu"), resume=True)

    def _retrained(self, subsets: Sequence[tuple[str, ...]]) -> list[dict[str, Any]]:
        """Weighted F1 of each model that was trained with these modalities alone."""
        family = Family(self.name, self.seeds, self.data, self.runs)
        rows = []
        for kept in subsets:
            modalities = [m for m in Modality if m in kept]
            row: dict[str, Any] = {"modes": " + ".join(modalities)}
            for name in (OURS, *OTHERS):
                make = MODELS[name]
                recipe = family.recipe(name, make, *modalities)
                row[name] = family.row(f"{name}, {row['modes']}", recipe)["weighted_f1"]
            rows.append(row)
        return rows


_memo: dict[str, np.ndarray] = {}
"""Vectors by content, for all models: equal content is extracted once."""


def _answer(recipe: Recipe, model: nn.Module) -> Answer:
    """Each conversation's utterances, with what it has of each stream."""

    def answer(talks: Sequence[Conversation]) -> Run:
        features = extract(talks, recipe.extractors, memo=_memo)
        logits = infer(model, talks, features, recipe.labels).logits
        return Run(softmax(logits, axis=1), np.full(logits.shape[1], 0.5))

    return answer


def _f1(row: Mapping[str, Any]) -> float:
    return float(row["weighted_f1"]["mean"])


def _side_by_side(models: Mapping[str, Any], table: str, *keys: str, **where: str) -> list[dict[str, Any]]:
    """The same rows of every model, each model a column."""
    rows = zip(*(found[table] for found in models.values()), strict=True)
    kept = [row for row in rows if all(row[0][key] == value for key, value in where.items())]
    return [
        {key: row[0][key] for key in keys}
        | {name: one["weighted_f1"] for name, one in zip(models, row, strict=True)}
        for row in kept
    ]


def _ahead(plan: Plan, truth: Truth, asked: Mapping[str, Sequence[Sequence[Run]]]) -> list[dict[str, Any]]:
    """EmoJE minus each other model with each subset, on the same samples."""
    rows = []
    for n, subset in enumerate(plan.subsets):
        ours = [runs[n] for runs in asked[OURS]]
        row: dict[str, Any] = {"modes": list(subset.kept)}
        for name in list(MODELS)[1:]:
            theirs = [runs[n] for runs in asked[name]]
            row[name] = compare_headlines(truth, ours, theirs)[1].to_json()
        rows.append(row)
    return rows


def _losses(models: Mapping[str, Any]) -> list[dict[str, Any]]:
    """With one mode missing: what each model loses, and which other model is the best then."""
    whole = {name: _f1(found["subsets"][0]) for name, found in models.items()}
    modes, rows = models[OURS]["modes"], []
    for missing in modes:
        others = [m for m in modes if m != missing]
        at = [row["modes"] for row in models[OURS]["subsets"]].index(others)
        left = {name: _f1(found["subsets"][at]) for name, found in models.items()}
        best = max(OTHERS, key=left.__getitem__)
        loss = {name: whole[name] - left[name] for name in models}
        share = loss[OURS] / loss[best] if loss[best] > 0 else float(loss[OURS] > 0)
        rows.append({"missing": missing, **loss, "best other": best, "share of its loss": share})
    return rows


if __name__ == "__main__":
    arguments = parser(__doc__ or "", seeds="0,1,2,3,4")
    arguments.add_argument("families", nargs="*", metavar="FAMILY", help="default: mosi, mosi_published")
    chosen = arguments.parse_args()
    for family in chosen.families or ("mosi", "mosi_published"):
        seeds = [int(n) for n in chosen.seeds.split(",")]
        record(f"missing_{family}", Missing(family, seeds, chosen.data, chosen.runs).measure())
