"""Trained on one corpus, judged on another: words of GoEmotions and MELD, over ElderReact's six labels.

`python -m benchmarks.cross_corpus [--seeds 0,1,2] [--runs DIR]` writes docs/results/cross_corpus.json. Each
model is calibrated and its thresholds chosen on the dev part of the corpus it is trained on. An utterance is
judged alone, without its dialogue. What a model and a seed have answered is kept in DIR/cross_corpus.
ElderReact has sound and no words: its cells with the other two are empty, and say so.
"""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from pathlib import Path

import numpy as np
from benchmarks._record import parser, record
from benchmarks._svm import CLASSIFIERS, Part, decided, fitted

from affectline.corpora import elderreact, goemotions, meld
from affectline.evaluation import Run, Truth, evaluate
from affectline.features import extract
from affectline.features.text_minilm import MiniLM
from affectline.features.text_words import Words
from affectline.machines import Machines
from affectline.models import infer, late_fusion, semul_pcd
from affectline.recipes import Data, Read, Recipe, featured, one_by_one, run
from affectline.recipes import fitted as with_words
from affectline.training import Train
from affectline.types import Conversation, LabelSpace, Utterance

CORPORA: Mapping[str, Read] = {"goemotions": goemotions.read, "meld": one_by_one(meld.read)}
LABELS = LabelSpace(elderreact.LABELS.names, multilabel=True)
SPLITS = ("train", "dev", "test")
SCORES = ("weighted_f1", "macro_f1", "map", "auroc", "ece")
EPOCHS = {"goemotions": 4, "meld": 12}
MOST = 2000
"""Utterances of train, drawn at random, that the SVM learns from: its time grows with their square."""


def six(read: Read) -> Read:
    """With no other labels than the six; an utterance of another one shows none of these."""

    def shared(root: Path, split: str) -> list[Conversation]:
        return [replace(c, utterances=tuple(map(_six, c)), labels=None) for c in read(root, split)]

    def _six(u: Utterance) -> Utterance:
        kept = None if u.emotions is None else u.emotions & set(LABELS.names)
        return replace(u, emotions=kept, ratings=None)

    return shared


def raw_words(corpus: str) -> Recipe:
    """SeMuL-PCD's words, learnt from nothing."""
    config = replace(semul_pcd.TINY, classes=len(LABELS.names), streams={"text.words": 0}, words=32)
    return _semul(corpus, replace(config, vocabulary=1024, dropout=0.3), Words(limit=32))


def one_token(corpus: str) -> Recipe:
    """SeMuL-PCD on the sentence's vector as one token."""
    config = replace(semul_pcd.TINY, classes=len(LABELS.names), streams={"text.minilm": 384}, dropout=0.3)
    return _semul(corpus, replace(config, layers=1), MiniLM(pooled=True))


def fused_late(corpus: str) -> Recipe:
    """A network of one hidden layer on the sentence's vector."""
    recipe = one_token(corpus)
    config = late_fusion.Config(classes=len(LABELS.names), vectors={"text.minilm": 384})
    return replace(recipe, model=late_fusion.LateFusion, config=config, objective=late_fusion.Objective())


MODELS = {
    "SeMuL-PCD, words": raw_words,
    "SeMuL-PCD, MiniLM": one_token,
    "late fusion, MiniLM": fused_late,
}


def _semul(corpus: str, config: semul_pcd.Config, extractor: Words | MiniLM) -> Recipe:
    train = Train(epochs=EPOCHS[corpus], batch=128, learning_rate=1e-3, weight_decay=0.05, average=0.98)
    return Recipe(
        labels=LABELS,
        corpus=corpus,
        read=six(CORPORA[corpus]),
        extractors=(extractor,),
        model=semul_pcd.SeMuLPCD,
        config=config,
        objective=semul_pcd.Objective(),
        train=train,
        select="map",
    )


