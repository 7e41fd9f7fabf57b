"""What the alerts mean, as it is seen: counts, patterns, predictions, insights; and what one does about them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from engine.app import Engine
from tests.browser.test_page_views import AXE, LOOK, NARROW, WIDE, findings
from tests.support.browsers import PATIENCE_S, Browser, opened
from tests.support.meaning import a_knowing_engine, look_for_patterns

PLACES = {
    "/analytics": "By hour of the week",
    "/analytics/patterns": "is noise",
    "/analytics/predictions": "How good earlier ones were",
    "/analytics/insights": "chatty: warning alerts were open for 9.0 hours in the last day",
    "/analytics/insights?framework=web": "What pulled health down",
}


@pytest.fixture
async def knowing(tmp_path: Path) -> AsyncIterator[Engine]:
    async with a_knowing_engine(tmp_path) as engine:
        yield engine


async def asked(engine: Engine, method: str, path: str, **options: object) -> httpx.Response:
    """The API's answer to ann."""
    headers = {"Authorization": f"Bearer {engine.issue_token('main', 'ann')}"}
    async with httpx.AsyncClient(base_url=f"{engine.http_url}/api/v1", headers=headers) as http:
        return await http.request(method, path, **options)  # type: ignore[arg-type]


async def the_noisy_one(engine: Engine) -> dict[str, Any]:
    (pattern,) = (await asked(engine, "GET", "/patterns", params={"kind": "noisy"})).json()["items"]
    return pattern  # type: ignore[no-any-return]


async def test_patterns_appear_as_they_are_found_and_each_place_can_be_read_by_everybody(
    knowing: Engine, browser: Browser
) -> None:
    page = await opened(browser, knowing, "ann", "/analytics/patterns", reduced_motion="reduce", viewport=WIDE)
    await page.get_by_text("Nobody has looked for patterns yet").wait_for()
    await look_for_patterns(knowing)
    await page.get_by_text("chatty (web) is noise").wait_for()
    wrong: list[str] = []
    await page.evaluate(f"{AXE.read_text()}; undefined")
    for path, text in PLACES.items():
        # As a link of the page does it; a page that is loaded anew each time takes its time.
        await page.evaluate(f"history.pushState(null, '', '{path}'); dispatchEvent(new PopStateEvent('popstate'))")
        await page.get_by_text(text).first().wait_for()
        await page.wait_for_load_state("networkidle")
        # What is folded away is looked at, too.
        await page.evaluate("document.querySelectorAll('main details').forEach((each) => (each.open = true))")
        for scheme, size in (("light", WIDE), ("dark", NARROW)):
            await page.emulate_media(color_scheme=scheme)
            await page.set_viewport_size(size)
            wrong += [f"{path} {scheme}: {finding}" for finding in await page.evaluate(LOOK)]
            if await page.evaluate("document.documentElement.scrollWidth > innerWidth"):
                wrong.append(f"{path} at {size['width']} px: is wider than the window")
    assert wrong == []


async def test_a_pattern_leads_to_its_alerts_and_is_dismissed_unless_the_engine_cannot_be_asked(
    knowing: Engine, browser: Browser
) -> None:
    await look_for_patterns(knowing)
    page = await opened(browser, knowing, "ann", "/analytics/patterns")
    card = page.locator(".pattern", has_text="chatty (web) is noise")
    await card.get_by_text("Evidence: 10 alerts").click()
    await card.get_by_role("link", name="chatty").first().wait_for()

    await page.context().set_offline(True)
    await card.get_by_role("button", name="Dismiss").click()
    await page.get_by_text("Nothing was said of the pattern: The engine does not answer").wait_for()
    await card.get_by_role("button", name="Dismiss").wait_for()
    await page.context().set_offline(False)
    # It stays until somebody has read it, and lies above the card.
    await page.get_by_role("button", name="Put away").first().click()

    await card.get_by_role("button", name="Dismiss").click()
    await card.wait_for(state="detached")
    # The card is away at once, before the engine has answered.
    with trio.fail_after(PATIENCE_S):
        while (noisy := await the_noisy_one(knowing))["state"] != "dismissed":
            await trio.sleep(0.05)
    assert noisy["said"]["by"] == "ann"


async def test_a_recommendation_shows_its_change_is_applied_and_out_of_date_if_its_rule_has_changed(
    knowing: Engine, browser: Browser
) -> None:
    page = await opened(browser, knowing, "ann", "/analytics/insights?framework=web")
    await page.get_by_text("would have sent 14 instead of 212").first().wait_for()
    await page.get_by_role("button", name="Apply: Let Queue is long hold for 300 s").click()
    dialog = page.locator("dialog")
    await dialog.locator("tr", has_text="for_s").get_by_text("300").wait_for()
    assert await findings(page) == []
    await dialog.get_by_role("button", name="Apply").click()
    await page.get_by_text("Done: Let Queue is long hold").wait_for()
    assert (await asked(knowing, "GET", "/rules/chatty")).json()["for_s"] == 300
    other = page.locator(".recommendation", has_text="Widen the suppression window of Queue is long")
    await other.get_by_text("Out of date: the rule has changed since").wait_for()
    assert await other.get_by_role("button").all_inner_texts() == ["Dismiss"]
    await page.get_by_text("What is out of date is looked at again each night").wait_for()
    assert await findings(page) == []
    await other.get_by_role("button", name="Dismiss").click()

    # What the page has heard last is of before this change.
    changed = await asked(knowing, "PATCH", "/rules/disk", json={"threshold": 95}, headers={"If-Match": '"1"'})
    assert changed.is_success, changed.text
    await page.get_by_role("button", name="Apply: Silence Disk is full").click()
    await dialog.get_by_role("button", name="Apply").click()
    await dialog.get_by_text("Nothing was changed: the rule has changed since").wait_for()
    await dialog.get_by_role("button", name="Cancel").click()
    silence = page.locator(".recommendation", has_text="Silence Disk is full")
    await silence.get_by_text("Out of date: the rule has changed since").wait_for()
    await page.get_by_role("button", name="Dismiss: Silence Disk is full").click()
    await page.get_by_text("Nothing is recommended").wait_for()


async def test_figures_lead_to_the_alerts_behind_them_and_what_is_not_known_is_said_to_be(
    knowing: Engine, browser: Browser
) -> None:
    page = await opened(browser, knowing, "ann", "/analytics/predictions")
    await page.get_by_text('disk_percent{host="db-2"} > 90', exact=True).wait_for()
    await page.get_by_text("in 8 of 10 cases between").first().wait_for()
    await page.locator("li", has_text="chatty (web)").get_by_text("needs 14 days, has 3").wait_for()
    await page.get_by_label("Of thresholds reached").first().get_by_text("6.22 %").wait_for()

    await page.locator("nav[aria-label=Analytics] a", has_text="Counts").click()
    await page.get_by_label("Rule", exact=True).fill("nobody")
    await page.get_by_text("No such alerts in the last 30 days").wait_for()
    await page.get_by_role("button", name="Count all alerts").click()
    await page.locator(".tiles").get_by_text("1,063", exact=True).wait_for()
    await page.get_by_label("Rule", exact=True).fill("checkout")
    await page.locator(".tiles").get_by_text("29", exact=True).wait_for()
    await page.get_by_text("As a table, with links to the alerts").click()
    await page.locator("main details a").first().click()
    await page.get_by_role("link", name="checkout").first().wait_for()
