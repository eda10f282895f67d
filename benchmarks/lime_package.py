"""Our LIME and that of the `lime` package (Ribeiro's own) on the same text classifier: words and time.

`pip install --no-deps --target DIR lime==0.2.0.1` (BSD; of the rest that it asks for the extras "dev" and
"explain" have what is used here), then, with DIR on PYTHONPATH, `python -m benchmarks.lime_package
[--count N]`: docs/results/lime_package.json. It is in no extra, as nothing else needs it.

The classifier is `base` on words alone; the utterances are drawn from the transcripts of
CMU-MOSI, of those with 6 to 20 different words, as `lime` takes equal words for one. Both ask about as many
changed texts, from which words are left out; ours asks about equal ones once. Seconds of the processor, the
import of libraries not counted.
"""

import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks._record import parser, record

from affectline.checkpoint import load
from affectline.checkpoint.asking import Asked
from affectline.corpora import mosi
from affectline.explain import explain
from affectline.explain.faithfulness import correlation
from affectline.explain.words import words
from affectline.types import Conversation, Modality, Utterance

SAMPLES = 1000
TOP = 3
LOST = (Modality.AUDIO, Modality.VIDEO)


def talks(data: Path, count: int, seed: int = 0) -> list[Conversation]:
    """Utterances of words alone, each a conversation."""
    said = [u for split in ("train", "dev", "test") for c in mosi.read(data / "mosi", split) for u in c]
    fit = [t for t in (_plain(u.text or "") for u in said) if 6 <= len(t) <= 20 and len({*t}) == len(t)]
    chosen = np.random.default_rng(seed).permutation(len(fit))[:count]
    return [_alone(" ".join(fit[n])) for n in chosen]


def _plain(text: str) -> list[str]:
    return ["".join(c for c in word if c.isalnum()) for word in text.lower().split()]


def _alone(text: str) -> Conversation:
    return Conversation("one", (Utterance(id="u", speaker="A", text=text, missing=frozenset(LOST)),))


def ours(asked: Asked, talk: Conversation, emotion: str, seed: int) -> dict[str, float]:
    """The weight of each word."""
    options: dict[str, Any] = {"emotions": [emotion], "samples": SAMPLES, "seed": seed}
    found = explain(words(talk, 0), asked, until_stable=False, **options)
    return dict(zip([p.name for p in found.parts], found.weights[emotion].tolist(), strict=True))


def theirs(asked: Asked, talk: Conversation, emotion: str, seed: int) -> dict[str, float]:
    """The weight of each word by the package, with its own defaults but for the number of samples."""
    from lime.lime_text import LimeTextExplainer  # pyright: ignore[reportMissingImports]

    (own,) = talk.utterances
    names = list(asked([talk])[0][0].scores)

    def probabilities(texts: Sequence[str]) -> np.ndarray:
        rows = []
        for start in range(0, len(texts), 64):
            changed = [talk.edit(0, text=text) for text in texts[start : start + 64]]
            rows += [[p.scores[name] for name in names] for (p,) in asked(changed)]
        return np.array(rows)

    explainer = LimeTextExplainer(class_names=names, random_state=seed)
    label = names.index(emotion)
    found = explainer.explain_instance(
        own.text,
        probabilities,
        labels=[label],
        num_features=len((own.text or "").split()),
        num_samples=SAMPLES,
    )
    return dict(found.as_list(label=label))


def compared(asked_of: Callable[[Conversation], Asked], talk: Conversation) -> dict[str, float]:
    """Of the strongest emotion: how alike the words' weights are, and the time of both."""
    asked = asked_of(talk)
    scores = asked([talk])[0][0].scores
    emotion = max(scores, key=lambda name: scores[name])
    weights, seconds = [], []
    for method, seed in ((ours, 0), (theirs, 0), (ours, 1), (theirs, 1)):
        clock = time.process_time()
        weights.append(method(asked, talk, emotion, seed))
        seconds.append(time.process_time() - clock)
    a, b, again, anew = weights

    def top(row: dict[str, float], count: int) -> set[str]:
        return {*sorted(row, key=lambda name: -row[name])[:count]}

    def rank(one: dict[str, float], other: dict[str, float]) -> float:
        return correlation(*(np.array([row.get(name, 0.0) for name in a]) for row in (one, other)))

    return {
        "same first word": float(top(a, 1) == top(b, 1)),
        "first three shared": len(top(a, TOP) & top(b, TOP)) / TOP,
        "rank correlation": rank(a, b),
        "rank correlation, ours by another seed": rank(a, again),
        "rank correlation, lime by another seed": rank(b, anew),
        "first three shared, lime by another seed": len(top(b, TOP) & top(anew, TOP)) / TOP,
        "processor seconds, ours": seconds[0],
        "processor seconds, lime": seconds[1],
    }


def main() -> None:
    if find_spec("lime") is None:
        raise SystemExit(
            "the package lime is not there; get it with: pip install --no-deps --target DIR lime==0.2.0.1, "
            "and put DIR on PYTHONPATH"
        )
    arguments = parser(__doc__ or "")
    arguments.add_argument("--count", type=int, default=20, help="utterances (default: 20)")
    chosen = arguments.parse_args()
    base = load("base")
    chosen_talks = talks(chosen.data, chosen.count + 1)
    compared(lambda talk: Asked(base, talk), chosen_talks[-1])  # which imports what both need
    rows = []
    for n, talk in enumerate(chosen_talks[:-1], start=1):
        rows.append(compared(lambda talk: Asked(base, talk), talk))
        print(f"{n} of {chosen.count}: {rows[-1]}", flush=True)
    mean = {name: round(float(np.mean([row[name] for row in rows])), 3) for name in rows[0]}
    found = {"utterances": len(rows), "samples": SAMPLES, "checkpoint": base.sha256[:12], "mean": mean}
    print(record("lime_package", found))


if __name__ == "__main__":
    main()
