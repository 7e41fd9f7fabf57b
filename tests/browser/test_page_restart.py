"""The engine is killed under the page: it says so, comes back by itself, and has lost nothing."""

from __future__ import annotations

import itertools
import time
from pathlib import Path
from typing import Any

import httpx
import jwt

from tests.support.browsers import Browser, signed_in
from tests.support.engines import SECRET, EngineProcess, an_engine_process

# Made when the tests are collected, which may be hours before these are run.
TOKEN = jwt.encode({"sub": "ann", "workspaceId": "main", "role": "admin", "exp": int(time.time()) + 86_400}, SECRET)


async def ring(engine: EngineProcess, *titles: str) -> None:
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {TOKEN}"}) as http:
        alerts = [{"framework_id": "web", "title": title} for title in titles]
        answer = await http.post(f"{engine.http}/api/v1/triggers", json={"alerts": alerts})
        assert [result["status"] for result in answer.json()["results"]] == ["fired"] * len(titles)


def whole(events: list[dict[str, Any]], channel: str) -> list[str]:
    """What the first page was told on a channel, whose offsets have to continue each other."""
    told = [event for event in events if (event["page"], event["channel"]) == (1, channel) and event["event"] != "open"]
    assert all(after["prev"] == before["offset"] for before, after in itertools.pairwise(told))
    assert all(after["offset"] == before["offset"] + 1 for before, after in itertools.pairwise(told))
    return [event["event"] for event in told]


async def test_a_page_whose_engine_is_killed_says_so_comes_back_and_has_lost_nothing(
    tmp_path: Path, browser: Browser
) -> None:
    async with an_engine_process(tmp_path) as first:
        page = await signed_in(browser, first.http, TOKEN)
        await ring(first, "one", "two")
        await page.locator(".alert-row", has_text="two").wait_for()
        quiet = await signed_in(browser, first.http, TOKEN)
        await quiet.locator(".alert-row .title", has_text="two").click()
        await quiet.get_by_label("Details of the alert").get_by_role("button", name="Silence").click()
        dialog = quiet.get_by_role("dialog")
        await dialog.get_by_label("Why").fill("a new index is being built")
        await first.kill()
        # What is sent now is refused, and nothing that was typed is lost.
        await dialog.get_by_role("button", name="Silence").click()
        await dialog.get_by_text("The engine does not answer").wait_for()
        await page.keyboard().press("j")
        await page.keyboard().press("a")
        failed = page.locator(".toast", has_text="Not acknowledged: two")
        await failed.get_by_role("button", name="Try again").wait_for()
        assert await page.locator(".alert-row .state", has_text="active").count() == 2
        await page.locator(".banner.shown", has_text="Disconnected").wait_for()
        assert await page.locator(".alert-row").count() == 2
        await page.context().set_offline(True)
        await page.locator(".banner.shown", has_text="This computer is offline").wait_for()
        await page.context().set_offline(False)
        await page.locator(".banner.shown", has_text="Disconnected").wait_for()
    address = first.http.removeprefix("http://")
    async with an_engine_process(tmp_path, "--http", address, ws=first.ws_address) as second:
        started_at = time.monotonic()
        # Before the page can be back: it has to ask for these.
        await ring(second, "three", "four", "five")
        await page.locator(".alert-row", has_text="five").wait_for()
        print(f"level again after {time.monotonic() - started_at:.1f} s (with the time that the test itself took)")
        await page.locator(".banner.shown").wait_for(state="hidden")
        await ring(second, "six")
        await page.locator(".alert-row", has_text="six").wait_for()
        assert await page.locator(".alert-row").count() == 6
        await failed.get_by_role("button", name="Try again").click()
        await page.locator(".alert-row .state", has_text="acknowledged").wait_for()
        await dialog.get_by_role("button", name="Silence").click()
        await quiet.get_by_text("Silenced", exact=True).wait_for()
    told = whole(await browser.events(), "alerts:main:*")
    assert (told.count("fired"), told.count("acknowledged")) == (6, 1)
