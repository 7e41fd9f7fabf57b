"""Every view, in light and dark: it can be read by everybody (axe-core finds nothing), and a picture is kept of it.

The pictures are in build/pictures/, to be looked at; `make pictures` puts those of the README into docs/images.
"""

from __future__ import annotations

import pytest

from engine.app import Engine
from tests.support.browsers import Browser, Remote, signed_in
from tests.support.busy import busy
from tests.support.engines import ROOT

PICTURES = ROOT / "build/pictures"
AXE = ROOT / "web/node_modules/axe-core/axe.min.js"
LOOK = """axe.run(document).then(({ violations }) => violations.map(({ id, help, nodes }) =>
  `${id}: ${help}: ${nodes.map(({ target, any }) => `${target} ${any.map(({ message }) => message).join("; ")}`)}`))"""
WIDE, NARROW = {"width": 1280, "height": 800}, {"width": 360, "height": 740}


async def findings(page: Remote) -> list[str]:
    """What axe-core has to say about the page as it is."""
    await page.evaluate(f"{AXE.read_text()}; undefined")
    return await page.evaluate(LOOK)


async def views(page: Remote) -> list[str]:
    """The views of the navigation."""
    return await page.locator("nav[aria-label=Views] a span").all_text_contents()


# What opens above a view: where, and the buttons that are pressed one after the other.
OPENED: tuple[tuple[str, ...], ...] = (
    ("/", "Search takes over 500 ms"),
    ("/", "Search takes over 500 ms", "Silence"),
    ("/", "Search takes over 500 ms", "Assign to"),
    ("/", "Keyboard shortcuts"),
    ("/rules?edit=slow-search",),
    ("/rules/slow-search",),
    ("/quiet?new=1",),
    ("/quiet/maintenance?new=1",),
    ("/people/endpoints?new=webhook",),
    ("/people/directory?new=1",),
)


async def test_what_opens_above_a_view_can_be_read_by_everybody(engine: Engine, browser: Browser) -> None:
    token = engine.issue_token("main", "ann")
    await busy(engine.http_url, token)
    page = await signed_in(browser, engine.http_url, token, reduced_motion="reduce", viewport=WIDE)
    wrong: list[str] = []
    await page.evaluate(f"{AXE.read_text()}; undefined")
    for path, *pressed in OPENED:
        # As a link of the page does it; a page that is loaded anew each time takes its time.
        await page.evaluate(f"history.pushState(null, '', '{path}'); dispatchEvent(new PopStateEvent('popstate'))")
        for name in pressed:
            await page.get_by_role("button", name=name).first().click()
        await page.locator("dialog, form, aside, .drawer, .facts").first().wait_for()
        await page.wait_for_load_state("networkidle")
        for scheme in ("light", "dark"):
            await page.emulate_media(color_scheme=scheme)
            wrong += [f"{path} {pressed} {scheme}: {finding}" for finding in await page.evaluate(LOOK)]
        if path == "/":
            await page.keyboard().press("Escape")
            await page.locator("dialog").wait_for(state="hidden")
    assert wrong == []


@pytest.mark.parametrize("colours", ["light", "dark"])
async def test_every_view_can_be_read_by_everybody(engine: Engine, browser: Browser, colours: str) -> None:
    PICTURES.mkdir(parents=True, exist_ok=True)
    await busy(engine.http_url, engine.issue_token("main", "ann"))
    seen: set[str] = set()
    wrong: list[str] = []
    # Some views are for the administrators of the whole engine.
    for workspace in ("main", "system"):
        token = engine.issue_token(workspace, "ann")
        page = await signed_in(
            browser, engine.http_url, token, color_scheme=colours, reduced_motion="reduce", viewport=WIDE
        )
        for name in [name for name in await views(page) if name not in seen]:
            seen.add(name)
            await page.locator("nav[aria-label=Views] a", has_text=name).click()
            await page.locator(f"main[aria-label='{name}'] h1").first().wait_for(state="attached")
            await page.wait_for_load_state("networkidle")
            for size in (WIDE, NARROW):
                await page.set_viewport_size(size)
                await page.screenshot(path=str(PICTURES / f"{name.lower()}-{colours}-{size['width']}.png"))
                wrong += [f"{name} at {size['width']} px: {finding}" for finding in await findings(page)]
                if await page.evaluate("document.documentElement.scrollWidth > innerWidth"):
                    wrong.append(f"{name} at {size['width']} px: is wider than the window")
            await page.set_viewport_size(WIDE)
    assert wrong == []
    assert seen >= {"Stream", "Rules"}
