"""A browser whose clock is wrong: the engine's time is what counts."""

from __future__ import annotations

import time
from datetime import datetime

import httpx

from engine.app import Engine
from protocol.items import TriggerInput
from tests.support.browsers import Browser

HOUR_S = 3_600
AN_HOUR_FAST = """
const Right = Date;
globalThis.Date = class extends Right {
  constructor(...given) { given.length ? super(...given) : super(Right.now() + 3600e3); }
  static now() { return Right.now() + 3600e3; }
};
"""


async def test_with_a_clock_that_is_an_hour_fast_a_token_is_good_and_a_silence_ends_when_it_should(
    engine: Engine, browser: Browser
) -> None:
    rung = TriggerInput(framework_id="web", title="Checkout is slow", severity="critical")
    await engine.service.trigger(engine.principal("shop"), [rung])
    token = engine.issue_token("main", "ann", ttl_s=HOUR_S // 2)
    page = await browser.page()
    await page.add_init_script(AN_HOUR_FAST)
    await page.goto(f"{engine.http_url}/#token={token}")
    await page.locator(".connection.live").wait_for()

    await page.locator(".alert-row .title").first().click()
    await page.get_by_label("Details of the alert").get_by_role("button", name="Silence").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("For").select_option("0.5")
    await dialog.get_by_label("Why").fill("a new index is being built")
    asked_at = time.time()
    await dialog.get_by_role("button", name="Silence").click()
    await page.get_by_text("Silenced", exact=True).wait_for()

    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=engine.http_url, headers=headers) as http:
        (silence,) = (await http.get("/api/v1/silences")).json()["items"]
    ends_at = datetime.fromisoformat(silence["ends_at"]).timestamp()
    # Half an hour, and not one and a half; whole seconds, and the time that the page took.
    assert HOUR_S / 2 - 10 < ends_at - asked_at < HOUR_S
