import base64
import hashlib
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from io import StringIO

import pytest
from rich.console import Console
from timeline_makers import THRESHOLDS, talk

from affectline.report import PALETTE, clock, render, shown, summary_table, write_html
from affectline.timeline import Timeline
from affectline.types import EMOTIONS, Modality, Span

VOID = {"meta", "link", "input", "br"}
INJECTION = "</script><script>alert(1)</script><!--<b onload='x' \u2028 {{ 7 * 7 }} & \"quoted\""


class Page(HTMLParser):
    """Every element with its attributes and text; a tag that is closed out of turn fails."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None], list[str]]] = []
        self.open: list[int] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs), []))
        if tag not in VOID:
            self.open.append(len(self.elements) - 1)

    def handle_endtag(self, tag):
        assert self.elements[self.open.pop()][0] == tag

    def handle_data(self, data):
        for index in self.open:
            self.elements[index][2].append(data)

    def text(self, tag: str, **attributes: str) -> list[str]:
        fits = [e for e in self.elements if e[0] == tag and attributes.items() <= e[1].items()]
        return ["".join(words) for _, _, words in fits]


def data(page: Page, id: str = "data"):
    [text] = page.text("script", id=id)
    return json.loads(text)


@pytest.fixture(scope="module")
def page() -> Page:
    return Page(render(talk(30, speakers=("S1", "S2", "S3"), seed=4)))


def test_the_report_holds_the_timeline(page):
    timeline = talk(30, speakers=("S1", "S2", "S3"), seed=4)
    document = timeline.document()
    for row in document["utterances"]:
        row["words"] = []
        if row["face"]:
            row["face"]["boxes"] = []
    assert data(page) == document == shown(timeline)


def test_every_utterance_is_a_row_of_the_table_with_its_words(page):
    timeline = talk(30, speakers=("S1", "S2", "S3"), seed=4)
    rows = [text for tag, attributes, text in page.elements if tag == "tr" and "data-n" in attributes]
    assert len(rows) == 30
    for cells, u in zip(rows, timeline.utterances, strict=True):
        text = " ".join("".join(cells).split())
        assert (u.text or "") in text
        for emotion in ["abstained"] if u.abstained else (u.emotions or ["none"]):
            assert emotion in text


@pytest.mark.parametrize("media", [None, "../a talk & more.mp4"])
def test_nothing_is_loaded_from_anywhere_but_the_folder(media):
    text = render(talk(10), media)
    page = Page(text)
    assert "http://" not in text.replace("http://www.w3.org/2000/svg", "")
    assert "https://" not in text
    assert not re.search(r"url\((?!#hatch)|@import|fetch\(|XMLHttpRequest|import\(", text)
    loads = [
        a for _, attrs, _ in page.elements for a in attrs.items() if a[0] in ("src", "href", "action", "data")
    ]
    assert loads == [("href", "data:,")] + ([("src", "../a%20talk%20%26%20more.mp4")] if media else [])
    [policy] = [a["content"] for t, a, _ in page.elements if "http-equiv" in a]
    assert policy is not None
    assert policy.startswith("default-src 'none';")


def test_the_policy_admits_the_script_and_no_other():
    page = Page(render(talk(3)))
    [policy] = [a["content"] or "" for _, a, _ in page.elements if "http-equiv" in a]
    [script] = [t for t, a in ((t, a) for n, a, t in page.elements if n == "script") if "type" not in a]
    digest = base64.b64encode(hashlib.sha256("".join(script).encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy
    assert not [a for _, attrs, _ in page.elements for a in attrs if a.startswith("on")]


def test_what_people_wrote_cannot_become_markup():
    timeline = talk(4, texts=[INJECTION])
    speakers = tuple(replace(s, name=f"{INJECTION}{s.id}") for s in timeline.speakers)
    entries = tuple(replace(u, warnings=(INJECTION,)) for u in timeline.utterances)
    source = replace(timeline.source, path=f"{INJECTION.replace('/', '')}.mp4")
    hostile = replace(
        timeline,
        speakers=speakers,
        utterances=entries,
        warnings=(INJECTION,),
        source=source,
        checkpoint={"name": INJECTION},
    )
    plain, spoilt = Page(render(timeline)), Page(render(hostile))
    count = lambda page, tag: sum(t == tag for t, _, _ in page.elements)  # noqa: E731
    for tag in ("script", "b", "tr", "style"):
        assert count(spoilt, tag) == count(plain, tag)
    assert data(spoilt)["utterances"][0]["text"] == INJECTION
    assert "49" not in "".join(spoilt.text("li"))


def test_colours_are_never_alone_and_every_label_has_one(page):
    legend = "".join(page.text("ul", **{"class": "legend"}))
    assert all(name in legend for name in (*EMOTIONS, "none", "abstained"))
    assert data(page, "colours") == PALETTE
    assert len(set(PALETTE.values())) == len(EMOTIONS)


def test_labels_beyond_the_seven_are_shown_too():
    timeline = talk(3)
    text = render(replace(timeline, labels=(*EMOTIONS, "curiosity")))
    assert re.fullmatch("#[0-9a-f]{6}", data(Page(text), "colours")["curiosity"])


def test_the_report_says_what_it_is_and_what_the_weights_allow():
    timeline = replace(talk(3), warnings=("the words are Danish",))
    text = render(timeline)
    for words in (
        "not what someone feels",
        "Not for decisions about people",
        "CC BY-NC-SA 4.0",
        "the words are Danish",
    ):
        assert words in text
    assert "CC BY-NC-SA" not in render(replace(timeline, checkpoint={"name": "mine", "sha256": None}))


def test_shares_are_of_the_speakers_own_time():
    timeline = talk(2, speakers=("S1",))
    first, second = (replace(u, abstained=False) for u in timeline.utterances)
    entries = (
        replace(first, span=Span(0, 3), emotions=("joy", "fear")),
        replace(second, span=Span(5, 6), emotions=("joy",)),
    )
    page = Page(render(replace(timeline, utterances=entries)))
    found = dict(zip((*EMOTIONS, "abstained"), page.text("b")[-8:], strict=True))
    assert (found["joy"], found["fear"], found["anger"]) == ("100 %", "75 %", "0 %")


@pytest.mark.parametrize(
    "timeline",
    [
        talk(5, timed=False),
        replace(talk(1), utterances=(), speakers=(), duration=None),
        replace(
            (lost := talk(3)),
            utterances=tuple(
                replace(
                    u,
                    text=None,
                    words=(),
                    emotions=(),
                    scores={},
                    by_modality={},
                    modalities=(),
                    abstained=True,
                )
                for u in lost.utterances
            ),
        ),
    ],
    ids=["without times", "without utterances", "without anything"],
)
def test_a_poor_timeline_still_makes_a_report(tmp_path, timeline: Timeline):
    write_html(timeline, tmp_path / "report.html")
    assert data(Page((tmp_path / "report.html").read_text(encoding="utf-8"))) == shown(timeline)


def test_the_recording_plays_only_where_it_lies_beside_the_report(tmp_path):
    timeline = talk(2, path=str(tmp_path / "tälk #1.mp4"))
    write_html(timeline, tmp_path / "out" / "report.html")
    assert "<video" not in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    (tmp_path / "tälk #1.mp4").touch()
    write_html(timeline, tmp_path / "out" / "report.html")
    assert 'src="../t%C3%A4lk%20%231.mp4"' in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_an_hour_of_conversation_stays_under_a_megabyte():
    fifty, hundred = talk(50), talk(100)
    size, more = (len(render(timeline).encode()) for timeline in (fifty, hundred))
    assert size + 14 * (more - size) < 1_000_000  # 750 utterances
    assert 15 * ((hundred.duration or 0) - (fifty.duration or 0)) > 3500


@pytest.mark.parametrize(
    ("seconds", "digits", "text"),
    [
        (0, 1, "0:00.0"),
        (59.96, 1, "1:00.0"),
        (3725.5, 1, "1:02:05.5"),
        (61.4, 0, "1:01"),
        (3599.99, 1, "1:00:00.0"),
    ],
)
def test_times_read_as_on_a_clock(seconds, digits, text):
    assert clock(seconds, digits) == text


def printed(timeline: Timeline) -> list[str]:
    out = StringIO()
    Console(file=out, width=100, color_system=None).print(summary_table(timeline))
    return out.getvalue().splitlines()


def test_the_table_for_the_terminal_fits_and_has_a_line_per_utterance():
    timeline = talk(12, texts=["[bold]x[/bold] " * 20, "short\nand two lines"])
    timeline = replace(
        timeline, speakers=tuple(replace(s, name="A very long name") for s in timeline.speakers)
    )
    lines = printed(timeline)
    assert max(map(len, lines)) <= 100
    for u in timeline.utterances:
        [line] = [line for line in lines if u.id in line]
        assert "[bold]" in line or "short and two lines" in line
        assert f"{u.uncertainty:.2f}" in line
        assert (u.emotions[0] if u.emotions else "abstained" if u.abstained else "none") in line


def test_the_table_of_a_conversation_without_times_has_none():
    assert not any(re.search(r"\d:\d\d", line) for line in printed(talk(3, timed=False)))


def _browsed(page: str, folder) -> tuple[str, str]:
    """The page after its script ran, and what the browser complained of."""
    command = [
        shutil.which("chromium") or "",
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
    ]
    command += [
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
    ]
    command += [f"--user-data-dir={folder / 'profile'}", "--enable-logging=stderr", "--dump-dom", page]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    return done.stdout, "\n".join(line for line in done.stderr.splitlines() if "CONSOLE" in line)


@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs the browser chromium")
@pytest.mark.parametrize("make", [talk, lambda n: talk(n, timed=False)], ids=["timed", "untimed"])
def test_a_browser_draws_every_utterance_and_reports_no_error(tmp_path, make: Callable[[int], Timeline]):
    write_html(make(7), tmp_path / "report.html")
    page, complaints = _browsed((tmp_path / "report.html").as_uri(), tmp_path)
    assert complaints == ""
    assert len(re.findall('<g class="u', page)) == 7
    assert len(re.findall(r'<u title="holds from', page)) == len(THRESHOLDS)


def test_the_head_says_which_modalities_were_there_and_how_often() -> None:
    def judged_by(timeline: Timeline) -> str:
        texts = Page(render(timeline)).text("dd")
        return texts[3]

    some = talk(30, seed=4)
    seen = sum(Modality.VIDEO in u.modalities for u in some.utterances)
    assert 0 < seen < 30
    assert judged_by(some) == f"text, audio, video ({seen} of 30)"
    assert judged_by(talk(5, timed=False)) == "text; no audio and video"
    nothing = replace(some, utterances=tuple(replace(u, modalities=()) for u in some.utterances))
    assert judged_by(nothing) == "nothing"
