"""`affectline explain`."""

import json as to_json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from tyro.conf import Positional, arg

from affectline.cli import terminal
from affectline.cli.options import Device, UsageError, usage

if TYPE_CHECKING:
    from affectline.analyze import Analyzer
    from affectline.analyze.explaining import Wanted
    from affectline.explain import Explanation
    from affectline.explain.attention import Attention
    from affectline.timeline import Timeline

TOP = 3  # parts that speak most for an emotion, and as many against it, in the terminal


def explain(
    timelines: Annotated[
        Positional[tuple[Path, ...]], arg(metavar="TIMELINE|FOLDER...", help_behavior_hint="")
    ] = (),
    /,
    *,
    utterance: Annotated[str | None, arg(metavar="ID|all", help_behavior_hint="")] = None,
    emotion: Annotated[
        str | None, arg(metavar="LIST", help_behavior_hint="(default: those that hold)")
    ] = None,
    modality: Annotated[
        str | None, arg(metavar="LIST", help_behavior_hint="(default: those that were used)")
    ] = None,
    method: Annotated[str, arg(metavar="lime|shap|ig")] = "lime",
    samples: Annotated[int, arg(metavar="N")] = 1000,
    around: Annotated[int, arg(metavar="N")] = 0,
    regions: Annotated[
        str | None, arg(metavar="superpixels|parts|scene|units", help_behavior_hint="(default: by the model)")
    ] = None,
    quick: Annotated[bool, arg(help_behavior_hint="")] = False,
    pictures: Annotated[Path | None, arg(metavar="DIR", help_behavior_hint="")] = None,
    png: Annotated[bool, arg(help_behavior_hint="")] = False,
    beside: Annotated[str | None, arg(metavar="LIST", help_behavior_hint="")] = None,
    checkpoint: Annotated[
        str | None, arg(metavar="NAME|DIR", help_behavior_hint="(default: the timeline's)")
    ] = None,
    report: Annotated[bool, arg(help_behavior_hint="")] = False,
    device: Device = "auto",
    json: Annotated[bool, arg(help_behavior_hint="")] = False,
) -> int:
    """Say which words, sounds and regions of the face speak for an emotion, and how far that can be trusted.

    The explanations go into the timeline's JSON and into the report.html beside it, which then holds a
    picture of the speaker's face. Exit code: 0 done; 1 it could not be explained; 2 wrong use.

    For example:

      affectline explain talk.affectline --utterance u0003
      affectline explain talk.affectline --utterance u0003 --emotion joy --modality text,video --method shap
      affectline explain talk.affectline --utterance u0003 --beside base,base:text,runs/multiemo --quick
      affectline explain runs/ --report

    Args:
        timelines: A timeline.json, or a folder that holds one; for --report any number of them.
        utterance: The id of what is explained, as the timeline has it; all of them: all.
        emotion: Which emotions are explained.
        modality: Of text, audio, video.
        method: LIME, KernelSHAP, or integrated gradients: quick, of words and faces alone.
        samples: How many changes the model is asked about at most; it stops once the weights are stable.
        around: Turns before and after whose words may have mattered too.
        regions: Of the picture: superpixels of the face, its named parts, superpixels of the scene, or action
            units where the model reads these.
        quick: Leave out how far it can be trusted, which takes about three times as long.
        pictures: Write each explanation as an SVG file to this folder.
        png: And as PNG, with --pictures or --beside.
        beside: These checkpoints on the utterance, side by side in one picture; NAME:text is one that has the
            words alone, NAME:text+audio one that sees nothing. The timeline stays as it is.
        checkpoint: Where the timeline's checkpoint is now.
        report: Say of all explanations in these timelines how many are better than random ones.
        device: What computes: auto takes cuda, mps or cpu.
        json: Print the explanations, or the report, as JSON.
    """
    from affectline.analyze import find_device, modalities_of
    from affectline.analyze.explaining import Wanted
    from affectline.analyze.explaining import timelines as found_in

    if not timelines or (utterance is None and not report):
        raise UsageError(
            "explain needs a timeline and an utterance, such as: "
            "affectline explain talk.affectline --utterance u0003"
        )
    with usage():
        wanted = Wanted(
            emotions=tuple(terminal.split(emotion)) if emotion else None,
            modalities=modalities_of(terminal.split(modality)) if modality else None,
            method=method,
            samples=samples,
            around=around,
            regions=regions,
            judged=not quick,
        )
        find_device(device)
        paths = list(found_in(timelines))
    if report and utterance is None:
        return _report(paths, as_json=json)
    if len(paths) > 1:
        raise UsageError(
            f"there are {len(paths)} timelines and {utterance!r} is an utterance of one; name it"
        )
    if png and not (pictures or beside):
        raise UsageError("--png says how pictures are written; say where with --pictures DIR")
    if beside:
        from affectline.cli.explain_beside import side_by_side

        where = pictures or paths[0].parent
        return side_by_side(paths[0], str(utterance), wanted, beside, device, where, png=png, as_json=json)
    return _explain(
        paths[0], str(utterance), wanted, checkpoint, device, pictures=pictures, png=png, as_json=json
    )


