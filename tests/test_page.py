"""The page in a real browser: what is dropped, seen, switched, corrected and exported.

One server and one analysis of the demo conversation for all; the tests go on where the one before ended.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
DEMO = Path(__file__).parents[1] / "examples"
TOKEN = "a-token-of-some-length"
LONG = 300_000  # milliseconds; all is quicker, but not on a machine that does much else

pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium: the page is NOT tested; apt-get install chromium"
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def address(data: Path) -> Iterator[str]:
    """Of a server that asks for a token."""
    command = [sys.executable, "-m", "affectline", "serve", "--port", "0", "--data", str(data)]
    environment = {**os.environ, "AFFECTLINE_TOKEN": TOKEN}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stderr is not None
        said = ""
        while not (found := re.search(r"(http://[\d.:]+)/ ", said)):
            line = process.stderr.readline()
            assert line, said
            said += line
        yield found[1]
        process.terminate()


@pytest.fixture(scope="module")
def page(address: str) -> Iterator[Any]:
    """Chromium at the library page, signed in; at the end nothing was asked of anybody else."""
    from playwright.sync_api import sync_playwright

    asked: list[str] = []
    wrong: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        context = browser.new_context(viewport={"width": 1280, "height": 900}, accept_downloads=True)
        page = context.new_page()
        page.set_default_timeout(LONG)
        page.on("request", lambda request: asked.append(request.url))
        page.on("websocket", lambda socket: asked.append(socket.url))
        page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        refused = page.goto(address)
        assert refused is not None
        assert refused.status == 401
        wrong.clear()
        page.goto(f"{address}/?token={TOKEN}")
        yield page
        browser.close()
    assert {url.split("/")[2] for url in asked if not url.startswith("data:")} == {address.split("/")[2]}
    assert any(url.startswith("ws:") for url in asked)
    assert not wrong


@pytest.fixture(scope="module")
def talk(page: Any, address: str) -> Any:
    """The page of the demo conversation, which was dropped at the library page."""
    page.get_by_role("button", name="I have read this").click()
    held = page.evaluate_handle("() => new DataTransfer()")
    for name, kind in (("demo.mp4", "video/mp4"), ("demo.srt", "application/x-subrip")):
        content = list((DEMO / name).read_bytes())
        page.evaluate(
            "([held, name, type, bytes]) => held.items.add(new File([new Uint8Array(bytes)], name, {type}))",
            [held, name, kind, content],
        )
    page.dispatch_event(".drop", "drop", {"dataTransfer": held})
    page.get_by_text("demo.mp4 is in the list.").wait_for()
    page.locator(".job .q-linear-progress").first.wait_for()  # a stage and how far it is
    page.locator(".job a", has_text="demo.mp4").click()
    page.locator(".turn").first.wait_for()
    return page


def scores(page: Any) -> dict[str, str]:
    """Of the chosen utterance, as they stand in the table."""
    rows = page.locator(".detail tbody tr")
    return dict(
        rows.evaluate_all("rows => rows.map(r => [r.dataset.label, r.querySelector('.all').textContent])")
    )


def lanes(page: Any) -> dict[str, int]:
    """How many utterances lie in the lane of each speaker."""
    groups = page.locator(".plot .u").evaluate_all("groups => groups.map(g => g.dataset.speaker)")
    return {speaker: groups.count(speaker) for speaker in groups}


def until(holds: Any, seconds: float = LONG / 1000) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


def timeline(address: str, page: Any) -> bytes:
    """With its corrections, as the API gives it."""
    job = page.url.rsplit("/", 1)[1]
    headers = {"Authorization": f"Bearer {TOKEN}"}
    return httpx2.get(f"{address}/api/v1/jobs/{job}/corrected/json", headers=headers).content


def test_the_policy_is_strict_but_for_what_nicegui_needs(address: str) -> None:
    answer = httpx2.get(f"{address}/", headers={"Authorization": f"Bearer {TOKEN}"})
    policy = dict(part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert re.fullmatch(r"'self' 'nonce-[\w-]{20,}' 'unsafe-eval'", policy["script-src"])
    assert (policy["connect-src"], policy["media-src"], policy["frame-ancestors"]) == (
        "'self'",
        "'self'",
        "'none'",
    )
    assert answer.headers["cache-control"] == "no-store"
    assert httpx2.get(f"{address}/").status_code == 401
    unknown = httpx2.get(f"{address}/api/v1/nothing", headers={"Authorization": f"Bearer {TOKEN}"})
    assert (unknown.status_code, unknown.headers["content-type"]) == (404, "application/problem+json")


def test_a_press_on_an_utterance_seeks_the_video(talk: Any) -> None:
    assert talk.locator(".turn").count() == 12
    until(lambda: talk.evaluate("() => document.querySelector('video').readyState") >= 1)
    talk.locator(".turn", has_text="I am so sorry, Ben").click()
    until(lambda: abs(talk.evaluate("() => document.querySelector('video').currentTime") - 23.0) < 0.3)
    assert talk.locator(".detail blockquote").text_content().startswith("I am so sorry, Ben")
    until(lambda: talk.locator("li.playing .text").all_text_contents()[:1] != [])
    assert "I am so sorry" in talk.locator("li.playing .text").text_content()
    group = talk.locator(".plot .u", has_text="The shelter opens")
    group.locator(".box").click()
    until(lambda: abs(talk.evaluate("() => document.querySelector('video').currentTime") - 26.5) < 0.3)


def test_keys(talk: Any) -> None:
    talk.locator(".detail h2").click()
    chosen = talk.locator("li.chosen")
    before = chosen.get_attribute("data-id")
    talk.keyboard.press("j")
    assert chosen.get_attribute("data-id") > before
    talk.keyboard.press("k")
    assert chosen.get_attribute("data-id") == before
    now = talk.evaluate("() => document.querySelector('video').currentTime")
    talk.keyboard.press("ArrowRight")
    until(lambda: abs(talk.evaluate("() => document.querySelector('video').currentTime") - now - 2) < 0.3)
    talk.keyboard.press("?")
    talk.get_by_text("next or previous utterance").wait_for()
    talk.keyboard.press("Escape")
    talk.get_by_text("next or previous utterance").wait_for(state="hidden")


def test_filters(talk: Any) -> None:
    emotion = talk.locator(".filters select").nth(1)
    emotion.select_option("joy")
    shown = talk.locator(".turns li:visible")
    assert 0 < shown.count() < 12
    assert talk.locator(".plot .u.out").count() == 12 - shown.count()
    emotion.select_option("all")
    assert shown.count() == 12


def test_other_modalities_give_other_scores(talk: Any) -> None:
    all_of_it = scores(talk)
    talk.get_by_role("checkbox", name="video").click()
    until(lambda: scores(talk) != all_of_it)
    assert talk.locator(".detail thead th").all_text_contents()[2:] == ["all", "text", "audio"]
    talk.get_by_role("checkbox", name="video").click()
    until(lambda: scores(talk) == all_of_it)


def test_a_speaker_is_corrected_and_the_lanes_follow(talk: Any, address: str) -> None:
    assert lanes(talk) == {"Ada": 7, "Ben": 5}
    before = timeline(address, talk)
    chosen = talk.locator("li.chosen")
    assert "Ben" in chosen.text_content()
    talk.get_by_role("combobox", name="Speaker", exact=True).click()
    talk.locator(".q-menu").get_by_role("option", name="Ada").click()
    talk.get_by_role("button", name="Save").click()
    until(lambda: lanes(talk) == {"Ada": 8, "Ben": 4})
    assert "Ada" in chosen.text_content()
    assert timeline(address, talk) != before
    talk.locator(".detail h2").click()
    talk.keyboard.press("u")
    until(lambda: lanes(talk) == {"Ada": 7, "Ben": 5})
    assert timeline(address, talk) == before


def test_a_speaker_is_followed(talk: Any, address: str) -> None:
    ada = talk.locator(".people button", has_text="Ada")
    ada.click()
    assert ada.get_attribute("aria-pressed") == "true"
    assert talk.locator(".turns li.out:visible").count() == talk.locator(".plot .u.out").count() == 5
    talk.locator(".detail h2").click()
    met: list[str] = []
    for _ in range(7):
        talk.keyboard.press("k")
    for _ in range(7):
        met.append(talk.locator("li.chosen .who").text_content())
        talk.keyboard.press("j")
    assert met == ["Ada"] * 7
    job = json.loads(timeline(address, talk))
    last = [u for u in job["utterances"] if u["speaker"] == "Ada"][-1]
    assert talk.locator("li.chosen").get_attribute("data-id") == last["id"]
    box = talk.locator(".over .own")
    until(lambda: box.count() == 1 and box.get_attribute("data-face") == last["face"]["track"])
    assert box.text_content() == "Ada"
    middle = talk.locator(".over .own rect").evaluate(
        "r => +r.getAttribute('x') + r.getAttribute('width') / 2"
    )
    _, x0, _, x1, _ = last["face"]["boxes"][0]
    assert abs(middle - (x0 + x1) / 2) < 25
    until(lambda: talk.locator(".people canvas:visible").count() == 2)
    talk.keyboard.press("f")
    until(lambda: talk.locator(".turns li.out").count() == 0 and box.count() == 0)


def test_another_face_is_the_speakers(talk: Any, address: str) -> None:
    before = timeline(address, talk)
    chosen = talk.locator("li.chosen").get_attribute("data-id")
    talk.get_by_role("combobox", name="Face of the speaker").click()
    talk.locator(".q-menu").get_by_role("option", name="F2").click()
    talk.get_by_role("button", name="Save").click()
    panel = talk.get_by_label("Corrections")
    until(lambda: f"F2 speaks in {chosen}" in panel.text_content())
    now = {u["id"]: u["face"]["track"] for u in json.loads(timeline(address, talk))["utterances"]}
    was = {u["id"]: u["face"]["track"] for u in json.loads(before)["utterances"]}
    assert now == {**was, chosen: "F2"} != was
    talk.locator(".detail h2").click()
    talk.keyboard.press("u")
    until(lambda: "0 corrections" in panel.text_content())
    assert timeline(address, talk) == before


def test_blurred_faces_are_another_file_at_the_same_place(talk: Any, data: Path) -> None:
    (home,) = (data / "recordings").iterdir()
    shutil.copy(
        DEMO / "demo.mp4", home / "blurred.mp4"
    )  # as if it had been made: that takes as long as the demo
    time_of = "() => document.querySelector('video').currentTime"
    before = talk.evaluate(time_of)
    assert before > 1
    talk.get_by_role("checkbox", name="blur faces").click()
    talk.get_by_text("faces are blurred").wait_for()
    source = "() => document.querySelector('video').currentSrc"
    until(lambda: talk.evaluate(source).endswith("/demo.mp4?blurred=true"))
    until(lambda: abs(talk.evaluate(time_of) - before) < 0.3)
    assert talk.locator(".veiled").count() == 0
    (home / "blurred.mp4").unlink()
    talk.get_by_role("checkbox", name="blur faces").click()
    until(lambda: talk.evaluate(source).endswith("/demo.mp4"))


def test_another_windows_correction_is_followed(talk: Any) -> None:
    other = talk.context.new_page()
    other.goto(talk.url)
    other.locator(".turn").first.wait_for()
    other.locator(".panel textarea").fill("Hello there, Ben.")
    other.get_by_role("button", name="Save").click()
    for page in (other, talk):
        until(lambda page=page: "Hello there, Ben." in page.locator(".turn").first.text_content())
        assert page.locator(".turn").first.locator(".pen").count() == 1
    other.close()


def test_exports_hold_the_corrections(talk: Any, tmp_path: Path) -> None:
    talk.get_by_role("button", name="Export").click()
    with talk.expect_download() as download:
        talk.get_by_role("menuitem", name="csv").click()
    download.value.save_as(tmp_path / "demo.csv")
    assert download.value.suggested_filename == "demo.csv"
    assert "Hello there, Ben." in (tmp_path / "demo.csv").read_text(encoding="utf-8")


def test_everything_is_there_after_a_reload(talk: Any, address: str) -> None:
    talk.reload()
    talk.locator(".turn", has_text="Hello there, Ben.").wait_for()
    assert "1 correction;" in talk.get_by_label("Corrections").text_content()
    assert not talk.get_by_role("button", name="I have read this").is_visible()
    document = json.loads(timeline(address, talk))
    assert document["settings"]["corrections"] == 1
