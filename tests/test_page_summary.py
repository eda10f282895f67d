"""The pages that sum up and set side by side, in a real browser; what they show is what the API says."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from service_makers import BASE

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
LONG = 60_000  # milliseconds

pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium: the page is NOT tested; apt-get install chromium"
)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    command = [
        sys.executable,
        str(Path(__file__).parent / "page_server.py"),
        str(tmp_path_factory.mktemp("data")),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.terminate()


@pytest.fixture(scope="module")
def jobs(address: str) -> list[str]:
    """Ids of a long talk, of another one, and of one without utterances."""
    ids: list[str] = []
    with httpx2.Client(base_url=address + BASE, timeout=60) as client:
        for said, name in (
            ("talk 90 1", "monday.mp4"),
            ("talk 80 2", "<b>friday.mp4"),
            ("talk 0 3", "silence.wav"),
        ):
            job = client.post("/jobs", files={"recording": (name, said.encode())}).json()["id"]
            while client.get(f"/jobs/{job}").json()["state"] != "completed":
                pass
            ids.append(job)
    return ids


@pytest.fixture(scope="module")
def page(address: str) -> Iterator[Any]:
    """Chromium; at the end no page was refused anything by its policy, or failed."""
    from playwright.sync_api import sync_playwright

    wrong: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(LONG)
        page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.goto(address)
        page.get_by_role("button", name="I have read this").click()
        yield page
        browser.close()
    assert not wrong


def said(address: str, rest: str) -> Any:
    return httpx2.get(f"{address}{BASE}/jobs/{rest}", timeout=60).json()


def wide(page: Any) -> int:
    """Pixels that the page is wider than the window."""
    return page.evaluate("() => document.documentElement.scrollWidth - window.innerWidth")


def test_the_summary_says_what_the_api_says(page: Any, address: str, jobs: list[str]) -> None:
    page.goto(address)
    page.locator(f'[data-job="{jobs[0]}"]').get_by_role("link", name="Summary").click()
    page.locator(".people table").first.wait_for()
    found = said(address, f"{jobs[0]}/summary")
    for one in found["speakers"]:
        card = page.get_by_label(one["name"], exact=True).first
        assert f"n = {one['answered']} utterances" in card.text_content()
        for share in one["shares"]:
            cells = card.locator(f'tr[data-label="{share["label"]}"]')
            assert cells.locator(".of").text_content() == f"{100 * share['of_utterances']:.0f} %"
    for order in found["following"]:
        card = page.get_by_label(f"{order['first']} to {order['then']}", exact=True)
        assert f"n = {order['pairs']}" in card.text_content()
        standing_out = [c for c in order["tested"] if c["adjusted"] <= 0.05]
        assert card.locator(".cells tr.finding").count() == len(standing_out)
    page.get_by_text("not what anyone felt").wait_for()


def test_two_recordings_are_compared_on_the_page(page: Any, address: str, jobs: list[str]) -> None:
    edit = {"kind": "rename", "speaker": "S1", "name": "Ada"}
    for job in jobs[:2]:
        url = f"{address}{BASE}/jobs/{job}/corrections"
        httpx2.post(url, json={"version": 0, "edit": edit}, timeout=60).raise_for_status()
    page.goto(f"{address}/summary/{jobs[0]}")
    page.get_by_role("combobox", name="Compare with").click()
    page.get_by_role("option", name="friday").click()
    page.wait_for_url(f"**/summary/{jobs[0]}?other={jobs[1]}")
    page.locator(".compared tbody tr").first.wait_for()
    found = said(address, f"{jobs[0]}/summary?other={jobs[1]}")["comparison"]
    rows = page.locator(".compared tbody tr")
    assert rows.count() == len(found["labels"])
    for n, one in enumerate(found["labels"]):
        assert f"{round(100 * one['difference']):+d} points" in rows.nth(n).text_content()
        assert ("finding" in (rows.nth(n).get_attribute("class") or "")) == ((one["adjusted"] or 1) <= 0.05)
    assert "<b>friday.mp4" in page.locator(".compared thead").text_content()  # a name is no HTML
    page.get_by_role("combobox", name="Whose utterances").click()
    page.get_by_role("option", name="Ada").click()
    page.wait_for_url("**&speaker=Ada")
    page.get_by_text("The difference, of Ada alone").wait_for()
    alone = said(address, f"{jobs[0]}/summary?other={jobs[1]}&speaker=Ada")["comparison"]
    assert f"n = {alone['answered'][0]}" in page.locator(".compared thead").text_content()
    page.goto(f"{address}/summary/{jobs[0]}?other={jobs[2]}")
    page.get_by_text("the second recording has no utterance").wait_for()


def test_what_is_not_there_is_said(page: Any, address: str, jobs: list[str]) -> None:
    for path in ("summary/nothing", "beside/nothing"):
        page.goto(f"{address}/{path}")
        page.get_by_text("There is no job of this id.").wait_for()
    page.goto(f"{address}/summary/{jobs[0]}?other=nothing")
    page.get_by_text("Other: there is no job of this id.").wait_for()


def test_another_checkpoint_comes_beside(page: Any, address: str, jobs: list[str]) -> None:
    page.goto(f"{address}/beside/{jobs[0]}")
    page.locator(".beside tbody tr").first.wait_for()
    assert page.locator(".beside thead th").all_text_contents()[3:] == ["base"]
    page.get_by_role("button", name="Analyse by other").click()
    page.locator(".beside thead th", has_text="other").wait_for()
    found = said(address, f"{jobs[0]}/beside")
    differ = [row["id"] for row in found["utterances"] if row["differ"]]
    assert 0 < len(differ) < 90
    marked = page.locator(".beside tr.differ").evaluate_all("rows => rows.map(row => row.dataset.id)")
    assert marked == differ
    page.get_by_role("checkbox", name="Only where they differ").click()
    assert page.locator(".beside tbody tr:visible").count() == len(differ)
    answer = page.locator(f'tr[data-id="{differ[0]}"] .answer[data-name="other"]')
    assert answer.locator(".chip").all_text_contents() == ["fear"]
    strongest = found["utterances"][int(differ[0][1:]) - 1]["answers"][1]["strongest"]
    assert answer.locator(".strongest").text_content() == ", ".join(f"{n} {s:.2f}" for n, s in strongest)


def test_checkpoints_are_beside_the_chosen_utterance(page: Any, address: str, jobs: list[str]) -> None:
    page.goto(f"{address}/analysis/{jobs[0]}")
    page.locator(".turn").nth(3).click()
    page.locator(".beside-panel tr[data-id='u0004'] .answer").first.wait_for()
    names = page.locator(".beside-panel .answer").evaluate_all(
        "cells => cells.map(cell => cell.dataset.name)"
    )
    assert names == ["base", "other"]


@pytest.mark.parametrize("path", ["summary/{}?other={}", "beside/{}"])
def test_a_telephone_shows_it_too(page: Any, address: str, jobs: list[str], path: str) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{address}/{path.format(*jobs)}")
    page.locator(".summary table, .beside tbody tr").first.wait_for()
    assert wide(page) <= 0
    page.set_viewport_size({"width": 1280, "height": 900})
