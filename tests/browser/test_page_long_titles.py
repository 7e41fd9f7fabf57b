"""Alerts with more to say than a row has room for: a title of three lines, the largest number, long labels."""

from __future__ import annotations

import pytest

from engine.app import Engine
from protocol.items import TriggerInput
from tests.support.browsers import Browser, opened

LONG = TriggerInput(
    framework_id="kubernetes-prod-eu-1",
    title="KubePersistentVolumeFillingUp: the volume of prometheus-0 in monitoring will be full within four days",
    severity="critical",
    current_value=-1.7976931348623157e308,
    labels={"namespace": "monitoring", "persistentvolumeclaim": "prometheus-data-prometheus-0"},
    assigned_to="somebody-with-a-long-name",
)
# How many lines of the title are seen, and what stands outside of the row, or on something else in it. What fits only
# in the next frame has fitted; what is wrong for a hundred frames is wrong.
LOOK = """(async () => {
  const boxOf = (each) => {
    const { left, top, bottom, width } = each.getBoundingClientRect();
    const isCut = getComputedStyle(each).overflowX === "hidden";
    return { left, top, bottom, right: left + (isCut ? width : Math.max(width, each.scrollWidth)) };
  };
  const isOut = (one, room) =>
    one.left < room.left || one.right > room.right || one.top < room.top || one.bottom > room.bottom;
  const meet = (one, other) =>
    Math.min(one.right, other.right) - Math.max(one.left, other.left) > 1 &&
    Math.min(one.bottom, other.bottom) - Math.max(one.top, other.top) > 1;
  function look() {
    const row = document.querySelector(".alert-row");
    const room = boxOf(row);
    const seen = [...row.querySelectorAll("input, .severity, .title, .where, .value, .who, .marks, .when")];
    const boxes = seen.map(boxOf);
    const isWrong = (box) => isOut(box, room) || boxes.some((other) => other !== box && meet(box, other));
    const title = row.querySelector(".title > span");
    const lines = Math.round(title.getBoundingClientRect().height / parseFloat(getComputedStyle(title).lineHeight));
    return { lines, wrong: seen.filter((_, at) => isWrong(boxes[at])).map((each) => each.className || each.localName) };
  }
  let seen = look();
  for (let frames = 0; (seen.wrong.length || seen.lines !== %d) && frames < 100; frames++) {
    await new Promise(requestAnimationFrame);
    seen = look();
  }
  return seen;
})()"""


@pytest.mark.parametrize(("width", "lines"), [(360, 2), (650, 2), (800, 1), (1280, 1), (2560, 1)])
async def test_a_long_title_has_two_lines_on_a_phone_and_a_row_room_for_everything(
    engine: Engine, browser: Browser, width: int, lines: int
) -> None:
    await engine.service.trigger(engine.principal("main"), [LONG])
    size = {"width": width, "height": 740}
    page = await opened(browser, engine, "ann", viewport=size, reduced_motion="reduce")
    await page.locator(".alert-row").wait_for()
    assert await page.evaluate(LOOK % lines) == {"lines": lines, "wrong": []}


async def test_a_word_without_an_end_does_not_fold_a_table_that_has_room(engine: Engine, browser: Browser) -> None:
    endless = TriggerInput(framework_id="web", title="a_word_without_an_end_" * 8)
    await engine.service.trigger(engine.principal("main"), [endless])
    size = {"width": 1280, "height": 740}
    page = await opened(browser, engine, "ann", "/history", viewport=size)
    await page.locator(".table-frame:not(.stacked) td", has_text="a_word_without_an_end_").wait_for()
