"""Takes the README's pictures of the page: `make pictures` writes docs/images/page-*.png.

A real engine on a bad day (tests/support/busy.py), and one that has seen a month (tests/support/meaning.py), in a real
browser; what is in the pictures is what a user sees.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import trio

from engine.app import Engine
from engine.telemetry.logs import logging_to_stderr
from tests.support.browsers import Browser, Remote, a_browser, opened
from tests.support.busy import busy
from tests.support.engines import ROOT, an_engine
from tests.support.meaning import a_knowing_engine

IMAGES = ROOT / "docs/images"
SIZE = {"width": 1280, "height": 720}
PHONE = {"width": 390, "height": 720}
TALL = {"width": 1280, "height": 1080}


async def an_open_alert(page: Remote) -> None:
    """The alert of a rule beside the stream, with its metric and its story."""
    await page.locator(".alert-row", has_text="region=eu").locator(".title", has_text="Search").click()
    await page.get_by_label("Details of the alert").get_by_text("fired").first().wait_for()


async def taken(browser: Browser, engine: Engine, name: str, path: str = "/", **options: Any) -> Remote:
    """Opens a view and takes its picture as it is then."""
    page = await opened(browser, engine, "ann", path, **({"viewport": SIZE, "reduced_motion": "reduce"} | options))
    if name in ("stream", "stream-dark"):
        await an_open_alert(page)
    await page.wait_for_load_state("networkidle")
    await page.screenshot(path=str(IMAGES / f"page-{name}.png"))
    return page


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with an_engine(Path(folder)) as engine, a_browser() as browser:
            await busy(engine.http_url, engine.issue_token("main", "ann"))
            await taken(browser, engine, "stream")
            await taken(browser, engine, "stream-dark", color_scheme="dark")
            await taken(browser, engine, "phone", viewport=PHONE, color_scheme="dark")
            await taken(browser, engine, "rule", "/rules?edit=slow-search")
    with tempfile.TemporaryDirectory() as folder:
        async with a_knowing_engine(Path(folder)) as engine, a_browser() as browser:
            await taken(browser, engine, "analytics", "/analytics", viewport=TALL)
            await taken(browser, engine, "insights", "/analytics/insights?framework=web", viewport=TALL)


if __name__ == "__main__":
    with logging_to_stderr("error"):
        trio.run(main)
