"""How fast SeMuL-PCD reads raw clips, trains and answers, in how much memory, and what saves of either.

`python -m benchmarks.semul_speed [--parts loader,steps,memory,compile,paper]` writes
docs/results/semul_speed.json; of parts that are not named, what was measured before is kept. The loader reads
the raw clips of CMU-MOSI; the networks compute on made-up windows, 16 at once, each row in a process of its
own, so that its memory is its own. `--tiny` tries whether all of it runs: everything small, nothing written.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import torch
from benchmarks._record import FOLDER, parser, record

from affectline.batch import Batch, Stream
from affectline.epochs import Drawn
from affectline.features.audio_samples import Samples
from affectline.features.random_views import RandomViews
from affectline.features.text_words import Words
from affectline.features.video_frames import Pixels
from affectline.media import View
from affectline.models.semul_pcd import BASE, PAPER, SMALL, TINY, Config, Objective, SeMuLPCD
from affectline.models.semul_pcd_size import GIB, size_of
from affectline.recipes import fitted, semul_pcd

Row = Mapping[str, Any]

PRESETS = {"SMALL": SMALL, "BASE": BASE, "PAPER": PAPER, "TINY": TINY}
BATCH = 16
LONGEST = 300  # seconds of a row
CHIPS = {"H200": 989e12, "H100 80GB HBM3": 989e12, "A100": 312e12}
"""Dense multiplications and additions a second in bf16, by what is in the name of the device (NVIDIA)."""
ROWS: Mapping[str, Mapping[str, Row]] = {
    "steps": {
        "SMALL, training": {"preset": "SMALL"},
        "SMALL, inference": {"preset": "SMALL", "train": False},
        "BASE, training": {"preset": "BASE"},
        "BASE, inference": {"preset": "BASE", "train": False},
    },
    "memory": {
        "BASE: DropToken .5": {"preset": "BASE"},
        "and checkpointing": {"preset": "BASE", "changes": {"checkpointing": True}},
        "no DropToken": {"preset": "BASE", "changes": {"drop_tokens": 0.0}},
        "no DropToken, checkpointing": {
            "preset": "BASE",
            "changes": {"drop_tokens": 0.0, "checkpointing": True},
        },
    },
    "compile": {"eager": {"preset": "BASE"}, "compiled": {"preset": "BASE", "compiled": True}},
}
"""What is measured of presets in training, or not; a row that stands twice is measured once."""


def loader(data: Path, *, tiny: bool) -> dict[str, Row]:
    """Clips a second by the number of workers, and, with none, what takes which share of the time."""
    rows: dict[str, Row] = {}
    for name, made in {"SMALL": semul_pcd.mosi_raw, "BASE": semul_pcd.mosi_raw_base}.items():
        recipe = fitted(made(), data)
        splits = (recipe.read(data / recipe.corpus, split) for split in ("train", "dev", "test"))
        clips = [clip for split in splits for clip in split][: 4 if tiny else None]
        assert recipe.view is not None
        drawn = Drawn(clips, recipe.extractors, recipe.labels, BATCH, 0, recipe.view)
        spent: dict[str, float] = {}
        for workers in (0, 1, 2):
            with nullcontext() if workers else _parts(spent):
                seconds = _seconds(lambda epochs: sum(1 for _ in epochs(0)), replace(drawn, workers=workers))
            shares = {} if workers else _shares(spent, seconds)
            row = {"clips": len(clips), "samples_per_s": len(clips) / seconds, **shares}
            rows[f"{name}, {workers} workers"] = row
    return rows


@contextmanager
def _parts(spent: dict[str, float]) -> Iterator[None]:
    """Add up in `spent` what the loader does, where it does it in this process."""
    with (
        _timed(Pixels, spent, "pictures"),
        _timed(View, spent, "cutting"),
        _timed(Samples, spent, "sound"),
        _timed(Words, spent, "words"),
        _timed(RandomViews, spent, "views"),
    ):
        yield


def _shares(spent: Mapping[str, float], whole: float) -> dict[str, float]:
    """Of the time of one epoch; the share of the words is with the stretch that is drawn, and its words."""
    parts = {
        "decoding_pictures": spent["pictures"] - spent["cutting"],
        "cutting_and_colours": spent["cutting"],
        "decoding_sound": spent["sound"],
        "words": spent["words"] + spent["views"],
    }
    return {name: seconds / whole for name, seconds in {**parts, "rest": whole - sum(parts.values())}.items()}


@contextmanager
def _timed(kind: type, spent: dict[str, float], name: str) -> Iterator[None]:
    """Add the time of the calls of a type's values to `spent[name]`."""
    call = kind.__call__
    spent[name] = 0.0

    def measured(self: object, *inputs: object) -> object:
        began = time.perf_counter()
        out = call(self, *inputs)
        spent[name] += time.perf_counter() - began
        return out

    kind.__call__ = measured
    try:
        yield
    finally:
        kind.__call__ = call


def _seconds(call: Callable[..., object], *inputs: object) -> float:
    began = time.perf_counter()
    call(*inputs)
    return time.perf_counter() - began


def apart(row: Row, *, tiny: bool) -> Row:
    """A row in a process of its own; where it cannot run, why."""
    return json.loads(_ran(json.dumps({**row, "preset": "TINY" if tiny else row["preset"]})))


