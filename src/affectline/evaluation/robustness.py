"""How good a model is with less than it learned from: every subset of modes, more and more gone, noise.

    plan = Plan.of(modes_of(checkpoint.extractors, conversations), conversations)
    runs = [ask(answer_of(c), conversations, plan.damages, apart=not c.model.context) for c in checkpoints]
    results = plan.judge(truth, runs)

Anything that gives a `Run` for conversations can be asked. The runs of two models under the same plan are in
the same order, so that `difference` compares them pair by pair.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, product
from typing import Any

import numpy as np

from affectline.checkpoint import Checkpoint, subset
from affectline.evaluation.damage import Damage, Lost, Mode, Only
from affectline.evaluation.noise import Babble, Blur, Misheard
from affectline.evaluation.report import Run, Truth, compare_headlines, evaluate, headline
from affectline.features import content_of
from affectline.types import Conversation, Modality, Prediction, Utterance, modality_of

Answer = Callable[[Sequence[Conversation]], Run]
"""The scores and thresholds of every utterance, conversation after conversation."""

Noise = Babble | Blur | Misheard

SHARES = tuple(n / 10 for n in range(10))
NOISE: dict[Modality, tuple[Noise, ...]] = {
    Modality.AUDIO: tuple(map(Babble, (20.0, 15.0, 10.0, 5.0, 0.0))),
    Modality.VIDEO: tuple(map(Blur, (1.0, 2.0, 4.0))),
    Modality.TEXT: tuple(map(Misheard, (0.1, 0.2, 0.3, 0.4))),
}
"""Of each modality, from little to much."""
WORST: dict[Modality, Noise] = {
    Modality.AUDIO: Babble(0.0),
    Modality.VIDEO: Blur(4.0),
    Modality.TEXT: Misheard(1.0),
}
"""By which it is found out what can be spoilt at all."""
TOGETHER, APART = 4, 32
"""Conversations, or utterances, that are asked about at once, under all damages."""


def answer_of(checkpoint: Checkpoint) -> Answer:
    """What a checkpoint answers; in one call equal content is computed once."""
    return lambda conversations: run_of(
        checkpoint, [p for row in checkpoint.predict(conversations, memo={}) for p in row]
    )


def run_of(checkpoint: Checkpoint, predictions: Sequence[Prediction]) -> Run:
    """The scores that a checkpoint gave, and the thresholds that hold for what each utterance has."""
    names = checkpoint.labels.names
    half = (0.5,) * len(names)
    scores = [[p.scores[name] for name in names] for p in predictions]
    thresholds = [checkpoint.thresholds.get(subset(p.modalities), half) for p in predictions]
    return Run(np.array(scores).reshape(-1, len(names)), np.array(thresholds).reshape(-1, len(names)))


def ask(
    answer: Answer,
    conversations: Sequence[Conversation],
    damages: Sequence[Damage],
    *,
    apart: bool = False,
    progress: Callable[[float], None] = lambda _share: None,
) -> list[Run]:
    """What a model answers under each damage.

    It is asked about a few conversations at once, under all damages, and about equal ones once. `apart`: the
    model looks at each utterance by itself, so that they are taken for conversations of their own.

    Raises:
        ValueError: where it does not answer one row for each utterance.
    """
    versions = [damage(conversations) for damage in damages]
    if apart:
        versions = [[replace(c, utterances=(u,)) for c in v for u in c] for v in versions]
    found: list[list[Run]] = [[] for _ in damages]
    size, total = APART if apart else TOGETHER, len(versions[0])
    for start in range(0, total, size):
        parts = [version[start : start + size] for version in versions]
        keys = [[(n, *map(_key, c)) for n, c in enumerate(part)] for part in parts]
        todo = {k: c for own, part in zip(keys, parts, strict=True) for k, c in zip(own, part, strict=True)}
        said = dict(zip(todo, _by_conversation(answer(list(todo.values())), [*todo.values()]), strict=True))
        for runs, own in zip(found, keys, strict=True):
            runs += [said[key] for key in own]
        progress(min(1.0, (start + size) / total))
    return [_joined(runs) for runs in found]


def _key(u: Utterance) -> tuple[object, ...]:
    """What an answer may hang on."""
    return u.missing, u.text, u.words, u.clip, u.face, u.speaker, id(u.ready)


def _by_conversation(run: Run, conversations: Sequence[Conversation]) -> Iterator[Run]:
    thresholds, at = np.broadcast_to(run.thresholds, run.scores.shape), 0
    if sum(map(len, conversations)) != len(run.scores):
        raise ValueError(f"{len(run.scores)} answers for {sum(map(len, conversations))} utterances")
    for conversation in conversations:
        rows = slice(at, at := at + len(conversation))
        yield Run(run.scores[rows], thresholds[rows])


def _joined(runs: Sequence[Run]) -> Run:
    return Run(np.concatenate([r.scores for r in runs]), np.concatenate([r.thresholds for r in runs]))


@dataclass(frozen=True)
class Plan:
    """Under what a model is judged.

    `subsets`: every set of modes, the whole first. `curve`: of each mode more and more is lost. `noise`: what
    spoils each mode that can be spoilt, and the modes that it spoils. `notes`: what is left out, and why.
    """

    modes: tuple[Mode, ...]
    subsets: tuple[Only, ...]
    curve: tuple[Lost, ...]
    noise: tuple[tuple[Noise, tuple[str, ...]], ...]
    notes: tuple[str, ...]

    @classmethod
    def of(cls, modes: Sequence[Mode], conversations: Sequence[Conversation], seed: int = 0) -> "Plan":
        names = [mode.name for mode in modes]
        kept = [s for n in range(len(names), 0, -1) for s in combinations(names, n)]
        subsets = tuple(Only(s, tuple(n for n in names if n not in s)) for s in kept)
        talks = [m for m in modes if any(len(places) > 1 for places in m.of(conversations))]
        curve = tuple(
            Lost(mode, share, stretches, seed)
            for mode, stretches, share in product(modes, (False, True), SHARES)
            if mode in talks or not stretches
        )
        lone = [f"{m.name}: no stretches are lost, its clips are lone ones" for m in modes if m not in talks]
        noise, notes = _spoiling(modes, conversations, seed)
        return cls(tuple(modes), subsets, curve, tuple(noise), (*lone, *notes))

    @property
    def damages(self) -> tuple[Damage, ...]:
        return (*self.subsets, *self.curve, *(noise for noise, _ in self.noise))

    def judge(
        self,
        truth: Truth,
        asked: Sequence[Sequence[Run]],
        *,
        progress: Callable[[float], None] = lambda _share: None,
        replicates: int = 1000,
    ) -> dict[str, Any]:
        """The results as JSON has them: of each subset all metrics, of the rest the headline metric.

        Each with its difference to the same model with all modes as they are. `asked`: of each seed the runs
        of all damages, in the order of `damages`.
        """
        rows = [_said(damage, dict(self.noise)) for damage in self.damages]
        whole = [runs[0] for runs in asked]
        name, full = headline(truth.labels), dict[str, Any]()
        for n, row in enumerate(rows):
            runs = [of[n] for of in asked]
            if n < len(self.subsets):
                report = evaluate(truth, runs, seeds=range(len(runs)), replicates=replicates)
                row.update({k: e.to_json() for k, e in report.estimates.items()})
                row["calibration"] = dict(report.calibration)
                full = full or row[name]
            same = all(_same(a, b) for a, b in zip(runs, whole, strict=True))
            if same:
                row.update({name: full, "difference": None})
            else:
                estimate, difference = compare_headlines(truth, runs, whole, replicates=replicates)
                row.update({name: estimate.to_json(), "difference": difference.to_json()})
            progress((n + 1) / len(rows))
        first, second = len(self.subsets), len(self.subsets) + len(self.curve)
        return {
            "headline": name,
            "modes": [mode.name for mode in self.modes],
            "subsets": rows[:first],
            "curve": rows[first:second],
            "noise": rows[second:],
            "notes": list(self.notes),
        }


def _same(a: Run, b: Run) -> bool:
    return np.array_equal(a.scores, b.scores) and np.array_equal(a.thresholds, b.thresholds)


def _said(damage: Damage, spoilt: dict[Noise, tuple[str, ...]]) -> dict[str, Any]:
    """A damage as JSON has it."""
    match damage:
        case Only(kept=kept):
            return {"modes": list(kept)}
        case Lost(mode=mode, share=share, stretches=stretches):
            return {"mode": mode.name, "lost": "stretches" if stretches else "scattered", "share": share}
        case Babble(decibels=level):
            return {"noise": "babble", "level": level, "unit": "dB", "modes": list(spoilt[damage])}
        case Blur(sigma=level):
            return {"noise": "blur", "level": level, "unit": "pixels", "modes": list(spoilt[damage])}
        case Misheard(rate=level):
            return {"noise": "word errors", "level": level, "unit": "share", "modes": list(spoilt[damage])}
    raise TypeError(f"{damage!r} is in no table")


def _spoiling(
    modes: Sequence[Mode], conversations: Sequence[Conversation], seed: int
) -> tuple[list[tuple[Noise, tuple[str, ...]]], list[str]]:
    """The noise that changes anything that the modes are made from; of the other modes why there is none."""
    noise, notes = [], []
    for modality, kinds in NOISE.items():
        own = [m for m in modes if modality_of(m.extractor.stream) == modality]
        seeded = [n if isinstance(n, Blur) else replace(n, seed=seed) for n in kinds]
        reason = "its vectors come ready-made"
        try:
            most = WORST[modality](conversations) if own else []
        except ValueError as error:
            most, reason = [], str(error)
        spoilt = tuple(m.name for m in own if most and _changed(m, conversations, most))
        noise += [(n, spoilt) for n in seeded if spoilt]
        notes += [f"{m.name}: no noise, {reason}" for m in own if m.name not in spoilt]
    return noise, notes


def _changed(mode: Mode, before: Sequence[Conversation], after: Sequence[Conversation]) -> bool:
    return any(
        content_of(mode.extractor, a, i) != content_of(mode.extractor, b, i)
        for a, b in zip(before, after, strict=True)
        for i in range(len(a))
    )