def _explain(
    path: Path,
    utterance: str,
    wanted: "Wanted",
    checkpoint: str | None,
    device: str,
    *,
    pictures: Path | None,
    png: bool,
    as_json: bool,
) -> int:
    from affectline.analyze.explaining import with_explanations
    from affectline.report import write_html
    from affectline.timeline import Timeline

    timeline = Timeline.read(path)
    names = [u.id for u in timeline.utterances]
    if utterance != "all" and utterance not in names:
        here = f"{names[0]} to {names[-1]}" if names else "none"
        raise ValueError(f"there is no utterance {utterance!r} in {path}; there are {here}")
    with terminal.Stages() as stages:
        stages.begin(str(path))
        analyzer = _analyzer(timeline, checkpoint, device)
        found, looked = _found(analyzer, timeline, utterance, wanted, stages=stages)
    explained = with_explanations(timeline, found, looked)
    page = path.with_name("report.html")
    write_html(explained, page)
    explained.write(path)
    drawn = _draw(explained, found, pictures, png=png) if pictures else []
    documents = [{"utterance": e.utterance, **d} for e in found for d in e.documents()]
    documents += [{"utterance": a.utterance, **a.document()} for a in looked]
    if as_json:
        print(to_json.dumps(documents, allow_nan=False))
        return 0
    for one in found:
        _show(one)
    for one in looked:
        most = ", ".join(f"{who} {what} {share:.0%}" for who, what, share in one.most())
        print(f"  {one.utterance}: {one.looks} looked most at {most}")
    for file in (path, page, *drawn):
        print(f"  {file}")
    return 0


def _found(
    analyzer: "Analyzer", timeline: "Timeline", utterance: str, wanted: "Wanted", *, stages: terminal.Stages
) -> "tuple[list[Explanation], list[Attention]]":
    """Of one utterance, or of all of which anything can be explained; and where the model looked."""
    from affectline.analyze.explaining import Explainer, rebuilt

    explainer = Explainer(analyzer.checkpoint, rebuilt(timeline, lambda: analyzer.detector, stages))
    found: list[Explanation] = []
    looked: list[Attention] = []
    for name in [u.id for u in timeline.utterances] if utterance == "all" else [utterance]:
        stages.begin(name)
        try:
            found += explainer.explain(name, wanted, progress=stages, note=stages.say)
            looked += explainer.watched(name)
        except ValueError as error:
            if utterance != "all":
                raise
            stages.say(f"{name}: {error}")
    return found, looked


def _draw(timeline: "Timeline", found: "Sequence[Explanation]", folder: Path, *, png: bool) -> list[Path]:
    from affectline.report import colours_of
    from affectline.report.pictures import pictures, write

    done: list[Path] = []
    for name in dict.fromkeys(one.utterance for one in found):
        entry = next(u for u in timeline.utterances if u.id == name)
        for figure in pictures(entry, colours_of(timeline)):
            done += write(figure.svg, folder / f"{name}-{figure.modality}-{figure.method}", as_png=png)
    return done


def _analyzer(timeline: "Timeline", checkpoint: str | None, device: str) -> "Analyzer":
    from affectline.analyze import Analyzer
    from affectline.cli.options import find_checkpoint

    name = checkpoint or timeline.checkpoint.get("name") or ""
    find_checkpoint(name)
    analyzer = Analyzer.load(name, device)
    if timeline.checkpoint.get("sha256") not in (None, analyzer.checkpoint.sha256):
        raise ValueError(
            f"the timeline was made by another checkpoint than {name!r} is now; give the folder of the one "
            "that made it with --checkpoint, or analyse the recording again"
        )
    return analyzer


def _show(explanation: "Explanation") -> None:
    """What speaks most for each emotion, and against it; what was measured of it."""
    from rich.table import Table
    from rich.text import Text

    e = explanation
    table = Table(title=f"{e.utterance}, {e.modality}: {e.method}, {e.samples} samples, {len(e.parts)} parts")
    for head in ("emotion", "for", "against", "deletion", "insertion", "random", "fit"):
        table.add_column(head, justify="left" if head in ("emotion", "for", "against") else "right")
    for emotion, weights in e.weights.items():
        order = sorted(range(len(weights)), key=lambda n, w=weights: -w[n])
        speaks = [f"{_name(e, n)} {weights[n]:+.3f}" for n in order[:TOP] if weights[n] > 0]
        denies = [f"{_name(e, n)} {weights[n]:+.3f}" for n in order[::-1][:TOP] if weights[n] < 0]
        judged = e.faithfulness.get(emotion)
        areas = (judged.deletion, judged.insertion, judged.random_deletion) if judged else ()
        cells = [f"{emotion} {e.probabilities[emotion]:.2f}", "\n".join(speaks), "\n".join(denies)]
        cells += [f"{area:.3f}" for area in areas] or ["", "", ""]
        table.add_row(*(Text(cell) for cell in [*cells, f"{e.fit[emotion]:.2f}"]))
    terminal.show(table)


def _name(explanation: "Explanation", number: int) -> str:
    """Of a part; of a stretch of sound with when it is."""
    part = explanation.parts[number]
    timed = explanation.modality == "audio" and part.span is not None
    return f"{part.name} at {part.span.start:.1f} s" if timed and part.span else part.name


def _report(paths: Sequence[Path], *, as_json: bool) -> int:
    """Of all explanations in timelines: how many are better than random ones."""
    from rich.table import Table

    from affectline.explain.faithfulness import summary
    from affectline.timeline import Timeline

    documents: list[dict[str, Any]] = [
        dict(one) for path in paths for u in Timeline.read(path).utterances for one in u.explanations
    ]
    rows = summary(documents)
    if as_json:
        print(to_json.dumps({"timelines": len(paths), "explanations": len(documents), "rows": rows}))
        return 0
    if not rows:
        raise ValueError(
            f"no explanation in {len(paths)} timelines was judged; make some with `affectline explain`"
        )
    table = Table(title=f"{len(documents)} explanations in {len(paths)} timelines; better than random: share")
    for head in rows[0]:
        table.add_column(head.replace("_", " "))
    for row in rows:
        table.add_row(
            *("" if v is None else f"{v:.2f}" if isinstance(v, float) else str(v) for v in row.values())
        )
    terminal.show(table)
    return 0
