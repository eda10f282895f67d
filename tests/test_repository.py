"""What may lie in the repository: text, the demo and our weights; no addresses of anybody's machine."""

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BINARY = {
    "examples/demo.mp4": 1_000_000,
    "src/affectline/checkpoints/base/model.safetensors": 2_000_000,
    "src/affectline/checkpoints/base/text/model.safetensors": 3_000_000,
    "src/affectline/checkpoints/base/audio/model.safetensors": 1_000_000,
    "src/affectline/checkpoints/base/video/model.safetensors": 4_000_000,
}
"""The only files that are not text, and the most bytes that each may have."""
TEXT = 300_000  # bytes
MACHINE = re.compile(r"(?<![\w.$}~*-])/(?:root|home|Users|work|opt|mnt|tmp|private|scratch)/\w|\b[A-Z]:\\\w")
REGISTRY = re.compile(r"pypi\.org|pythonhosted|download\.pytorch|index-url|find-links|trusted-host|file:///")


@pytest.fixture(scope="module")
def files() -> list[Path]:
    """What git holds, or would: tracked files and new ones that it does not ignore."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("this is not a git checkout: what belongs to the repository is not known")
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout.decode().split("\0")
    return [ROOT / name for name in names if name and (ROOT / name).is_file()]


def _relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _is_text(path: Path) -> bool:
    content = path.read_bytes()
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return b"\0" not in content


def test_only_the_demo_and_our_weights_are_binary(files: list[Path]) -> None:
    assert {_relative(f) for f in files if not _is_text(f)} <= set(BINARY)


def test_no_file_is_large(files: list[Path]) -> None:
    large = {
        _relative(f): f.stat().st_size for f in files if f.stat().st_size > BINARY.get(_relative(f), TEXT)
    }
    assert not large


@pytest.mark.parametrize("pattern", [MACHINE, REGISTRY], ids=["a machine's paths", "a registry's address"])
def test_no_file_names_a_machine_or_a_registry(files: list[Path], pattern: re.Pattern[str]) -> None:
    found = {
        _relative(f): hit.group()
        for f in files
        if f != Path(__file__) and _is_text(f) and (hit := pattern.search(f.read_text(encoding="utf-8")))
    }
    assert not found


def test_the_patterns_find_what_they_are_for() -> None:
    assert MACHINE.search('open("/home/ada/talk.mp4")')
    assert MACHINE.search(r"C:\Users\ada")
    assert REGISTRY.search("pip install --index-url x")
    assert not MACHINE.search("see ../shared/data, $HOME/work/x and https://example.org/home/x")


def test_constraints_pin_every_dependency() -> None:
    pins = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][A-Za-z0-9.]*", pin) for pin in pins)
    pinned = {_normal(pin.split("==")[0]) for pin in pins}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    unpinned = {"diarization", "passt", "aus"}  # they bring torchaudio or torchvision, for one torch each
    extras = {n: needs for n, needs in project["optional-dependencies"].items() if n not in unpinned}
    needed = [*project["dependencies"], *(need for needs in extras.values() for need in needs)]
    names = {_normal(match.group()) for need in needed if (match := re.match(r"[A-Za-z0-9._-]+", need))}
    assert names - {"affectline"} <= pinned


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
