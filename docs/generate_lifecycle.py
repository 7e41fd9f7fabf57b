"""Writes `docs/lifecycle.md` from its template and from the table in `engine/core/lifecycle.py`.

    python docs/generate_lifecycle.py            writes the page (`make docs`)

Prose is in `docs/lifecycle.template.md`; the lines `<!-- generated: diagram -->` and `<!-- generated: table -->` there
are replaced. A test compares the committed page with what this would write.
"""

from __future__ import annotations

import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
if str(FOLDER.parent) not in sys.path:  # started as a script
    sys.path.insert(0, str(FOLDER.parent))

from engine.core.lifecycle import TABLE, Step  # noqa: E402
from protocol.changes import Action  # noqa: E402
from protocol.model import AlertState, Status  # noqa: E402

TEMPLATE, PAGE = FOLDER / "lifecycle.template.md", FOLDER / "lifecycle.md"
NOTICE = "<!-- Written by docs/generate_lifecycle.py: change the table, or the template, then `make docs`. -->\n\n"
PARTS = ("diagram", "table")


def render(template: str) -> str:
    """The page for a template."""
    page = NOTICE + template
    for part in PARTS:
        page = page.replace(f"<!-- generated: {part} -->", {"diagram": diagram, "table": table}[part]())
    return page


def diagram() -> str:
    """A Mermaid state diagram: every step of the table that leads to another state."""
    arrows: dict[tuple[AlertState, AlertState], list[str]] = {}
    for (state, action), step in TABLE.items():
        if step.changes and step.state not in (None, state):
            arrows.setdefault((state, step.state), []).append(action.value)
    lines = [f"    {old.value} --> {new.value}: {', '.join(actions)}" for (old, new), actions in arrows.items()]
    return "\n".join(["```mermaid", "stateDiagram-v2", "    [*] --> active: fires", *lines, "```"])


def table() -> str:
    """What each action does in each state."""
    head = ["", *(f"`{state.value}`" for state in AlertState)]
    rows = [[f"`{action.value}`", *(_cell(TABLE[state, action]) for state in AlertState)] for action in Action]
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *rows])


def _cell(step: Step) -> str:
    if step.status is Status.REJECTED:
        return "refused"
    if not step.changes:
        return "already so"
    return f"event `{step.event.value}`" + ("" if step.state is None else f", then `{step.state.value}`")


if __name__ == "__main__":
    PAGE.write_text(render(TEMPLATE.read_text()))
