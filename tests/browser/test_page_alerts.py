"""The page in a real browser: signing in, and alerts as people see them, take them and quiet them."""

from __future__ import annotations

import time

import httpx
import jwt

from engine.app import Engine
from protocol.items import ReadingInput, TriggerInput
from tests.support.browsers import Browser, Remote, opened, signed_in

SLOW = TriggerInput(framework_id="web", title="Checkout is slow", severity="critical", current_value=950.0)


def row(page: Remote, title: str) -> Remote:
    return page.locator(".alert-row", has_text=title)


# Notes when this text first stands on the page, laid out, by the clock that the test has as well.
SEEN_AT = """(text) => {
  new MutationObserver((_, watcher) => {
    if (!document.body.innerText.includes(text)) return;
    globalThis.seenAt = Date.now();
    watcher.disconnect();
  }).observe(document.body, { childList: true, subtree: true, characterData: true });
}"""


async def test_a_link_signs_in_at_once_and_its_token_vanishes_from_the_address(
    engine: Engine, browser: Browser
) -> None:
    page = await opened(browser, engine, "ann")
    assert await page.evaluate("location.href") == f"{engine.http_url}/"
    assert await page.evaluate("history.length") <= 2
    await page.reload()
    await page.locator(".connection.live").wait_for()
    await page.get_by_label("Signed in as ann").wait_for()


async def test_a_token_is_typed_in_and_what_is_none_is_told(engine: Engine, browser: Browser) -> None:
    page = await browser.page()
    await page.goto(engine.http_url)
    await page.get_by_label("Token").fill("no token")
    await page.get_by_role("button", name="Sign in").click()
    await page.get_by_text("That is no token").wait_for()
    await page.get_by_label("Token").fill(engine.issue_token("main", "ann"))
    await page.get_by_label("Token").press("Enter")
    await page.locator(".connection.live").wait_for()


async def test_a_token_that_is_ended_is_asked_for_again_and_the_view_stays(engine: Engine, browser: Browser) -> None:
    await engine.service.trigger(engine.principal("shop"), [SLOW])
    token = engine.issue_token("main", "ann")
    page = await signed_in(browser, engine.http_url, token, "/?severity=critical")
    await row(page, "Checkout is slow").wait_for()
    headers = {"Authorization": f"Bearer {engine.issue_token('main', 'root')}"}
    async with httpx.AsyncClient(base_url=engine.http_url, headers=headers) as http:
        name = jwt.decode(token, options={"verify_signature": False})["jti"]
        ended = await http.post("/api/v1/revocations", json={"jti": name, "reason": "left on a train"})
        assert ended.is_success, ended.text
    again = page.get_by_role("dialog", name="Sign in again")
    await again.get_by_label("Token").fill(engine.issue_token("main", "ann"))
    assert await row(page, "Checkout is slow").count() == 1
    await again.get_by_role("button", name="Sign in", exact=True).click()
    await page.locator(".connection.live").wait_for()
    assert (await page.evaluate("location.search")) == "?severity=critical"


async def test_an_alert_is_seen_at_once_and_who_takes_it_is_seen_by_all(engine: Engine, browser: Browser) -> None:
    ann, bob = await opened(browser, engine, "ann"), await opened(browser, engine, "bob")
    await ann.get_by_text("Nothing rings").wait_for()
    await ann.evaluate(f"({SEEN_AT})('Checkout is slow')")
    rung_at = time.time()
    await engine.service.trigger(engine.principal("shop"), [SLOW])
    await row(ann, "Checkout is slow").wait_for()
    print(f"from trigger to sight: {await ann.evaluate('seenAt') - rung_at * 1000:.0f} ms")
    await ann.keyboard().press("j")
    await ann.keyboard().press("a")
    await row(bob, "Checkout is slow").locator(".state", has_text="acknowledged").wait_for()
    await row(bob, "Checkout is slow").get_by_role("button", name="Checkout is slow").click()
    await bob.get_by_text("by ann").first().wait_for()


async def test_a_rule_is_made_on_the_page_rings_and_is_silenced(engine: Engine, browser: Browser) -> None:
    page = await opened(browser, engine, "ann", "/rules?new=empty")
    for label, text in (("Framework", "web"), ("Metric", "latency_ms"), ("Threshold", "500")):
        await page.get_by_label(label, exact=True).fill(text)
    await page.get_by_role("button", name="Make the rule").click()
    await page.get_by_text("is saved and watches from now on").wait_for()
    shop = engine.principal("shop")
    await engine.service.read(shop, [ReadingInput(framework_id="web", metric="latency_ms", value=950.0)])
    await page.get_by_text("rings", exact=True).first().wait_for()
    await page.goto(f"{engine.http_url}/")
    await page.locator(".alert-row .title").first().click()
    await page.get_by_label("Details of the alert").get_by_role("button", name="Silence").click()
    await page.get_by_role("dialog").get_by_label("Why").fill("a new index is being built")
    await page.get_by_role("dialog").get_by_role("button", name="Silence").click()
    await page.get_by_text("Silenced", exact=True).wait_for()
    await page.locator(".alert-row", has_text="silenced").wait_for()
    details = page.get_by_label("Details of the alert")
    # By what people said, and not by its id.
    await details.get_by_text("It does not ring: silenced by “a new index is being built” of ann until").wait_for()
