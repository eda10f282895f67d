"""`affectline summary`."""

import json as to_json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from tyro.conf import Positional, arg

from affectline.cli import terminal
from affectline.cli.options import UsageError
from affectline.cli.tables import Shown


def summary(
    timeline: Annotated[Positional[Path], arg(metavar="TIMELINE|FOLDER")],
    other: Annotated[Positional[Path | None], arg(metavar="OTHER", help_behavior_hint="")] = None,
    /,
    *,
    speaker: Annotated[str | None, arg(metavar="NAME", help_behavior_hint="")] = None,
    json: Annotated[bool, arg(help_behavior_hint="")] = False,
    markdown: Annotated[bool, arg(help_behavior_hint="")] = False,
) -> int:
    """Who showed which emotion how much, what came after what, and how two recordings differ.

    Each with n and the p of a permutation test, adjusted for how much was tested; too little is not tested.
    It speaks of what is perceived in these recordings, not of causes.

    For example:

      affectline summary runs/demo
      affectline summary runs/monday/timeline.json runs/friday/timeline.json --json

    Args:
        timeline: A timeline.json of `affectline analyze`, or its folder.
        other: Another one to compare with.
        speaker: Compare what one speaker says who is called so in both.
        json: Print the summary as JSON.
        markdown: Print the tables as Markdown.
    """
    from affectline.summary import document, summarise
    from affectline.timeline import Timeline

    if json and markdown:
        raise UsageError("--json and --markdown: give one of them")
    if speaker is not None and other is None:
        raise UsageError("--speaker is for a comparison; give another timeline too")
    found = [summarise(Timeline.read(_file(path))) for path in (timeline, other) if path is not None]
    said = document(*found, speaker=speaker)
    if json:
        print(to_json.dumps(said, ensure_ascii=False, allow_nan=False))
        return 0
    for table in tables(said):
        print(f"{table.markdown()}\n") if markdown else terminal.show(table.at_terminal())
    for note in (*said["notes"], *said.get("comparison", {}).get("notes", ())):
        print(note)
    return 0


def _file(path: Path) -> Path:
    found = path / "timeline.json" if path.is_dir() else path
    if not found.is_file():
        raise UsageError(f"there is no timeline {found}; make it with affectline analyze")
    return found


def tables(said: Mapping[str, Any]) -> list[Shown]:
    """The summary, of one recording or two, as tables."""
    found = [_shares(said), *_orders(said)]
    if "other" in said:
        found += [_shares(said["other"]), *_orders(said["other"]), _comparison(said)]
    return found


def _shares(said: Mapping[str, Any]) -> Shown:
    people = [*said["speakers"], said["everyone"]]
    columns = ["shown in", *(one["name"] or "together" for one in people)]
    rows = [
        [share["label"], *(_share(one["shares"][n]) for one in people)]
        for n, share in enumerate(said["everyone"]["shares"])
    ]
    rows.append(["(abstained)", *(f"{one['abstained']} of {one['utterances']}" for one in people)])
    return Shown(f"{_recording(said)}: utterances, their share, and the share of time", columns, rows)


def _share(share: Mapping[str, Any]) -> str:
    shares = (percent(share[of]) for of in ("of_utterances", "of_time"))
    return "  ".join([str(share["utterances"]), *(text for text in shares if text)])


def percent(share: float | None) -> str:
    return "" if share is None else f"{share:.0%}"


def _orders(said: Mapping[str, Any]) -> list[Shown]:
    names = {one["id"]: one["name"] for one in said["speakers"]}
    kinds = {"transitions": "from one's utterance to the next", "following": "from a turn to another's next"}
    return [
        _order(f"{_recording(said)}: {title}", said[kind], names, said["settings"])
        for kind, title in kinds.items()
    ]


def _order(
    title: str, orders: Sequence[Mapping[str, Any]], names: Mapping[str, str], settings: Mapping[str, Any]
) -> Shown:
    rows: list[list[str]] = []
    for order in orders:
        who = names[order["first"]] if order["first"] == order["then"] else arrow(names, order)
        found = [cell for cell in order["tested"] if cell["adjusted"] <= settings["level"]]
        beside = order["reason"] or f"none of {len(order['tested'])} pairs of emotions stands out"
        if not found:
            rows.append([who, beside, str(order["pairs"]), "", "", "", ""])
        for cell in sorted(found, key=lambda cell: cell["adjusted"]):
            chance = (f"{cell['expected']:.1f}", f"{cell['p']:.4f}", f"{cell['adjusted']:.4f}")
            pair = f"{cell['first']} \N{RIGHTWARDS ARROW} {cell['then']}"
            rows.append([who, pair, str(order["pairs"]), str(cell["count"]), *chance])
    return Shown(title, ["who", "what stands out", "n", "count", "by chance", "p", "adjusted"], rows)


def arrow(names: Mapping[str, str], order: Mapping[str, Any]) -> str:
    return f"{names[order['first']]} \N{RIGHTWARDS ARROW} {names[order['then']]}"


def _comparison(said: Mapping[str, Any]) -> Shown:
    comparison = said["comparison"]
    first, second = (
        f"{_recording(of)} (n {n})"
        for of, n in zip((said, said["other"]), comparison["answered"], strict=True)
    )
    rows = [
        [
            label["label"],
            *(
                f"{n}  {percent(share)}"
                for n, share in zip(label["utterances"], label["shares"], strict=True)
            ),
            *("" if value is None else f"{value:+.3f}" for value in [label["difference"]]),
            *("" if label[p] is None else f"{label[p]:.4f}" for p in ("p", "adjusted")),
        ]
        for label in comparison["labels"]
    ]
    title = f"the difference, of {comparison['speaker']}" if comparison["speaker"] else "the difference"
    title = f"{title}; {comparison['reason']}" if comparison["reason"] else title
    return Shown(title, ["utterances", first, second, "difference", "p", "adjusted"], rows)


def _recording(said: Mapping[str, Any]) -> str:
    return Path(said["recording"]).name if said["recording"] else "conversation"
