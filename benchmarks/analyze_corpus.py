"""`analyze` over every scene and every MOSI clip: what fails, what is found, and what the valence says.

The sentiment of MOSI is never used for any choice: `base` has not seen MOSI.

python -m benchmarks.analyze_corpus [--limit N] [--checkpoint DIR]
"""

import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from benchmarks._record import parser, record
from benchmarks._talks import Spoken, spoken, write_words
from scipy.stats import rankdata
from sklearn.metrics import roc_auc_score

from affectline import Analyzer, Timeline
from affectline.analyze.recordings import MEDIA
from affectline.media import FileClip
from affectline.timeline import Entry
from affectline.types import Modality, Prediction

RATE = 2.0  # pictures per second in which a face is looked for


@dataclass(frozen=True)
class Analysed:
    """`error`: why there is no timeline; `crashed`: that affectline did not foresee it."""

    timeline: Timeline | None
    seconds: float
    error: str = ""
    crashed: bool = False


def analyse(analyzer: Analyzer, path: Path, transcript: Path | None, folder: Path) -> Analysed:
    """A timeline that was written and read again, so that it is a valid one."""
    began = time.monotonic()
    try:
        analyzer.analyze(path, transcript).write(folder / "timeline.json")
        timeline = Timeline.read(folder / "timeline.json")
    except Exception as error:  # what this benchmark counts
        foreseen = isinstance(error, ValueError | OSError)
        return Analysed(None, time.monotonic() - began, f"{type(error).__name__}: {error}", not foreseen)
    return Analysed(timeline, time.monotonic() - began)


def faces_in(analyzer: Analyzer, path: Path) -> tuple[int, int]:
    """How many of the sampled pictures of a recording show a face, and how many faces were found in all."""
    pictures = [picture for _, picture in FileClip(path).pictures(RATE)]
    found = [len(analyzer.detector.detect(picture[None])[0]) for picture in pictures]
    return sum(n > 0 for n in found), sum(found)


def scene(analyzer: Analyzer, path: Path, folder: Path) -> dict[str, object]:
    """What came out of one scene."""
    done = analyse(analyzer, path, None, folder)
    if done.timeline is None:
        return {"error": done.error.replace(f"{path}", path.name), "crashed": done.crashed}
    timeline, found = done.timeline, FileClip(path).has_video
    with_face, boxes = faces_in(analyzer, path) if found else (0, 0)
    return {
        "seconds": round(done.seconds, 2),
        "duration": timeline.duration,
        "utterances": len(timeline.utterances),
        "speakers": len(timeline.speakers),
        "modalities": Counter(str(m) for u in timeline.utterances for m in u.modalities),
        "utterances_with_face": sum(u.face is not None for u in timeline.utterances),
        "pictures_with_face": with_face,
        "boxes": boxes,
        "warnings": timeline.warnings,
    }


def clips(analyzer: Analyzer, utterances: Sequence[Spoken], folder: Path) -> dict[str, object]:
    """What came out of the clips, each with its words."""
    failed: dict[str, str] = {}
    crashed = pictures = shown = 0
    entries: list[tuple[Spoken, Entry]] = []
    for one in utterances:
        row = {"speaker": one.video, "text": one.text}
        done = analyse(analyzer, one.clip, write_words(folder / "words.json", [row]), folder)
        if done.timeline is None:
            failed[one.id], crashed = done.error, crashed + done.crashed
            continue
        pictures += sum(1 for _ in FileClip(one.clip).pictures(RATE))
        shown += faces_in(analyzer, one.clip)[0]
        entries.append((one, done.timeline.utterances[0]))
    used = Counter("+".join(sorted(e.modalities)) for _, e in entries)
    every = "+".join(sorted(Modality))
    return {
        "clips": len(utterances),
        "failed": failed,
        "crashed": crashed,
        "valid_timelines": len(entries),
        "clips_with_face": sum(e.face is not None for _, e in entries) / len(utterances),
        "frames": pictures,
        "frames_with_face": shown / max(1, pictures),
        "all_modalities": used[every] / len(utterances),
        "modalities": used,
        "abstained": sum(e.abstained for _, e in entries) / max(1, len(entries)),
        "valence": {
            "all": agreement(entries, None),
            **{str(m): agreement(entries, m) for m in Modality},
        },
    }


def agreement(entries: Sequence[tuple[Spoken, Entry]], modality: Modality | None) -> dict[str, float | int]:
    """How valence goes with sentiment: Spearman's correlation, and AUROC for sentiment of 0 or more."""
    rows = [
        (s.sentiment, _valence(e, modality))
        for s, e in entries
        if modality is None or modality in e.by_modality
    ]
    sentiment, valence = np.array(rows).T if rows else (np.zeros(0), np.zeros(0))
    positive = sentiment >= 0
    if len(set(positive.tolist())) < 2:
        return {"n": len(rows)}
    return {
        "n": len(rows),
        "spearman": float(np.corrcoef(rankdata(valence), rankdata(sentiment))[0, 1]),
        "auroc": float(roc_auc_score(positive, valence)),
    }


def _valence(entry: Entry, modality: Modality | None) -> float:
    if modality is None:
        return entry.valence
    return Prediction(entry.by_modality[modality], frozenset()).valence


def main() -> None:
    arguments = parser(__doc__ or "")
    arguments.add_argument("--checkpoint", default="base")
    arguments.add_argument("--limit", type=int, help="scenes and clips at most")
    options = arguments.parse_args()
    analyzer = Analyzer.load(options.checkpoint)
    paths = [p for p in sorted((options.data / "scenes").iterdir()) if p.suffix in {*MEDIA, ".jpg"}]
    scenes: dict[str, Mapping[str, object]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for path in paths[: options.limit]:
            scenes[path.name] = scene(analyzer, path, folder)
            print(path.name, scenes[path.name], flush=True)
        mosi = clips(analyzer, spoken(options.data)[: options.limit], folder)
    failed = sum("error" in s for s in scenes.values()) + len(mosi["failed"])  # pyright: ignore
    false_boxes = scenes.get("no_face.mp4", {}).get("boxes")
    results = {"failed": failed, "false_boxes_no_face": false_boxes, "scenes": scenes, "mosi": mosi}
    print(record("analyze_corpus", results))


if __name__ == "__main__":
    main()
