"""Which checkpoints come with the package; found without loading what they need."""

from importlib.resources import files
from pathlib import Path


def installed() -> dict[str, Path]:
    """The checkpoints that come with the package, by name."""
    root = Path(str(files("affectline"))) / "checkpoints"
    return {path.parent.name: path.parent for path in sorted(root.glob("*/config.json"))}
