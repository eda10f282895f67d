"""Pictures of attention, of several checkpoints side by side, and pictures as PNG."""

import io
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from timeline_makers import talk

from affectline.report import PALETTE, render
from affectline.report.attended import attended
from affectline.report.beside import answer, beside_svg
from affectline.report.explained import INK
from affectline.report.pictures import pictures, png
from affectline.timeline import Entry


def looked(looks: str, **shares: dict[str, float]) -> dict[str, Any]:
    parts = [
        {"name": name, "utterance": u, "weight": share}
        for name, row in shares.items()
        for u, share in row.items()
    ]
    return {"modality": "attention", "method": "attention", "emotion": None, "looks": looks, "parts": parts}


WORD = {
    "modality": "text", "method": "lime", "emotion": "joy", "probability": 0.7, "samples": 100,
    "parts": [{"name": "lovely", "weight": 0.3}, {"name": "day", "weight": -0.1}],
}  # fmt: skip


def entry(*documents: dict[str, Any]) -> Entry:
    return replace(talk(2).utterances[1], explanations=documents)


def test_the_most_attended_cell_is_the_darkest_and_stands_in_its_column() -> None:
    own = entry().id
    first = looked("text", audio={"u0001": 0.6, own: 0.1}, video={"u0001": 0.0, own: 0.3})
    (figure,) = attended(entry(WORD, first))
    cells = re.findall(
        r'<rect x="([\d.]+)" y="(\d+)" [^>]*fill-opacity="([\d.]+)"><title>([^<]*)', figure.svg
    )
    assert [(title, opacity) for _, _, opacity, title in cells] == [
        ("text at audio, u0001: 60.0%", "0.90"),
        (f"text at audio, {own}: 10.0%", "0.18"),
        ("text at video, u0001: 0.0%", "0.04"),
        (f"text at video, {own}: 30.0%", "0.47"),
    ]
    (x0, y0), (x1, y1), (x2, y2), _ = ((float(x), float(y)) for x, y, _, _ in cells)
    assert x0 == x2 < x1
    assert y0 == y1 < y2
    assert figure.said.startswith("text looked at audio, u0001: 60%")
    assert "not what moved its answer" in " ".join(figure.notes)


def test_a_report_has_the_map_beside_the_explanations() -> None:
    timeline = replace(
        talk(2), utterances=(talk(2).utterances[0], entry(WORD, looked("all", text={"u": 1.0})))
    )
    page = render(timeline)
    assert "Where it looked (attention)" in page
    assert page.count("<figure>") == 2


def test_a_map_that_is_no_map_is_refused() -> None:
    broken = looked("text", audio={"u0001": 0.6})
    broken["parts"][0]["weight"] = "much"
    with pytest.raises(ValueError, match=r"explanation 1.*'weight' must be"):
        attended(entry(broken))


def test_checkpoints_stand_under_one_another_with_their_own_answers() -> None:
    one = replace(entry(WORD), emotions=("joy",), scores={"joy": 0.71, "anger": 0.2}, abstained=False)
    two = replace(entry(), emotions=(), scores={"joy": 0.1, "anger": 0.3}, abstained=False)
    assert answer(two) == "nothing holds (anger 0.30)"
    assert answer(replace(two, abstained=True)) == "abstained"
    svg = beside_svg([("base", one, ()), ("MultiEMO", two, ()), ("<b>", None, ("it sees nothing",))], PALETTE)
    heads = re.findall(r'font-weight="700">([^<]*)</text>', svg)
    assert heads == ["base: joy 0.71", "MultiEMO: nothing holds (anger 0.30)", "&lt;b&gt;: it sees nothing"]
    (box,) = re.findall(r'<svg x="[\d.]+" y="[\d.]+" width="([\d.]+)"', svg)
    assert float(box) < 360
    assert "lovely" in svg[svg.index("base:") : svg.rindex("MultiEMO:")]


def test_a_picture_becomes_a_png_in_its_colours_and_letters() -> None:
    pytest.importorskip("resvg_py")
    (figure,) = pictures(entry(WORD), PALETTE)
    image = Image.open(io.BytesIO(png(figure.svg))).convert("RGB")
    assert image.size == (1440, 2 * figure.height)
    pixels = np.asarray(image).reshape(-1, 3)
    for colour in (PALETTE["joy"], INK):  # the swatch, and letters
        wanted = [int(colour[n : n + 2], 16) for n in (1, 3, 5)]
        assert (np.abs(pixels.astype(int) - wanted).max(axis=1) < 3).sum() > 20, colour