@dataclass(frozen=True)
class Matrix:
    """All corpora, read once."""

    data: Path
    kept: Path

    @cached_property
    def talks(self) -> dict[tuple[str, str], list[Conversation]]:
        pairs = product(CORPORA, SPLITS)
        return {(c, split): six(CORPORA[c])(self.data / c, split) for c, split in pairs}

    @cached_property
    def truth(self) -> dict[tuple[str, str], Truth]:
        return {key: Truth.of(talks, LABELS) for key, talks in self.talks.items()}

    @cached_property
    def vectors(self) -> dict[tuple[str, str], Part]:
        """What the frozen MiniLM makes of each sentence."""
        return {key: self._vectors(*key) for key in self.talks}

    def _vectors(self, corpus: str, split: str) -> Part:
        path, talks = self.kept / f"minilm_{corpus}_{split}.npy", self.talks[corpus, split]
        if not path.is_file():
            rows = extract(talks, [MiniLM(pooled=True)])
            absent = np.full(384, np.nan, np.float32)
            found = [u["text.minilm"] for row in rows for u in row]
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(path, np.stack([f[0] if len(f) else absent for f in found]))
        return Part(np.load(path), self.truth[corpus, split])

    def seen(self, recipe: Recipe, corpus: str, split: str) -> Data:
        talks = self.talks[corpus, split]
        if not isinstance(recipe.extractors[0], MiniLM):
            return featured(recipe, talks, split)
        rows = self.vectors[corpus, split].vectors
        features = [[{"text.minilm": row[None] if np.isfinite(row).all() else row[None][:0]}] for row in rows]
        return Data(talks, features)

    def answers(self, name: str, source: str, seed: int) -> dict[str, np.ndarray]:
        """Logits on dev of the corpus that is learnt from, and on the test part of every corpus."""
        path = self.kept / f"{name.replace(' ', '_')}_{source}_{seed}.npz"
        if not path.is_file():
            recipe = with_words(MODELS[name](source), self.data)
            recipe = replace(recipe, train=replace(recipe.train, seed=seed))
            train, dev = (self.seen(recipe, source, split) for split in ("train", "dev"))
            with tempfile.TemporaryDirectory() as folder:
                model = run(recipe, train, dev, Path(folder), machines=Machines(device="cpu"))
            parts = {"dev": dev} | {c: self.seen(recipe, c, "test") for c in CORPORA}
            said = {n: infer(model, p.conversations, p.features, LABELS).logits for n, p in parts.items()}
            np.savez(path, **said)  # pyright: ignore[reportArgumentType] - no corpus is called allow_pickle
            print(path.stem, flush=True)
        with np.load(path) as file:
            return dict(file)

    def runs(self, name: str, source: str, seeds: Sequence[int]) -> dict[str, list[Run]]:
        """On the test part of every corpus."""
        found = [self._judged(self.answers(name, source, seed), source) for seed in seeds]
        return {corpus: [runs[corpus] for runs in found] for corpus in CORPORA}

    def _judged(self, said: Mapping[str, np.ndarray], source: str) -> dict[str, Run]:
        dev = self.truth[source, "dev"]
        return {corpus: decided(said["dev"], dev, said[corpus]) for corpus in CORPORA}

    def classified(self, kind: str, source: str) -> dict[str, list[Run]]:
        """Of a classifier on the vectors of `MOST` utterances of the corpus."""
        train, dev = self.vectors[source, "train"], self.vectors[source, "dev"]
        drawn = np.random.default_rng(0).permutation(len(train.vectors))[:MOST]
        truth = replace(train.truth, **{n: getattr(train.truth, n)[drawn] for n in PER_ROW})
        few = Part(train.vectors[drawn], truth)
        print(kind, source, flush=True)
        return {c: [fitted(kind, few, dev, self.vectors[c, "test"])] for c in CORPORA}


PER_ROW = ("targets", "known", "groups")


def measure(seeds: Sequence[int], data: Path, runs: Path) -> dict[str, object]:
    matrix = Matrix(data, runs / "cross_corpus")
    rows: list[dict[str, object]] = []
    for source in CORPORA:
        rate = matrix.truth[source, "train"].base_rate
        found = {kind: matrix.classified(kind, source) for kind in CLASSIFIERS}
        found |= {name: matrix.runs(name, source, seeds) for name in MODELS}
        ones = {c: np.tile(rate, (len(matrix.truth[c, "test"].targets), 1)) for c in CORPORA}
        found["all ones"] = {c: [Run(scores, np.zeros_like(rate))] for c, scores in ones.items()}
        for model, judge in product(found, CORPORA):
            said = found[model][judge]
            report = evaluate(matrix.truth[judge, "test"], said, base_rate=rate, seeds=range(len(said)))
            scores = {name: report.estimates[name].to_json() for name in SCORES}
            rows.append({"trained on": source, "judged on": judge, "model": model, **scores})
    reason = "no modality in common: words here, sound there"
    empty = [{"cell": f"{c} and elderreact", "why it is empty": reason} for c in CORPORA]
    return {"rows": rows, "empty": empty, "seeds": list(seeds)}


if __name__ == "__main__":
    chosen = parser(__doc__ or "", seeds="0,1,2").parse_args()
    numbers = [int(n) for n in chosen.seeds.split(",")]
    record("cross_corpus", measure(numbers, chosen.data, chosen.runs))
