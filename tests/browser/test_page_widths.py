"""Every place of the page on a phone and a tablet: nothing is cut off or scrolls sideways, all controls can be hit."""

from __future__ import annotations

import json
from pathlib import Path

from tests.support.browsers import Browser, signed_in
from tests.support.busy import busy
from tests.support.meaning import a_knowing_engine, look_for_patterns

PLACES = {
    "main": (
        "/", "/rules", "/rules/slow-search", "/rules?edit=slow-search", "/rules?new=1", "/quiet", "/quiet?new=1",
        "/quiet/maintenance", "/quiet/hours", "/quiet/now", "/people", "/people/preferences", "/people/endpoints",
        "/people/endpoints?new=webhook", "/people/deliveries", "/people/directory", "/history", "/analytics",
        "/analytics/patterns", "/analytics/predictions", "/analytics/insights", "/analytics/insights?framework=web",
    ),
    # With the columns for whoever looks after the engine.
    "system": ("/system", "/system/connections", "/system/queues", "/system/schedules", "/system/parts"),
}  # fmt: skip
# Tables with something in them, among them those with the most columns.
TABLES = {
    "Alerts of this time, newest first", "Rules, by id", "Silences", "Open alerts that do not ring", "Endpoints",
    "Rules, those with the most alerts first", "Frameworks, how they are", "Connections, oldest first",
    "How the queues stand", "Jobs, newest first", "Schedules",
}  # fmt: skip
# Walks through the places in the page itself, as links of the page do it. What fits only in the next frame has fitted
# (tables fold when they are seen to have no room); what is wrong for a hundred frames is wrong.
WALK = """(async () => {
  const frame = () => new Promise(requestAnimationFrame);
  const isSeen = (each) =>
    !each.closest("svg, .for-readers") && each.checkVisibility({ checkOpacity: true, checkVisibilityCSS: true });
  const isHidden = (each) => getComputedStyle(each).clipPath !== "none";
  const named = (each) => `${each.localName}.${each.className} ${(each.ariaLabel ?? each.innerText).slice(0, 40)}`;
  const isSmall = (each) => {
    const { width, height } = each.getBoundingClientRect();
    return getComputedStyle(each).display !== "inline" && Math.min(width, height) < 24;
  };
  function* findings() {
    if (document.documentElement.scrollWidth > innerWidth) yield "is wider than the window";
    for (const each of document.querySelectorAll("body *")) {
      if (!isSeen(each) || isHidden(each)) continue;
      const { left, right, width } = each.getBoundingClientRect();
      if (width > 1 && (left < -1 || right > innerWidth + 1) && !each.closest(".skip")) yield `is cut: ${named(each)}`;
      const scrolls = ["auto", "scroll"].includes(getComputedStyle(each).overflowX);
      if ((scrolls || each.matches(".card, td")) && each.scrollWidth > each.clientWidth + 1)
        yield `has no room: ${named(each)}`;
      // The rows of the stream are drawn where their height says.
      if (each.matches(".alert-row") && each.scrollHeight > each.clientHeight + 1) yield `is too high: ${named(each)}`;
      if (each.matches("a[href], button, input, select, textarea, summary") && isSmall(each))
        yield `is hard to hit: ${named(each)}`;
    }
  }
  const wrong = [], tables = new Set();
  for (const place of %(places)s) {
    history.pushState(null, "", place);
    dispatchEvent(new PopStateEvent("popstate"));
    await frame();
    while (!document.querySelector("main h1") || document.querySelector("main .loading")) await frame();
    document.querySelectorAll("main details").forEach((each) => (each.open = true));
    let found = [...findings()];
    for (let frames = 0; found.length && frames < 100; frames++) {
      await frame();
      found = [...findings()];
    }
    wrong.push(...found.map((each) => `${place} ${each}`));
    document.querySelectorAll("main tbody tr").forEach((row) => tables.add(row.closest("table").caption?.innerText));
  }
  return { wrong, tables: [...tables] };
})()"""


async def test_every_place_has_room_on_a_phone_and_on_a_tablet(tmp_path: Path, browser: Browser) -> None:
    async with a_knowing_engine(tmp_path) as engine:
        await busy(engine.http_url, engine.issue_token("main", "ann"))
        await look_for_patterns(engine)
        wrong: list[str] = []
        seen: set[str] = set()
        for workspace, places in PLACES.items():
            token = engine.issue_token(workspace, "ann")
            page = await signed_in(browser, engine.http_url, token, reduced_motion="reduce")
            for width in (800, 360):
                await page.set_viewport_size({"width": width, "height": 740})
                found = await page.evaluate(WALK % {"places": json.dumps(places)})
                wrong += [f"{width} px: {each}" for each in found["wrong"]]
                seen |= set(found["tables"])
    assert wrong == []
    assert seen >= TABLES
