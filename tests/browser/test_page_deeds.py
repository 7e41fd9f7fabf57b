"""What the page does when the engine refuses something, when nobody looks, and when there is too much to show."""

from __future__ import annotations

import re
from pathlib import Path

from engine.app import Engine
from protocol.fields import TEXT_MAX_CHARS
from protocol.items import ITEMS_MAX, TriggerInput
from tests.support.browsers import Browser, Remote, opened
from tests.support.engines import an_engine

SLOW = TriggerInput(framework_id="web", title="Checkout is slow", severity="critical")
MINOR = TriggerInput(framework_id="web", title="A certificate ends soon", severity="info")
# As AlertBook keeps them (web/client/src/book.ts).
SHOWN_MAX = 10_000
# What would be heard and seen is written down; what makes it is the browser's own. Nobody looks at a headless page.
LISTENING = """
globalThis.heard = [];
let listeners = [];
const hear = (what) => {
  heard.push(what);
  listeners = listeners.filter((told) => !told());
};
globalThis.untilHeard = (what) => new Promise((resolve) => {
  const told = () => heard.includes(what) && (resolve(), true);
  if (!told()) listeners.push(told);
});
const start = OscillatorNode.prototype.start;
OscillatorNode.prototype.start = function (...given) { hear('tone'); return start.apply(this, given); };
const Shown = Notification;
globalThis.Notification = class extends Shown {
  constructor(title, options) { super(title, options); hear(title); }
};
Object.defineProperty(document, 'visibilityState', { get: () => 'hidden' });
"""
# As browsers do until somebody has touched the page; and each bell is a minute after the one before, so no storm.
SILENT = """
let later = 0;
(({ now }) => { Date.now = () => now() + later; })(Date);
let waiting = [];
globalThis.allow = () => waiting.forEach((begin) => begin());
AudioContext.prototype.resume = () => {
  later += 60_000;
  return new Promise((begin) => waiting.push(begin));
};
"""


async def ring(engine: Engine, *triggers: TriggerInput) -> None:
    results = await engine.service.trigger(engine.principal("shop"), list(triggers))
    assert [result.status.value for result in results] == ["fired"] * len(triggers)


async def on_the_desktop(page: Remote) -> Remote:
    """Opens the menu and gives the switch for notifications of the desktop."""
    await page.get_by_label("Signed in as ann").click()
    return page.get_by_label("On the desktop too")


async def test_what_the_engine_refuses_is_undone_on_the_page_with_its_reason(engine: Engine, browser: Browser) -> None:
    await ring(engine, SLOW)
    page = await opened(browser, engine, "ann")
    await page.locator(".alert-row .title").click()
    details = page.get_by_label("Details of the alert")
    await details.get_by_role("button", name="Comment").click()
    await page.get_by_role("dialog").get_by_label("What is to be known").fill("x" * (TEXT_MAX_CHARS + 1))
    await page.get_by_role("dialog").get_by_role("button", name="Comment").click()
    refused = page.locator(".toast", has_text="Not commented: Checkout is slow")
    await refused.wait_for()
    assert f"{TEXT_MAX_CHARS}" in await refused.text_content()
    # What it would refuse again is not offered again; what was written is not lost.
    assert await refused.get_by_role("button", name="Try again").count() == 0
    assert await page.get_by_role("dialog").get_by_label("What is to be known").input_value() == "x" * (
        TEXT_MAX_CHARS + 1
    )
    await page.keyboard().press("Escape")
    assert await details.get_by_text("xxxx").count() == 0


async def test_keys_mean_the_alert_that_is_looked_at_also_if_the_way_back_has_opened_it(
    engine: Engine, browser: Browser
) -> None:
    await ring(engine, SLOW, MINOR)
    page = await opened(browser, engine, "ann")
    for title in (SLOW.title, MINOR.title):
        await page.locator(".alert-row .title", has_text=title).click()
        await page.get_by_label("Details of the alert").get_by_role("heading", name=title).wait_for()
    await page.go_back()
    await page.get_by_label("Details of the alert").get_by_role("heading", name=SLOW.title).wait_for()
    await page.keyboard().press("a")
    await page.locator(".toast", has_text="Acknowledged: Checkout is slow").wait_for()
    assert await page.locator(".alert-row.acknowledged").count() == 1


