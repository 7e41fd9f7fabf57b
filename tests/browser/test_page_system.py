"""What whoever looks after the engine sees of it and does about it, and what is said of the past."""

from __future__ import annotations

from pathlib import Path

import httpx

from engine.app import Engine
from engine.sections.jobs import Jobs
from tests.browser.test_page_views import findings
from tests.support.browsers import Browser, opened, signed_in
from tests.support.engines import an_engine
from tests.support.failing import fail_jobs

PLACES = ("Health", "Connections", "Queues and jobs", "Schedules", "Parts and nodes")


async def test_every_place_of_the_system_view_can_be_read_by_everybody(engine: Engine, browser: Browser) -> None:
    page = await signed_in(browser, engine.http_url, engine.issue_token("system", "boss"))
    await page.locator("nav[aria-label=Views] a", has_text="System").click()
    for place in PLACES:
        await page.locator("nav[aria-label=System] a", has_text=place).click()
        await page.locator("nav[aria-label=System] a[aria-current=page]", has_text=place).wait_for()
        await page.wait_for_load_state("networkidle")
        assert await findings(page) == [], place


async def test_the_health_score_is_shown_with_what_pulled_it_down(engine: Engine, browser: Browser) -> None:
    engine.metrics.restarted("planted")
    page = await signed_in(browser, engine.http_url, engine.issue_token("system", "boss"))
    await page.locator("nav[aria-label=Views] a", has_text="System").click()
    health = page.get_by_role("region", name="Health")
    await health.get_by_role("status").get_by_text("looking after").wait_for()
    await health.get_by_text("\N{MINUS SIGN}10 parts that were restarted: 1").wait_for()
    await health.get_by_text("look into the log for the causes, and report them").wait_for()
    assert await health.get_by_text("restarted").count() == 1
    await health.get_by_text("What is well").click()
    await health.get_by_text("commands that were set aside: 0").wait_for()
    await page.get_by_role("row", name="Since this page was opened").first().wait_for()
    assert await findings(page) == []


async def test_a_queue_is_paused_and_resumed_and_a_connection_ended(engine: Engine, browser: Browser) -> None:
    page = await signed_in(browser, engine.http_url, engine.issue_token("system", "boss"))
    await page.locator("nav[aria-label=Views] a", has_text="System").click()
    await page.locator("nav[aria-label=System] a", has_text="Queues and jobs").click()
    await page.get_by_role("button", name="Pause prediction").click()
    await page.locator("dialog").get_by_role("button", name="Pause").click()
    await page.get_by_role("button", name="Resume prediction").click()
    await page.get_by_role("button", name="Pause prediction").wait_for()

    await opened(browser, engine, "ann", "/")
    await page.locator("nav[aria-label=System] a", has_text="Connections").click()
    await page.get_by_role("button", name="Disconnect ann").click()
    await page.locator("dialog").get_by_role("button", name="Disconnect").click()
    await page.get_by_text("ann was disconnected").wait_for()


async def test_the_past_is_found_by_its_words_and_goes_on_while_one_looks(engine: Engine, browser: Browser) -> None:
    headers = {"Authorization": f"Bearer {engine.issue_token('main', 'ann')}"}
    async with httpx.AsyncClient(base_url=f"{engine.http_url}/api/v1", headers=headers) as http:
        for title in ("Disk full", "Checkout slow"):
            alert = {"framework_id": "web", "title": title, "labels": {"of": title}}
            assert (await http.post("/triggers", json={"alert": alert})).is_success
        page = await opened(browser, engine, "ann", "/history?q=disk")
        await page.get_by_role("link", name="Disk full").wait_for()
        assert await page.get_by_role("link", name="Checkout slow").count() == 0
        assert (await http.post("/triggers", json={"alert": alert | {"title": "Disk gone", "labels": {}}})).is_success
        await page.get_by_role("link", name="Disk gone").click()
        await page.get_by_label("Details of the alert").get_by_text("Disk gone").wait_for()
        assert await findings(page) == []


async def test_failed_jobs_of_a_queue_are_done_once_more(tmp_path: Path, browser: Browser) -> None:
    idle = Jobs(alert_slots=0, analytics_slots=0, prediction_slots=0, notification_slots=0)
    async with an_engine(tmp_path, jobs=idle) as engine:
        await fail_jobs(engine, 3)
        page = await signed_in(browser, engine.http_url, engine.issue_token("system", "boss"), "/system/queues")
        row = page.locator("tr", has_text="prediction")
        await row.get_by_label("3 failed jobs").wait_for()
        await row.get_by_role("button", name="Redrive prediction").click()
        await page.get_by_text("3 failed jobs of prediction are done once more").wait_for()
        await row.get_by_label("3 failed jobs").wait_for(state="detached")
        assert not await row.get_by_role("button", name="Redrive prediction").is_enabled()
