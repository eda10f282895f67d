"""Values out of JSON that somebody else wrote: of the type that they must have, or a clear ValueError."""

import json
from collections.abc import Sequence
from typing import Any

NULL = type(None)


def parse_json(text: str) -> Any:
    """JSON as the standard has it: NaN and Infinity are refused."""
    try:
        return json.loads(text, parse_constant=_refuse)
    except json.JSONDecodeError as error:
        raise ValueError(f"this is not JSON ({error})") from error


def _refuse(name: str) -> float:
    raise ValueError(f"{name} is no number of JSON; what is not known must be null")


def take(row: Any, key: str, kinds: type | tuple[type, ...], where: str) -> Any:
    """The value of a key that must be there; `where` is what the message calls the row.

    A whole number is a float too, a bool is no number, and numbers are finite.
    """
    kinds = kinds if isinstance(kinds, tuple) else (kinds,)
    if not isinstance(row, dict):
        raise ValueError(f"{where} must be an object, got {row!r:.60}")
    if key not in row:
        raise ValueError(f"{where} lacks {key!r}")
    value = row[key]
    allowed = (*kinds, int) if float in kinds else kinds
    finite = not isinstance(value, int | float) or -1e300 < value < 1e300
    if not isinstance(value, allowed) or (isinstance(value, bool) and bool not in kinds) or not finite:
        names = " or ".join("null" if kind is NULL else kind.__name__ for kind in kinds)
        raise ValueError(f"{where}: {key!r} must be {names}, got {value!r:.60}")
    return value


def each(values: Sequence[Any], kind: type, where: str) -> Sequence[Any]:
    """A list whose every member must be of one type."""
    for value in values:
        if not isinstance(value, kind):
            raise ValueError(f"{where} must hold {kind.__name__} only, got {value!r:.60}")
    return values


def texts(row: Any, key: str, where: str) -> tuple[str, ...]:
    """A list of texts."""
    return tuple(each(take(row, key, list, where), str, f"{where}: {key!r}"))


def numbers(row: Any, key: str, where: str) -> dict[str, float]:
    """An object whose every value is a number."""
    table = take(row, key, dict, where)
    return {name: float(take(table, name, float, f"{where}: {key!r}")) for name in table}