async def test_an_alert_of_the_past_leads_to_the_others_of_its_incident_and_the_history_stays(
    engine: Engine, browser: Browser
) -> None:
    await ring(engine, *(TriggerInput(framework_id="web", title=f"No {n}", labels={"host": "h1"}) for n in "ab"))
    page = await opened(browser, engine, "ann", "/history?span=1h&state=active")
    await page.get_by_role("link", name="No a").click()
    details = page.get_by_label("Details of the alert")
    await details.get_by_label("Incident").get_by_role("link", name="No b").click()
    await details.get_by_role("heading", name="No b").wait_for()
    there = await page.evaluate("[location.pathname, new URLSearchParams(location.search).get('state')]")
    assert there == ["/history", "active"]


async def test_an_alert_is_heard_and_shown_on_the_desktop_as_it_is_wished_and_allowed(
    engine: Engine, browser: Browser
) -> None:
    page = await opened(browser, engine, "ann", "/quiet")
    await page.context().add_init_script(LISTENING)
    await page.reload()
    await page.locator(".connection.live").wait_for()
    # The browser has not been asked, and refuses without asking anybody.
    wish = await on_the_desktop(page)
    await wish.click()
    await page.get_by_text("your browser does not allow them for this page").wait_for()
    assert not await wish.is_checked()

    await page.context().grant_permissions(["notifications"], origin=engine.http_url)
    await wish.click()
    await page.locator(".menu input[type=checkbox]:checked").wait_for()
    await ring(engine, MINOR, SLOW)
    await page.evaluate("untilHeard('critical: Checkout is slow')")
    # Two tones, of the bell for the critical one; what is minor makes no noise.
    assert await page.evaluate("heard.toSorted()") == ["critical: Checkout is slow", "tone", "tone"]

    # Of one storm the bell rings once: this is later.
    await page.evaluate("(({ now }) => { Date.now = () => now() + 60_000; })(Date)")
    await page.get_by_label("Mute the bell").click()
    await ring(engine, TriggerInput(framework_id="web", title="Payments are refused", severity="critical"))
    await page.evaluate("untilHeard('critical: Payments are refused')")
    assert (await page.evaluate("heard.filter((each) => each === 'tone').length")) == 2


async def test_a_page_that_nobody_has_touched_says_that_its_bell_is_silent_and_rings_once_when_it_may(
    engine: Engine, browser: Browser
) -> None:
    page = await opened(browser, engine, "ann")
    await page.context().add_init_script(LISTENING + SILENT)
    await page.reload()
    await page.locator("button[title^='The bell is silent until you click here']").wait_for()
    for number in range(3):
        await ring(engine, TriggerInput(framework_id="web", title=f"Checkout {number}", severity="critical"))
        await page.locator(".alert-row", has_text=f"Checkout {number}").wait_for()
    assert await page.evaluate("heard") == []
    await page.locator(".status-line").click()
    await page.locator("button[title='The bell rings (m)']").wait_for()
    await page.evaluate("allow(); untilHeard('tone')")
    # Two tones of the last one.
    assert await page.evaluate("heard") == ["tone", "tone"]


async def test_the_own_machine_is_drawn_while_nothing_rings(tmp_path: Path, browser: Browser) -> None:
    async with an_engine(tmp_path, watch_host=True) as engine:
        page = await opened(browser, engine, "ann")
        await page.get_by_role("heading", name="Nothing rings").wait_for()
        drawing = page.get_by_role("img", name=re.compile(r"^memory_percent: .* threshold 90$"))
        await drawing.wait_for()
        # What goes up and down with the machine is as it may; what is drawn of it has its rule's threshold.
        assert await page.locator(".vitals .threshold").count() >= 1


async def test_of_more_alerts_than_the_page_keeps_it_says_how_many_are_left_out(
    engine: Engine, browser: Browser
) -> None:
    wanted = SHOWN_MAX + 3
    for first in range(0, wanted, ITEMS_MAX):
        numbers = range(first, min(first + ITEMS_MAX, wanted))
        await ring(engine, *(TriggerInput(framework_id=f"f{first}", title=f"number {number}") for number in numbers))
    page = await opened(browser, engine, "ann")
    await page.locator(".status-line", has_text="10,000 alerts").wait_for()
    await page.locator(".status-line", has_text="left out 3 older alerts").wait_for()
