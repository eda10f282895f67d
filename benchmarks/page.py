"""The page in a browser: from a dropped recording to its first utterance, and from switch to scores.

    python -m benchmarks.page --screenshots DIR

needs Chromium (apt-get install chromium). The recording is the demo conversation.
"""

import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks import _record

SIZES = ((390, 844), (1280, 900), (2560, 1440))
DEMO = _record.ROOT / "examples"
SCORES = "rows => rows.map(r => r.textContent).join()"
LONG = 600_000  # milliseconds
SWITCHES = ("video", "audio", "video", "text", "audio", "video", "text", "video") * 2
"""Pressed one after another: each of the seven sets of modalities is met, and all three stand at the end."""


def main() -> None:
    parser = _record.parser(__doc__ or "")
    parser.add_argument("--screenshots", type=Path, help="also write pictures of the page to this folder")
    asked = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        sys.exit("no Chromium here; install it: apt-get install chromium")
    with served() as address, opened(chromium) as page:
        results = measured(page, address)
        if asked.screenshots:
            asked.screenshots.mkdir(parents=True, exist_ok=True)
            pictured(page, address, asked.screenshots)
    print(results)
    print(_record.record("page", results))


@contextmanager
def served() -> Iterator[str]:
    """The address of a server of its own."""
    with tempfile.TemporaryDirectory() as data:
        command = [sys.executable, "-m", "affectline", "serve", "--port", "0", "--data", data]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
            assert server.stderr is not None
            lines = iter(server.stderr.readline, "")
            yield next(found[1] for line in lines if (found := re.search(r"(http://[\d.:]+)/ ", line)))
            server.terminate()


@contextmanager
def opened(chromium: str) -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(LONG)
        yield page
        browser.close()


def measured(page: Any, address: str) -> dict[str, Any]:
    page.goto(address)
    page.get_by_role("button", name="I have read this").click()
    files = page.locator(".drop input[type=file]")
    files.nth(0).set_input_files(DEMO / "demo.mp4")
    files.nth(1).set_input_files(DEMO / "demo.srt")
    begun = time.perf_counter()
    page.get_by_role("button", name="Analyse").click()
    page.locator(".job a:visible").first.click()
    page.locator(".turn").first.wait_for()
    first = time.perf_counter() - begun
    switches = [switched(page, modality) for modality in SWITCHES]
    return {
        "seconds_of_recording": 44.3,
        "seconds_to_first_utterance": round(first, 2),
        "switch_seconds": {
            "n": len(switches),
            "median": round(statistics.median(switches), 3),
            "largest": round(max(switches), 3),
        },
    }


def switched(page: Any, modality: str) -> float:
    """Seconds from a press on a switch until other scores are in the table."""
    before = scores(page)
    begun = time.perf_counter()
    page.get_by_role("checkbox", name=modality).click()
    until(lambda: scores(page) != before)
    return time.perf_counter() - begun


def scores(page: Any) -> str:
    return page.locator(".detail tbody tr").evaluate_all(SCORES)


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + LONG / 1000
    while not holds():
        if time.monotonic() > end:
            raise TimeoutError("the page did not change")
        time.sleep(0.01)


def pictured(page: Any, address: str, folder: Path) -> None:
    """The library and the analysis at each size, light and dark."""
    page.locator(".turn", has_text="Biscuit ran away").click()
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        for wide, high in SIZES:
            page.set_viewport_size({"width": wide, "height": high})
            time.sleep(1)
            page.screenshot(path=folder / f"analysis-{wide}-{scheme}.png", timeout=LONG)
    page.emulate_media(color_scheme="light")
    page.goto(address)
    page.locator(".job a:visible").first.wait_for()
    for wide, high in SIZES:
        page.set_viewport_size({"width": wide, "height": high})
        time.sleep(1)
        page.screenshot(path=folder / f"library-{wide}.png", timeout=LONG)


if __name__ == "__main__":
    main()
