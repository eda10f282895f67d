"""Imports point one way, and heavy libraries wait until they are used: the architecture diagram."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# fmt: off
LAYERS = [
    "types", "checked", "files", "tracks", "shipped", "timeline", "corrections", "exports", "summary",
    "media", "corpora", "official", "archives", "doctor", "batch",
    "nn", "faces", "features", "epochs", "losses", "models", "abstention", "checkpoint", "evaluation",
    "machines", "training", "explain",
    "segment", "blurring", "annotations", "sharing", "extraction", "scale", "report", "analyze", "recipes",
    "server", "cli", "__init__", "__main__",
]
# fmt: on
HEAVY = {
    "PIL": set(),
    "av": {"media"},
    "captum": set(),
    "faster_whisper": set(),
    "feat": set(),
    "h5py": set(),
    "hear21passt": set(),
    "lightning": set(),
    "lightning_fabric": set(),
    "opensmile": set(),
    "pyannote": set(),
    "resvg_py": set(),
    "silero_vad": set(),
    "skimage": set(),
    "sklearn": set(),
    "tensorboard": set(),
    "transformers": set(),
}
"""Libraries that take long to import or belong to an extra, and the layers that may import them at once."""
SOURCE = Path(__file__).parents[1] / "src" / "affectline"
MODULES = sorted(SOURCE.rglob("*.py"))


def _name(path: Path) -> str:
    return path.relative_to(SOURCE).as_posix()


def _layer(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def _imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: imports are written in full"
            assert node.module is not None
            if node.module == "affectline":
                yield from (f"affectline.{alias.name}" for alias in node.names)
            else:
                yield node.module


def _at_once(tree: ast.Module) -> Iterator[ast.stmt]:
    """The statements that run when a module is imported, without what is for the type checker alone."""
    for statement in tree.body:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if isinstance(statement, ast.If) and "TYPE_CHECKING" in ast.unparse(statement.test):
            continue
        yield statement


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_imports_point_down(path: Path) -> None:
    mine = _layer(path)
    assert mine in LAYERS, f"{mine} has no place in the order of imports; give it one here and in DESIGN.md 3"
    for name in _imported(ast.parse(path.read_text(encoding="utf-8"))):
        theirs = name.split(".")[1] if name.startswith("affectline.") else None
        if theirs in LAYERS:
            assert LAYERS.index(theirs) <= LAYERS.index(mine), f"{mine} may not import {theirs}"
        else:
            assert theirs is None or theirs == "__version__", f"{mine} imports {name}, which has no layer"


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_heavy_libraries_are_imported_where_they_are_used(path: Path) -> None:
    mine = _layer(path)
    for statement in _at_once(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(statement, ast.Import | ast.ImportFrom):
            for name in _imported(statement):
                library = name.split(".")[0]
                allowed = mine in HEAVY.get(library, {mine})
                assert allowed, f"line {statement.lineno}: import {library} inside the function that needs it"


def test_importing_the_package_loads_no_heavy_library() -> None:
    heavy = [*HEAVY, "torch", "pandas", "scipy"]
    code = f"import sys, affectline; print([m for m in {heavy!r} if m in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert loaded.strip() == "[]"


def test_help_and_errors_load_no_network_library(tmp_path: Path) -> None:
    broken = tmp_path / "timeline.json"
    broken.write_text("{")
    calls = [["--help"], ["analyse"], ["summary", str(broken)]]
    code = f"from affectline.cli import main; print(*(main(a) for a in {calls}), 'torch' in sys.modules)"
    code = f"import sys; {code}"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines()[-1] == "0 2 1 False"
    assert str(broken) in run.stderr
