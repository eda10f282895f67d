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
from affectline.evaluation.damage import modes_of
from affectline.evaluation.robustness import Answer, Plan, ask
from benchmarks._record import parser, record
from benchmarks.side_by_side import FAMILIES, Family, fused_late, of_multiemo, of_seed, read
from scipy.special import softmax
from torch import nn

from affectline.evaluation import Run, Truth, difference
from affectline.features import extract
from affectline.machines import Machines
from affectline.models import infer
from affectline.recipes import Recipe, amuse, emoje, run
from affectline.types import Conversation, Modality

OURS = "EmoJE"
MODELS: Mapping[str, Callable[[Recipe], Recipe]] = {
    OURS: emoje.beside,
    "EmoJE without joint embedding": lambda recipe: emoje.without_joint(emoje.beside(recipe)),
    "MultiEMO": of_multiemo,
    "AMuSE": amuse.beside,
    "late fusion": fused_late,
}
"""DialogueRNN and bc-LSTM stand in `benchmarks.side_by_side`."""


@dataclass(frozen=True)
class Missing:
    """A family of `side_by_side`, the seeds, and where data are and answers go."""

    name: str
    seeds: Sequence[int]
    data: Path
    runs: Path

    def measure(self) -> dict[str, object]:
        recipe = FAMILIES[self.name]()
        talks = read(self._of(recipe, self.seeds[0]), self.data, "test").conversations
        plan = Plan.of(modes_of(recipe.extractors, talks), talks)
        truth = Truth.of(talks, recipe.labels)
        asked = {name: [self._asked(name, plan, talks, seed) for seed in self.seeds] for name in MODELS}
        found: dict[str, Any] = {}
        for name, runs in asked.items():
            found[name] = plan.judge(truth, runs)
            print(self.name, name, [round(_f1(row), 3) for row in found[name]["subsets"]], flush=True)
        return {
            "models": found,
            "subsets": _compared(plan, truth, asked),
            "missing": _losses(found),
            "retrained": self._retrained(truth, [row.kept for row in plan.subsets[1:]]),
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

    def _retrained(self, truth: Truth, subsets: Sequence[tuple[str, ...]]) -> dict[str, Any]:
        """Weighted F1 of each model that was trained with these modalities alone."""
        family = Family(self.name, self.seeds, self.data, self.runs)
        found: dict[str, Any] = {}
        for name, make in MODELS.items():
            for kept in subsets:
                modalities = [m for m in Modality if m in kept]
                recipe = family.recipe(name, make, *modalities)
                row = family.row(f"{name}, {' + '.join(modalities)}", recipe)
                found.setdefault(name, {})[" + ".join(kept)] = row["weighted_f1"]
        return found


def _answer(recipe: Recipe, model: nn.Module) -> Answer:
    """Each conversation's utterances, with what it has of each stream; equal content is extracted once."""
    memo: dict[str, np.ndarray] = {}

    def answer(talks: Sequence[Conversation]) -> Run:
        features = extract(talks, recipe.extractors, memo=memo)
        logits = infer(model, talks, features, recipe.labels).logits
        return Run(softmax(logits, axis=1), np.full(logits.shape[1], 0.5))

    return answer


def _f1(row: Mapping[str, Any]) -> float:
    return float(row["weighted_f1"]["mean"])


def _compared(plan: Plan, truth: Truth, asked: Mapping[str, Sequence[Sequence[Run]]]) -> dict[str, Any]:
    """EmoJE minus each other model in each subset, on the same samples."""
    found: dict[str, Any] = {}
    for n, subset in enumerate(plan.subsets):
        ours, *others = ([runs[n] for runs in seeds] for seeds in asked.values())
        found[" + ".join(subset.kept)] = {
            name: difference(truth, ours, theirs)["weighted_f1"].to_json()
            for name, theirs in zip(list(MODELS)[1:], others, strict=True)
        }
    return found


def _losses(models: Mapping[str, Any]) -> dict[str, Any]:
    """With one mode missing: what each model loses, and which other model is the best then."""
    whole = {name: _f1(found["subsets"][0]) for name, found in models.items()}
    modes, table = models[OURS]["modes"], dict[str, Any]()
    for missing in modes:
        others = [m for m in modes if m != missing]
        at = [row["modes"] for row in models[OURS]["subsets"]].index(others)
        left = {name: _f1(found["subsets"][at]) for name, found in models.items()}
        best = max((name for name in models if not name.startswith(OURS)), key=left.__getitem__)
        loss = {name: whole[name] - left[name] for name in models}
        share = loss[OURS] / loss[best] if loss[best] > 0 else None
        table[missing] = {"loss": loss, "best other": best, "share of its loss": share}
    return table


if __name__ == "__main__":
    arguments = parser(__doc__ or "", seeds="0,1,2,3,4")
    arguments.add_argument("families", nargs="*", metavar="FAMILY", help="default: mosi, mosi_published")
    chosen = arguments.parse_args()
    for family in chosen.families or ("mosi", "mosi_published"):
        seeds = [int(n) for n in chosen.seeds.split(",")]
        record(f"missing_{family}", Missing(family, seeds, chosen.data, chosen.runs).measure())
