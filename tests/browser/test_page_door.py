"""Who is let in and who is not, and what the page says to those who are not."""

from __future__ import annotations

import httpx
import jwt

from engine.app import Engine
from protocol.items import TriggerInput
from tests.support.browsers import Browser, Remote, opened
from tests.support.front import a_front

SLOW = TriggerInput(framework_id="web", title="Checkout is slow", severity="critical")


def asking(engine: Engine, user: str) -> httpx.AsyncClient:
    """Somebody who asks the engine over HTTP."""
    headers = {"Authorization": f"Bearer {engine.issue_token('main', user)}"}
    return httpx.AsyncClient(base_url=f"{engine.http_url}/api/v1", headers=headers)


async def a_ticket(engine: Engine, user: str) -> str:
    async with asking(engine, user) as http:
        return (await http.post("/tickets")).json()["ticket"]


async def sign_in(page: Remote, text: str) -> None:
    await page.get_by_label("Token").fill(text)
    await page.get_by_role("button", name="Sign in", exact=True).click()


async def test_a_ticket_signs_in_once_by_link_or_pasted_and_then_says_that_it_was_used(
    engine: Engine, browser: Browser
) -> None:
    link = f"{engine.http_url}/#ticket={await a_ticket(engine, 'ann')}"
    page = await browser.page()
    await page.goto(link)
    await page.locator(".connection.live").wait_for()
    await page.get_by_label("Signed in as ann").wait_for()
    assert await page.evaluate("location.href") == f"{engine.http_url}/"

    other = await browser.page()
    await other.goto(link)
    await other.get_by_text("This ticket is not good: it was used, or has ended").wait_for()
    await sign_in(other, await a_ticket(engine, "bob"))
    await other.locator(".connection.live").wait_for()
    await other.get_by_label("Signed in as bob").wait_for()


async def test_a_token_that_was_revoked_before_it_was_opened_leads_to_the_door_which_says_so(
    engine: Engine, browser: Browser
) -> None:
    token = engine.issue_token("main", "ann")
    name = jwt.decode(token, options={"verify_signature": False})["jti"]
    async with asking(engine, "root") as http:
        assert (await http.post("/revocations", json={"jti": name, "reason": "left on a train"})).is_success
    page = await browser.page()
    await page.goto(f"{engine.http_url}/rules#token={token}")
    await page.get_by_text("The engine does not accept this token").wait_for()
    assert await page.get_by_role("dialog").count() == 0
    await sign_in(page, engine.issue_token("main", "ann"))
    await page.locator(".connection.live").wait_for()
    assert await page.evaluate("location.pathname") == "/rules"


async def test_with_a_token_of_another_workspace_nothing_of_the_first_one_stays(
    engine: Engine, browser: Browser
) -> None:
    await engine.service.trigger(engine.principal("shop"), [SLOW])
    page = await opened(browser, engine, "ann", "/?severity=critical&framework=web")
    await page.locator(".alert-row").wait_for()
    await page.get_by_label("Signed in as ann").click()
    await page.get_by_role("button", name="Sign out").click()
    await sign_in(page, engine.issue_token("other", "ann"))
    await page.get_by_text("Nothing rings").wait_for()
    assert await page.evaluate("location.search") == ""
    assert await page.locator(".alert-row").count() == 0


async def test_a_page_of_an_origin_that_the_engine_does_not_know_is_told_which_and_where_to_add_it(
    engine: Engine, browser: Browser
) -> None:
    with a_front(engine.http_url) as front:
        page = await browser.page()
        await page.goto(f"{front}/#token={engine.issue_token('main', 'ann')}")
        banner = page.locator(".banner.shown", has_text="[gateway] origins")
        await banner.wait_for()
        assert f"pages of {front}" in await banner.text_content()
        assert "ws://" in await banner.text_content()
        assert await page.get_by_text("Nothing rings").count() == 0


async def test_an_engine_that_is_too_old_or_too_new_is_not_misunderstood(engine: Engine, browser: Browser) -> None:
    token = engine.issue_token("main", "ann")
    for protocol, todo in ((0, "update the engine"), (2, "reload the page")):
        with a_front(engine.http_url, {"protocol": protocol, "version": "9.9"}) as front:
            page = await browser.page()
            await page.goto(f"{front}/#token={token}")
            banner = page.locator(".banner.shown", has_text=f"speaks protocol {protocol}, this client 1: {todo}")
            await banner.wait_for()
            assert "the engine (9.9)" in await banner.text_content()
            assert "not trying again" in await banner.text_content()
