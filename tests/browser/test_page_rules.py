"""Rules beside each other in a real browser: one is opened, and the list stays what it was."""

from __future__ import annotations

from engine.app import Engine
from tests.support.browsers import Browser, opened
from tests.support.busy import busy


async def test_a_rule_that_is_opened_beside_the_list_leaves_the_list_where_it_is(
    engine: Engine, browser: Browser
) -> None:
    await busy(engine.http_url, engine.issue_token("main", "ann"))
    page = await opened(browser, engine, "ann", "/rules", viewport={"width": 1280, "height": 500})
    await page.locator("main td a").first().click()
    await page.locator(".drawer-body:focus").wait_for()
    assert await page.evaluate("document.documentElement.scrollHeight > innerHeight"), "there is somewhere to go"
    assert await page.evaluate("scrollY") == 0
