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
