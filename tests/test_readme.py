"""What the README tells a reader to do can be done: commands parse, Python runs, links lead somewhere."""

import re
import shlex
import subprocess
import sys
import tomllib
from contextlib import redirect_stdout
from functools import cache
from io import StringIO
from pathlib import Path

import pytest

from affectline.cli import main

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
    "optional-dependencies"
]
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)
PYTHON = [code for language, code in BLOCKS if language == "python"]
LINES = [line for language, code in BLOCKS if not language for line in code.splitlines() if line]
COMMANDS = [shlex.split(line) for line in LINES if line.startswith(("affectline ", "make "))]
STANDS_FOR = {"talk.mp4"}  # a file of the reader's


@cache
def _printed(*words: str) -> str:
    """What `affectline WORDS` prints."""
    with redirect_stdout(StringIO()) as out:
        try:
            code = main(words)
        except SystemExit as stop:  # of --help
            code = stop.code
    assert code == 0, f"affectline {shlex.join(words)}: {code}"
    return out.getvalue()


def _affectline(*, of: list[list[str]]) -> list[list[str]]:
    return [command for command in of if command[0] == "affectline"]


def _made() -> list[list[str]]:
    """The commands of affectline that the Makefile runs."""
    return [
        shlex.split(line.split("/", 2)[2]) for line in re.findall(r"\$\(VENV\)/bin/affectline.*", MAKEFILE)
    ]


def test_the_readme_begins_with_the_two_commands() -> None:
    assert LINES[:2] == ["make demo", "affectline analyze talk.mp4"]


@pytest.mark.parametrize("command", [c for c in COMMANDS if c[0] == "make"], ids=" ".join)
def test_make_targets_exist(command: list[str]) -> None:
    phony = re.search(r"^\.PHONY:(.*)$", MAKEFILE, flags=re.MULTILINE)
    assert phony is not None
    assert command[1] in phony.group(1).split()
    assert re.search(rf"^{command[1]}:", MAKEFILE, flags=re.MULTILINE)


@pytest.mark.parametrize("command", [*_affectline(of=COMMANDS), *_made()], ids=" ".join)
def test_commands_and_their_options_exist(command: list[str]) -> None:
    options = [word for word in command[2:] if word.startswith("--")]
    text = _printed(command[1], "--help")
    assert [option for option in options if not re.search(rf"{option}\b", text)] == []


@pytest.mark.parametrize("command", [*_affectline(of=COMMANDS), *_made()], ids=" ".join)
def test_files_named_in_commands_exist(command: list[str]) -> None:
    paths = [word for word in command[2:] if re.search(r"\.(mp4|srt|vtt|csv)$", word)]
    assert [path for path in paths if path not in STANDS_FOR and not (ROOT / path).is_file()] == []


def test_the_recipes_named_exist() -> None:
    named = set(re.findall(r"`(base\.\w+)`", README)) | {
        c[2] for c in COMMANDS if c[:2] == ["affectline", "train"]
    }
    listed = _printed("recipes")
    assert named
    assert [name for name in sorted(named) if name not in listed] == []


def test_the_extras_are_those_of_the_package() -> None:
    table = set(re.findall(r"^\| `(\w+)` \|", README, flags=re.MULTILINE))
    assert table == set(EXTRAS)
    assert set(re.findall(r'"\.\[(\w+)\]"', README)) <= set(EXTRAS)


def test_links_lead_to_files() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", README)
    assert links
    assert [link for link in links if "://" not in link and not (ROOT / link).exists()] == []


def test_the_tree_names_what_is_there() -> None:
    (tree,) = [code for _, code in BLOCKS if code.startswith("src/affectline/")]
    names = re.findall(r"(?<![\w/])(?:\w+/)*\w+(?:\.py|/)", tree)
    places = [ROOT, ROOT / "src" / "affectline"]
    assert len(names) >= 15
    assert [name for name in names if not any((place / name).exists() for place in places)] == []


@pytest.mark.parametrize("code", PYTHON)
def test_the_python_runs(code: str) -> None:
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    assert run.returncode == 0, run.stderr
    assert len(run.stdout.splitlines()) >= 12
    assert "Ada" in run.stdout
