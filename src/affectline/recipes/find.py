"""The recipes by name, and changes to their settings."""

import inspect
import pkgutil
from ast import literal_eval
from collections.abc import Callable, Sequence
from dataclasses import fields, is_dataclass, replace
from difflib import get_close_matches
from functools import partial
from importlib import import_module
from typing import Any, Literal, get_args, get_origin

from affectline import recipes
from affectline.recipes import Fusion, Recipe, Tuning


def names() -> dict[str, str]:
    """Every recipe, "base.text", and the first line of what is said about it."""
    return {name: _said(make) for name, make in _recipes().items()}


def find(name: str, changes: Sequence[str] = ()) -> Recipe | Fusion | Tuning:
    """The recipe of this name with changes such as "train.learning_rate=3e-5".

    Raises:
        ValueError: there is no such recipe or setting, or a value is of another kind than the present one.
    """
    found = _recipes()
    if name not in found:
        close = get_close_matches(name, found, n=1)
        meant = f"; did you mean {close[0]}?" if close else ""
        raise ValueError(f"there is no recipe {name!r}{meant} There are {', '.join(found)}")
    recipe = found[name]()
    for change in changes:
        path, equals, value = change.partition("=")
        if not equals:
            raise ValueError(f"{change!r} is no change; give path.to.setting=value, such as train.epochs=2")
        recipe = _set(recipe, path.split("."), value, change)
    return recipe


def _recipes() -> dict[str, Callable[[], Recipe | Fusion | Tuning]]:
    """The functions of the modules of this package whose annotation says that they return a recipe.

    One that takes a row is there for each of its module's ROWS, such as "multiemo.paper_meld.text", or, where
    it has not all of them, for those that ROWS_OF names.
    """
    found: dict[str, Callable[[], Recipe | Fusion | Tuning]] = {}
    for module in sorted(m.name for m in pkgutil.iter_modules(recipes.__path__)):
        inside = vars(import_module(f"affectline.recipes.{module}"))
        for name, make in inside.items():
            own = inspect.isfunction(make) and make.__module__ == f"affectline.recipes.{module}"
            if own and not name.startswith("_") and _makes_recipe(make):
                found[f"{module}.{name}"] = make
                rows = inside.get("ROWS_OF", {}).get(name) or inside.get("ROWS", {})
                rows = rows if "row" in inspect.signature(make).parameters else {}
                found |= {f"{module}.{name}.{row}": partial(make, row) for row in rows}
    return found


def _makes_recipe(make: Callable[..., object]) -> bool:
    signature = inspect.signature(make)
    required = [p for p in signature.parameters.values() if p.default is p.empty]
    return signature.return_annotation in (Recipe, Fusion, Tuning) and not required


def _said(make: Callable[[], Recipe | Fusion | Tuning]) -> str:
    """The first line of what is said of a recipe, or of the row of a table."""
    if isinstance(make, partial):
        (row,) = make.args
        make = import_module(make.func.__module__).ROWS[row]
    return (inspect.getdoc(make) or "").partition("\n")[0]


def _set(settings: Any, path: Sequence[str], value: str, change: str) -> Any:
    """A copy of `settings` in which what `path` leads to has the value."""
    name, *rest = path
    if isinstance(settings, tuple):
        numbers = [str(n) for n in range(len(settings))]
        _check(name, numbers, settings, change)
        changed = _changed(settings[int(name)], rest, value, change)
        return (*settings[: int(name)], changed, *settings[int(name) + 1 :])
    if isinstance(settings, dict):
        name, rest = _key([str(key) for key in settings], path)
        _check(name, [str(key) for key in settings], settings, change)
        return {k: _changed(v, rest, value, change) if str(k) == name else v for k, v in settings.items()}
    if not is_dataclass(settings):
        raise ValueError(f"{change}: {settings!r} has no settings inside it, so .{name} leads nowhere")
    kinds = {f.name: f.type for f in fields(settings)}
    _check(name, list(kinds), settings, change)
    changed = _changed(getattr(settings, name), rest, value, change)
    allowed = get_args(kinds[name]) if get_origin(kinds[name]) is Literal else ()
    if allowed and changed not in allowed:
        raise ValueError(f"{change}: {name} is one of {', '.join(map(str, allowed))}")
    return replace(settings, **{name: changed})  # pyright: ignore


def _key(keys: Sequence[str], path: Sequence[str]) -> tuple[str, Sequence[str]]:
    """The key that a path begins with, which may hold dots, as "audio.compare" does, and what follows it."""
    for length in range(1, len(path) + 1):
        if ".".join(path[:length]) in keys:
            return ".".join(path[:length]), path[length:]
    return path[0], path[1:]


def _check(name: str, known: Sequence[str], settings: Any, change: str) -> None:
    if name not in known:
        raise ValueError(f"{change}: {type(settings).__name__} has no {name!r}; it has {', '.join(known)}")


def _changed(present: Any, rest: Sequence[str], value: str, change: str) -> Any:
    return _set(present, rest, value, change) if rest else _parsed(present, value, change)


def _parsed(present: Any, value: str, change: str) -> Any:
    """The value, of the kind that the setting has now."""
    if isinstance(present, str):
        return value
    try:
        parsed = literal_eval(value)
    except (ValueError, SyntaxError):
        parsed = value
    if isinstance(present, float) and type(parsed) is int:
        parsed = float(parsed)
    plain = isinstance(present, bool | int | float | tuple) or present is None
    if not plain or (present is not None and type(parsed) is not type(present)):
        kind = f"of type {type(present).__name__}" if plain else "part of the recipe and not a value"
        raise ValueError(f"{change}: the setting is now {present!r}, {kind}; {value!r} cannot replace it")
    return parsed
