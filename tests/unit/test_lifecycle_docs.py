"""`docs/lifecycle.md` is drawn from the table of the life cycle, and is what would be drawn now."""

from __future__ import annotations

import re

from docs.generate_lifecycle import PAGE, TEMPLATE, diagram, render, table
from engine.core.lifecycle import TABLE
from protocol.changes import Action
from protocol.model import AlertState


def test_the_page_is_what_the_table_and_its_template_make() -> None:
    assert PAGE.read_text() == render(TEMPLATE.read_text()), "run `make docs`"


def test_every_step_to_another_state_is_an_arrow_of_the_diagram() -> None:
    arrows = re.findall(r"^    (\w+) --> (\w+): (.*)$", diagram(), re.MULTILINE)
    drawn = {(old, new, action) for old, new, actions in arrows for action in actions.split(", ")}
    steps = {
        (state.value, step.state.value, action.value)
        for (state, action), step in TABLE.items()
        if step.changes and step.state not in (None, state)
    }
    assert steps <= drawn
    assert {each[2] for each in drawn - steps} <= {"holds long enough"}


def test_the_table_has_a_line_for_each_action_and_a_column_for_each_state() -> None:
    head, _, *rows = (line.split("|")[1:-1] for line in table().splitlines())
    assert [cell.strip(" `") for cell in head[1:]] == [state.value for state in AlertState]
    assert [row[0].strip(" `") for row in rows] == [action.value for action in Action]
    assert all(len(row) == len(head) for row in rows)
