"""The command `affectline`: one function per command."""

import io
import os
import sys
from collections.abc import Callable, Sequence
from difflib import get_close_matches

import tyro

from affectline import __version__
from affectline.cli.analyze import analyze
from affectline.cli.blur import blur
from affectline.cli.doctor import doctor
from affectline.cli.evaluate import evaluate
from affectline.cli.explain import explain
from affectline.cli.export import export
from affectline.cli.extract import extract
from affectline.cli.options import UsageError
from affectline.cli.prepare import prepare
from affectline.cli.serve import serve
from affectline.cli.summary import summary
from affectline.cli.terminal import say
from affectline.cli.train import recipes, train
from affectline.cli.weights import weights
from affectline.files import reason_of

COMMANDS: dict[str, Callable[..., int]] = {
    "analyze": analyze,
    "explain": explain,
    "summary": summary,
    "recipes": recipes,
    "train": train,
    "evaluate": evaluate,
    "serve": serve,
    "prepare": prepare,
    "doctor": doctor,
    "extract": extract,
    "export": export,
    "blur": blur,
    "weights": weights,
}

EXAMPLES = """\
examples:
  affectline analyze talk.mp4
  affectline analyze talks/ --transcript words/ --out runs --resume
  affectline analyze --help"""

INTERRUPTED = 130  # what a shell calls a command that Ctrl-C ended


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code: 0 done, 1 something failed, 2 wrong use, 130 interrupted."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(
                errors="backslashreplace"
            )  # a name that cannot be printed is no reason to stop
    try:
        return _run(list(sys.argv[1:] if arguments is None else arguments))
    except UsageError as error:
        say(f"affectline: {error}")
        return 2
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what reads our output has had enough
        return 1
    except (ValueError, OSError, ImportError) as error:
        say(f"affectline: {reason_of(error)}")
        return 1
    except KeyboardInterrupt:
        say("affectline: interrupted")
        return INTERRUPTED


def _run(arguments: list[str]) -> int:
    name, *rest = arguments or ["--help"]
    if name in ("-h", "--help", "help"):
        print(_help())
        return 0
    if name == "--version":
        print(f"affectline {__version__}")
        return 0
    if name not in COMMANDS:
        close = get_close_matches(name, COMMANDS, n=1)
        meant = f"did you mean {close[0]}? " if close else ""
        raise UsageError(f"there is no command {name!r}; {meant}The commands are {', '.join(COMMANDS)}")
    config = (tyro.conf.FlagCreatePairsOff, tyro.conf.DisallowNone)
    return tyro.cli(COMMANDS[name], prog=f"affectline {name}", args=rest, config=config)


def _help() -> str:
    commands = "\n".join(f"  {name:10} {_first_line(command)}" for name, command in COMMANDS.items())
    return (
        "Who expressed which emotion, when, and what shows it: from a recording to a timeline.\n\n"
        f"usage: affectline COMMAND [OPTIONS]\n\ncommands:\n{commands}\n\n{EXAMPLES}"
    )


def _first_line(command: Callable[..., int]) -> str:
    return (command.__doc__ or "").partition("\n")[0]
