"""`workflows`: what it takes to ring for many projects at once, and to move them all on, with the store in a file.

In this process, without sockets: a workflow batch is one transaction, and what is measured is that one, from the verb's
decision to the disk. Every project must answer what it should; statements are counted as the store sends them.
"""

from __future__ import annotations

import functools
import sqlite3
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import trio

from benchmarks.control import BenchmarkError
from benchmarks.machine import machine_card
from benchmarks.options import Options
from benchmarks.report import Figures, Goal, Report, make_report
from engine.core.channel import machine_factory
from engine.core.progress import Ringing, Setting, Task, What
from engine.core.turn import Policy
from engine.ids import new_id, now_us
from engine.shelf.workflow_definitions import WORKFLOW
from engine.stores import Retention
from engine.stores.objects import ObjectChange
from engine.stores.sqlite.file import Database
from engine.stores.sqlite.open import open_database
from engine.stores.tables.store import TableStore
from engine.stores.workflows import ProjectBatch
from engine.verbs.workflow_moves import decide_all
from protocol.model import ChannelKey
from protocol.workflows import Completion, LineItem, Move, Phase, Section, StepStatus, TrackerInput, Workflow

# What the reference's own check-list asks for.
PROJECTS = 1_000
SHORT_PROJECTS = 200
ITEMS = 100
# Each run moves every project on by so many steps.
STEPS = 3
PEOPLE = 20
_WORKSPACE = "bench"
CHECKS = [
    Goal("advance_statements", "statements between BEGIN and COMMIT, advancing", 12.0),
    Goal("generate_statements", "statements between BEGIN and COMMIT, generating", 12.0),
]


class _Counting(sqlite3.Connection):
    """Counts what is executed on it."""

    executed: ClassVar[list[str]] = []

    def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
        self.executed.append(sql)
        return super().execute(sql, *parameters)


def run(options: Options) -> Report:
    """Measures. Raises BenchmarkError if a project is not where it should be."""
    figures, projects = Figures(delivers=False), SHORT_PROJECTS if options.short else PROJECTS
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        for number in range(options.runs):
            trio.run(_measure, Path(folder) / f"{number}.db", projects, figures)
    conditions = {
        "projects": projects,
        "line_items": ITEMS,
        "assignees": PEOPLE,
        "runs": options.runs,
        "machine": machine_card(options.folder or Path(tempfile.gettempdir())),
    }
    plotted = [("generate_ms", "generate (ms)"), ("advance_ms", "advance (ms)"), ("again_ms", "generate again (ms)")]
    return make_report("workflows", conditions, figures, CHECKS, plotted)


async def _measure(path: Path, count: int, figures: Figures) -> None:
    database = Database(path, connection_class=_Counting)
    async with open_database(database, Retention(), now_us, None) as store:
        await _keep_definition(store)
        names = [f"project-{number}" for number in range(count)]
        settings = [
            Setting(TrackerInput(workflow_id="w", assignees={"r": f"user-{n % PEOPLE}"}), 0) for n in range(count)
        ]
        await _batch(store, names, settings, StepStatus.SET)
        ringing = [Ringing()] * count
        await _timed(figures, "generate", _batch(store, names, ringing, StepStatus.FIRED))
        await _timed(figures, "again", _batch(store, names, ringing, StepStatus.SUPPRESSED))
        for step in range(STEPS):
            wanted = [Completion(project_id=name, item_id=f"i{step}") for name in names]
            await _timed(figures, "advance", _batch(store, names, wanted, StepStatus.ADVANCED))


async def _timed(figures: Figures, name: str, batch: Any) -> None:
    _Counting.executed.clear()
    began = time.perf_counter()
    await batch
    figures.add(f"{name}_ms", (time.perf_counter() - began) * 1e3)
    within = [sql for sql in _Counting.executed if not sql.startswith(("BEGIN", "COMMIT"))]
    figures.add(f"{name}_statements", float(len(within)))


async def _batch(store: TableStore, names: Sequence[str], what: Sequence[What], wanted: StepStatus) -> None:
    now = now_us()
    tasks = [
        Task(key=ChannelKey(_WORKSPACE, name), what=each, by="bench", now=now, batch_id=new_id())
        for name, each in zip(names, what, strict=True)
    ]
    decide = functools.partial(decide_all, tasks, machine_factory(Policy()))
    batch = ProjectBatch(workspace=_WORKSPACE, projects=names, decide=decide, workflows=["w"])
    moves: Sequence[Move] = await store.move_projects(batch)
    other = [move.result for move in moves if move.result.status is not wanted]
    if other:
        raise BenchmarkError(f"{len(other)} of {len(moves)} projects were not {wanted.value}; the first: {other[0]}")


async def _keep_definition(store: TableStore) -> None:
    items = tuple(
        LineItem(id=f"i{number}", item_name=f"Step {number}", responsible_role="r", alert_days=2)
        for number in range(ITEMS)
    )
    section = Section(display_name="All of it", items=items)
    workflow = Workflow(id="w", phases=(Phase(phase_type="BUILD", sections=(section,)),))
    change = ObjectChange(
        workspace=_WORKSPACE,
        kind=WORKFLOW,
        id="w",
        body=msgspec.json.encode(workflow).decode(),
        by="bench",
        at=now_us(),
        verb="create_workflow",
    )
    await store.change_objects([change])
