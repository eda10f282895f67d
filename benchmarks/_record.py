"""How a benchmark writes what it measured: docs/results/<name>.json, from which docs/results.md is made."""

import argparse
import importlib.metadata
import json
import os
import platform
import sys
from collections.abc import Mapping
from datetime import date
from pathlib import Path

from affectline.evaluation import hardware
from affectline.files import atomic_write

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "results"
PACKAGES = ("torch", "numpy", "transformers", "av", "scikit-learn", "opensmile", "silero-vad")


def parser(about: str, seeds: str = "") -> argparse.ArgumentParser:
    """Of a benchmark's command line: every one takes the folder of the corpora; one that trains more."""
    default = os.environ.get("AFFECTLINE_DATA", ROOT.parent / "shared" / "data")
    made = argparse.ArgumentParser(description=about)
    made.add_argument(
        "--data", type=Path, default=Path(default), help="the folder that holds goemotions/, ..."
    )
    if seeds:
        made.add_argument("--seeds", default=seeds, help=f"(default: {seeds})")
        made.add_argument("--runs", type=Path, default=Path("runs"), help="where trained models are and go")
    return made


def record(name: str, results: Mapping[str, object]) -> Path:
    """Write what a benchmark measured, with where and how; numbers that are not finite become null."""
    path = FOLDER / f"{name}.json"
    fields = {
        "name": name,
        "command": command(),
        "made": date.today().isoformat(),
        "hardware": hardware(),
        "versions": _versions(),
        "results": _finite(results),
    }
    atomic_write(path, json.dumps(fields, indent=1, allow_nan=False) + "\n")
    return path


def command() -> str:
    """As it was called, without what is of this machine: paths become the names of their files."""
    arguments = [Path(a).name if Path(a).is_absolute() else a for a in sys.orig_argv[1:]]
    return " ".join(["python", *arguments])


def _versions() -> dict[str, str]:
    installed = {d.metadata["Name"] for d in importlib.metadata.distributions()}
    found = {name: importlib.metadata.version(name) for name in PACKAGES if name in installed}
    return {"python": platform.python_version(), **found}


def _finite(value: object) -> object:
    if isinstance(value, Mapping):
        return {str(name): _finite(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if hasattr(value, "tolist"):  # numpy's numbers and arrays
        return _finite(value.tolist())  # pyright: ignore[reportAttributeAccessIssue]
    if isinstance(value, float) and not abs(value) < float("inf"):
        return None
    return value
