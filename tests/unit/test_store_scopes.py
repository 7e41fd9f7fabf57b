"""Whatever the store is asked about one workspace is asked in a transaction that sees that workspace alone.

Row-level security binds a transaction to the workspaces that it names; one that names none sees all. So each question
and each change that names none is listed here, with why.
"""

from __future__ import annotations

import ast
from pathlib import Path

import engine.stores.tables

FOLDER = Path(engine.stores.tables.__file__).parent
# By method: about more than one workspace, or about none.
ABOUT_ALL = {
    "unsettled": "the start",
    "duplicates": "a figure of the installation",
    "count_objects": "a figure of the installation",
    "queue_counts": "a figure of the installation",
    "workspaces_seen": "workspaces themselves",
    "objects_over": "retention",
    "trim": "retention",
    "trim_deliveries": "retention",
    "aggregates_waiting": "a figure of the installation",
    "count_alerts": "upkeep of all counts",
    "trim_findings": "retention",
    "trim_incidents": "retention",
    "due_findings": "jobs work for all",
    "prune": "retention",
    "roll_up": "upkeep of all logs",
    "_roll": "upkeep of all logs",
    "revocations": "all, at the start",
    "connection_changes": "who is connected, in one batch",
    "claim": "workers work for all",
    "renew": "workers work for all",
    "settle": "workers work for all",
    "sweep": "workers work for all",
    "next_due": "workers work for all",
    "redrive_failed": "a queue is everybody's",
    "pause": "a queue is everybody's",
    "limit": "a queue is everybody's",
    "schedules": "has no workspace",
    "forget_schedule": "has no workspace",
    "add_schedule": "has no workspace",
    "pause_schedule": "has no workspace",
    "fire": "jobs for whichever workspaces the schedule names",
    "renew_node": "nodes",
    "forget_node": "nodes",
    "lose_connections": "who is connected, whoever it was",
}
ASKING = {("_readers", "read"), ("_writer", "run"), ("_writer", "join"), ("_writer", "run_apart")}
# So many arguments by place include the workspace.
BY_PLACE = {"read": 2, "run": 3, "join": 3, "run_apart": 3}


def without_a_workspace(source: str) -> set[str]:
    """Methods in which the store is asked without the name of a workspace."""
    found = set()
    for method in ast.walk(ast.parse(source)):
        if isinstance(method, ast.AsyncFunctionDef):
            found |= {method.name for call in ast.walk(method) if isinstance(call, ast.Call) and _names_none(call)}
    return found


def _names_none(call: ast.Call) -> bool:
    verb = call.func
    if not isinstance(verb, ast.Attribute) or not isinstance(verb.value, ast.Attribute):
        return False
    if (verb.value.attr, verb.attr) not in ASKING:
        return False
    return len(call.args) < BY_PLACE[verb.attr] and all(word.arg != "workspace" for word in call.keywords)


def test_each_question_about_a_workspace_names_it() -> None:
    found = {name for path in FOLDER.glob("*.py") for name in without_a_workspace(path.read_text())}
    assert found == set(ABOUT_ALL)


def test_one_that_names_none_is_found() -> None:
    source = "class Store:\n    async def alert(self, workspace):\n        return await self._readers.read({})"
    assert without_a_workspace(source.format("question")) == {"alert"}
    assert without_a_workspace(source.format("question, workspace=workspace")) == set()
    assert without_a_workspace(source.format("question, workspace")) == set()
