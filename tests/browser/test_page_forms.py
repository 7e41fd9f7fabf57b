"""Forms: what the engine refuses is said at its field, what is not wanted any more is deleted after a question."""

from __future__ import annotations

import httpx

from engine.app import Engine
from tests.support.browsers import Browser, opened
from tests.support.busy import sent


async def test_what_the_engine_refuses_is_said_at_the_field_that_it_is_about(engine: Engine, browser: Browser) -> None:
    page = await opened(browser, engine, "ann", "/quiet?new=1")
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Why").fill("a new index is being built")
    row = dialog.get_by_role("group", name="Condition 1")
    await row.get_by_label("Label").fill("host")
    await row.get_by_label("How").select_option("=~")
    await row.get_by_label("Value").fill("web-(")
    await dialog.get_by_role("button", name="Silence").click()
    await dialog.locator(".matchers .fault", has_text="number 1, value: the regular expression").wait_for()
    # Whatever it says of a type or a length is brought there too.
    await row.get_by_label("Value").fill("x" * 1_025)
    await dialog.get_by_role("button", name="Silence").click()
    fault = dialog.locator(".matchers .fault", has_text="number 1, value: ")
    await fault.filter(has_text="1024").wait_for()
    assert "$" not in await fault.text_content()


async def test_entries_and_endpoints_are_deleted_after_a_question(engine: Engine, browser: Browser) -> None:
    headers = {"Authorization": f"Bearer {engine.issue_token('main', 'root')}"}
    async with httpx.AsyncClient(base_url=f"{engine.http_url}/api/v1", headers=headers) as http:
        await sent(http, "/teams", {"id": "ops", "name": "Operations"})
        await sent(http, "/endpoints", {"id": "box", "channel": "email", "address": "ops@example.com"})
        page = await opened(browser, engine, "ann", "/people/directory?of=teams")
        for path, name in (("/people/directory?of=teams", "ops"), ("/people/endpoints", "box")):
            await page.goto(f"{engine.http_url}{path}")
            await page.get_by_role("button", name=f"Delete {name}").click()
            await page.get_by_role("dialog").get_by_role("button", name="Delete").click()
            await page.get_by_text(f"{name} is deleted").wait_for()
            await page.get_by_role("button", name=f"Delete {name}").wait_for(state="detached")
        assert (await http.get("/teams")).json()["items"] == []
        assert (await http.get("/endpoints")).json()["items"] == []
