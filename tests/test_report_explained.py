"""Explanations as pictures: colours, places and words line up with what the weights say."""

import re
from dataclasses import replace
from typing import Any

import pytest
from test_report import INJECTION, Page
from timeline_makers import talk

from affectline.report import PALETTE, render
from affectline.report.explained import Figure, figures
from affectline.timeline import Entry


def part(name: str, weight: float, **more: object) -> dict[str, Any]:
    return {"name": name, "weight": weight, "start": None, "end": None, "region": None, **more}


def explained(*documents: dict[str, Any]) -> Entry:
    whole = [{"method": "lime", "samples": 250, **d} for d in documents]
    return replace(talk(1).utterances[0], explanations=tuple(whole))


def figure_of(*documents: dict[str, Any]) -> Figure:
    (found,) = figures(explained(*documents), PALETTE)
    return found


def boxes(svg: str) -> list[tuple[str, str]]:
    """The style of each box that belongs to a word, and that word."""
    return re.findall(r'<g><title>(\S+) [^<]*</title><rect [^>]*?rx="3" ([^>]*)/>', svg)


def test_each_word_has_the_colour_of_its_label_by_its_own_weight() -> None:
    weights = {"lovely": 0.4, "a": 0.0, "dull": -0.2}
    joy = {"modality": "text", "emotion": "joy", "parts": [part(n, w) for n, w in weights.items()]}
    anger = {"modality": "text", "emotion": "anger", "parts": [part(n, -w) for n, w in weights.items()]}
    found = boxes(figure_of(joy, anger).svg)
    names = [word for word, _ in found]
    styles = [style for _, style in found]
    assert names == ["lovely", "a", "dull", "lovely", "a", "dull"]
    assert f'fill="{PALETTE["joy"]}" fill-opacity="0.80"' in styles[0]
    assert styles[1] == styles[4] == 'fill="none"'
    assert f'stroke="{PALETTE["joy"]}"' in styles[2]
    assert 'fill="none"' in styles[2]
    assert f'stroke="{PALETTE["anger"]}"' in styles[3]
    assert f'fill="{PALETTE["anger"]}" fill-opacity="0.46"' in styles[5]


def test_stretches_of_sound_stand_where_they_are_heard() -> None:
    parts = [
        part(name, 0.3 if (n, name) == (1, "high") else 0.0, start=float(n), end=n + 1.0)
        for n in range(3)
        for name in ("low", "high")
    ]
    document = {"modality": "audio", "emotion": "fear", "parts": parts, "envelope": [0.1, 1.0, 0.2]}
    svg = figure_of(document).svg
    filled = re.findall(
        rf'<rect x="([\d.]+)" y="([\d.]+)" width="([\d.]+)"[^>]*fill="{PALETTE["fear"]}"', svg
    )
    xs = {float(x) for x, _, width in filled if float(width) > 20}
    assert xs == {150 + 570 / 3}  # the second of three stretches: as a whole, and the one component
    assert sum(float(width) > 20 for _, _, width in filled) == 2


def test_regions_lie_where_they_are_in_the_grid() -> None:
    parts = [part("mouth", 0.2, region=[[2, 1, 3]]), part("eyes", -0.1, region=[[0, 0, 1]])]
    document = {
        "modality": "video", "emotion": "joy", "parts": parts, "grid": [4, 4],
        "picture": "data:image/jpeg;base64,AAAA",
    }  # fmt: skip
    svg = figure_of(document).svg
    assert 'viewBox="0 0 4 4"' in svg
    assert f'<path d="M1 2H3V3H1Z" fill="{PALETTE["joy"]}"' in svg
    assert '<path d="M0 0h1M0 1h1M0 0v1M1 0v1" fill="none"' in svg
    assert svg.count("<image ") == 1
    elsewhere = figure_of({**document, "picture": "https://example.org/x.jpg"}).svg
    assert "<image" not in elsewhere


def test_a_report_says_whether_it_is_better_than_random() -> None:
    areas = {"deletion": 0.3, "insertion": 0.7, "random_deletion": 0.5, "fit": 0.81}
    document = {"modality": "text", "emotion": "joy", "parts": [part("a", 0.1), part("b", 0.2)], **areas}
    (note,) = figure_of(document).notes
    assert "better than random" in note
    assert "250 samples" in note
    (note,) = figure_of({**document, "insertion": 0.4}).notes
    assert "NOT better than random" in note


def test_the_page_stays_whole_whatever_stands_in_an_explanation() -> None:
    timeline = talk(2)
    parts = [part(INJECTION, 0.3, utterance=INJECTION), part("b", -0.1)]
    nasty = explained({"modality": "text", "emotion": INJECTION, "parts": parts, "picture": INJECTION})
    page = Page(render(replace(timeline, utterances=(nasty, *timeline.utterances[1:]))))
    assert len([e for e in page.elements if e[0] == "script"]) == 3
    assert any("What shows it" in text for text in page.text("section"))


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"modality": "text", "emotion": "joy"}, "explanation 1 lacks 'parts'"),
        ({"modality": "text", "emotion": "joy", "parts": [{"name": "a"}]}, "lacks 'weight'"),
        ({"modality": "video", "emotion": "joy", "parts": [part("a", 1.0, region=[[1, 2]])]}, "'region'"),
    ],
)
def test_a_broken_explanation_is_named(document: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        figures(explained(document), PALETTE)


def test_a_timeline_without_explanations_has_no_such_section() -> None:
    assert 'id="explained"' not in render(talk(2))