@cache
def _ran(row: str) -> str:
    """Where nothing is compiled already."""
    command = [sys.executable, "-m", "benchmarks.semul_speed", "--row", row]
    with tempfile.TemporaryDirectory() as folder:
        env = {**os.environ, "TORCHINDUCTOR_CACHE_DIR": folder}
        try:
            ran = subprocess.run(
                command, capture_output=True, text=True, check=True, timeout=LONGEST, env=env
            )
            found = ran.stdout
        except subprocess.TimeoutExpired:
            found = json.dumps({"why": f"not done in {LONGEST} s"})
        except subprocess.CalledProcessError as error:
            found = json.dumps({"why": f"did not run: {error.stderr.strip().splitlines()[-1]}"})
    print(row, found, flush=True)
    return found


def measure(
    preset: str,
    *,
    train: bool = True,
    half: bool = False,
    compiled: bool = False,
    steps: int = 2,
    changes: Row | None = None,
) -> dict[str, Any]:
    """The first step, and the mean of later ones, of a preset with changes; the peak of this process."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    config = replace(PRESETS[preset], **(changes or {}))
    torch.manual_seed(0)
    with torch.device(device):
        model, batch = SeMuLPCD(config).train(train), _windows(config)
    if compiled:
        for layer in model.layers:
            layer.compile()
    step = _training(model, batch, half=half) if train else torch.inference_mode()(lambda: model(batch))
    first, *later = (_seconds(_waited, step, device) for _ in range(1 + steps))
    mean = sum(later) / len(later)
    return {
        "device": _name(device),
        "first_step_s": first,
        "step_s": mean,
        "samples_per_s": BATCH / mean,
        "peak_gib": _peak(device),
    }


def _windows(config: Config) -> Batch:
    """Whole windows, each an utterance, with all modalities and some labels."""
    sizes = {
        "text.words": torch.randint(2, config.vocabulary, (BATCH, 1, config.words)),
        "audio.samples": torch.rand(BATCH, 1, config.samples) * 2 - 1,
        "video.frames": torch.randint(
            256, (BATCH, 1, config.frames, config.picture, config.picture, 3), dtype=torch.uint8
        ),
    }
    targets = (torch.rand(BATCH, 1, config.classes) < 0.5).float()
    return Batch(
        streams={s: Stream(v, torch.ones(v.shape[:3], dtype=torch.bool)) for s, v in sizes.items()},
        mask=torch.ones(BATCH, 1, dtype=torch.bool),
        speakers=torch.zeros(BATCH, 1, dtype=torch.long),
        targets=targets,
        known=torch.ones_like(targets, dtype=torch.bool),
        ratings=targets,
    )


def _training(model: SeMuLPCD, batch: Batch, *, half: bool) -> Callable[[], object]:
    """Forward, backward, and a step of the optimiser."""
    objective, optimizer = Objective(), torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
    kind = batch.mask.device.type

    def step() -> None:
        with torch.autocast(kind, torch.bfloat16) if half else nullcontext():
            loss = sum(objective(model, batch).values(), batch.targets.new_zeros(()))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def _waited(step: Callable[[], object], device: str) -> None:
    step()
    if device == "cuda":
        torch.cuda.synchronize()


def _name(device: str) -> str:
    return torch.cuda.get_device_name() if device == "cuda" else f"cpu, {torch.get_num_threads()} threads"


def _peak(device: str) -> float:
    """GiB of the accelerator that were taken at most; else of this process, all that it has loaded too."""
    if device == "cuda":
        return torch.cuda.max_memory_allocated() / GIB
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / GIB


def compilation(*, tiny: bool) -> Mapping[str, Row]:
    """Eager and compiled, and from how many steps on the compiler has paid for itself."""
    rows = {name: dict(apart(row, tiny=tiny)) for name, row in ROWS["compile"].items()}
    eager, compiled = rows.values()
    if "why" not in {**eager, **compiled}:
        gain = eager["step_s"] - compiled["step_s"]
        compiled["times_eager"] = eager["step_s"] / compiled["step_s"]
        compiled["pays_after_steps"] = (
            round((compiled["first_step_s"] - eager["first_step_s"]) / gain) if gain > 0 else "never"
        )
    return rows


def paper(*, tiny: bool) -> Row:
    """One step of the preset, and a hundred. Model operations: three times an answer's, no repeated ones."""
    if not torch.cuda.is_available():
        return {"why": "not run: no accelerator"}
    found = dict(apart({"preset": "PAPER", "half": True, "steps": 100}, tiny=tiny))
    chip = next((rate for name, rate in CHIPS.items() if name in torch.cuda.get_device_name()), None)
    if "why" in found or chip is None:
        return found
    return found | {"share_of_bf16_rate": 3 * size_of(PAPER).flops * found["samples_per_s"] / chip}


def main() -> None:
    arguments = parser(__doc__ or "")
    arguments.add_argument("--parts", default="loader,steps,memory,compile,paper")
    arguments.add_argument("--tiny", action="store_true", help="try it: TINY for each preset, four clips")
    arguments.add_argument("--row", type=json.loads, help="measure this one and print it")
    options = arguments.parse_args()
    if options.row:
        print(json.dumps(measure(**options.row)))
        return
    tiny = options.tiny
    parts: dict[str, Callable[[], Row]] = {
        "loader": lambda: loader(options.data, tiny=tiny),
        "steps": lambda: {name: apart(row, tiny=tiny) for name, row in ROWS["steps"].items()},
        "memory": lambda: {name: apart(row, tiny=tiny) for name, row in ROWS["memory"].items()},
        "compile": lambda: compilation(tiny=tiny),
        "paper": lambda: paper(tiny=tiny),
    }
    measured = {name: parts[name]() for name in options.parts.split(",")}
    path = FOLDER / "semul_speed.json"
    before = json.loads(path.read_text(encoding="utf-8"))["results"] if path.is_file() else {}
    print(measured if tiny else record("semul_speed", {**before, **measured}))


if __name__ == "__main__":
    main()
