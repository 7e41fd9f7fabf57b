"""`tocsin workflows`: definitions, how far projects have come, ringing for them and moving them on, over HTTP."""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

import click

from tocsin.commands import options
from tocsin.commands.listing import Column, changes, json_option, show
from tocsin.commands.shelves import Kind, add_bulk, add_list, add_show, json_file, one_by_one

WORKFLOWS = Kind(
    "workflows",
    "workflow",
    {"WORKFLOW": "id", "NAME": "name", "VERSION": "version", "CHANGED": "updated_at", "BY": "updated_by"},
)
_TRACKED: dict[str, Column] = {
    "PROJECT": "project_id", "WORKFLOW": "workflow_id", "ITEM": "item_id", "SINCE": "since", "LATE AT": "late_at",
    "LATE": "is_late", "DONE": lambda tracker: f"{tracker['done']} of {tracker['steps']}",
}  # fmt: skip
_MOVED: dict[str, Column] = {
    "AT (UTC)": "at", "BY": "by", "VERB": "verb", "CHANGED": changes, "NOTES": "notes",
}  # fmt: skip
_RESULT: dict[str, Column] = {
    "PROJECT": "project_id", "STATUS": "status", "REASON": "reason", "ITEM": "item_id", "ALERT": "alert_id",
    "WHY": "message",
}  # fmt: skip


def _tracker(project: str) -> str:
    from tocsin.commands.api import place

    return f"{WORKFLOWS.path}/trackers/{place(project)}"


def _report(results: list[dict[str, Any]], as_json: bool) -> None:
    """What became of each project; exits with 1 if some of it was refused."""
    show(results, _RESULT, as_json)
    if any(result["status"] == "rejected" for result in results):
        sys.exit(1)


@click.group(short_help="Moves projects through their workflows.")
def workflows() -> None:
    """Workflows of a running engine: what is to be done on projects, step by step.

    `docs/workflows.md` has a worked example.
    """


add_list(workflows, WORKFLOWS)
add_show(workflows, WORKFLOWS)


@workflows.command(short_help="Makes or changes a definition.")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--version", type=click.IntRange(0), help="Only if it is still this one. [the file's, else that of now]")
@options.administrator
def put(file: Path, version: int | None, **given: Any) -> None:
    """Makes the workflow that FILE (JSON) describes, or puts it in the place of the one of its id.

    A file that `show` printed says which version it was made of: it is refused if somebody was faster.
    """
    body = json_file(file)
    name = str(body.get("id") or "")
    if not name:
        raise click.UsageError(f"{file} says no id: which workflow is it?")
    seen = body.get("version") if version is None else version
    options.write(WORKFLOWS.put(WORKFLOWS.api(given), name, body, seen, is_whole=True))


add_bulk(workflows, WORKFLOWS, "archive", "archived", "Puts workflows away: their projects do not move on.")
add_bulk(workflows, WORKFLOWS, "restore", "restored", "Takes workflows back that were put away.")
add_bulk(workflows, WORKFLOWS, "delete", "deleted", "Takes workflows away for good; their history stays.")


@workflows.command(short_help="Shows how far projects have come.")
@click.option("--late", is_flag=True, help="Only steps past their days, the longest late first.")
@click.option("--item", callback=options.filled, help="Only projects on this step.")
@json_option
@options.administrator
def trackers(late: bool, item: str | None, as_json: bool, **given: Any) -> None:
    """Shows the projects that follow a workflow."""
    wanted = ({"is_late": "true"} if late else {}) | ({"item_id": item} if item else {})
    show(WORKFLOWS.api(given).pages("/api/v1/workflows/trackers", wanted), _TRACKED, as_json)


@workflows.command(short_help="Shows who moved a project when.")
@click.argument("project", callback=options.filled)
@json_option
@options.administrator
def history(project: str, as_json: bool, **given: Any) -> None:
    """Shows who set, advanced and removed the tracker of PROJECT, the newest first; also of one that is gone."""
    show(WORKFLOWS.api(given).pages(f"{_tracker(project)}/history", {}), _MOVED, as_json)


@workflows.command(short_help="Sets a project on a workflow.")
@click.argument("project", callback=options.filled)
@click.argument("workflow_id", metavar="WORKFLOW", callback=options.filled)
@click.option("--item", callback=options.filled, help="The current step. [the first active one; with --move as it was]")
@click.option("--assign", multiple=True, metavar="ROLE=USER", help="Who has which role there; several times.")
@click.option("--move", is_flag=True, help="Also if it follows one: another step, or others; the old step is resolved.")
@options.administrator
def track(project: str, workflow_id: str, item: str | None, assign: tuple[str, ...], move: bool, **given: Any) -> None:
    """Sets PROJECT, which follows none yet, on WORKFLOW; with --move also one that does."""
    assignees = dict(pair.split("=", 1) for pair in assign if "=" in pair)
    if len(assignees) != len(assign):
        raise click.UsageError("--assign: say ROLE=USER, each role once")
    api, body = WORKFLOWS.api(given), {"workflow_id": workflow_id, "assignees": assignees}
    headers = {}
    if move:
        now = api.ask("GET", _tracker(project))
        headers = {"If-Match": f'"{now["version"]}"'}
        body["assignees"] = now["assignees"] | assignees
    found = api.ask("PUT", _tracker(project), body | ({"item_id": item} if item else {}), headers)
    options.write(f"{project} is on {found['item_id']}")


@workflows.command(short_help="Takes projects off their workflows.")
@click.argument("projects", nargs=-1, required=True)
@options.administrator
def untrack(projects: tuple[str, ...], **given: Any) -> None:
    """Takes PROJECTS off their workflows; the alerts of their steps are resolved. Exits with 1 if one was on none."""
    api = WORKFLOWS.api(given)

    def take_off(project: str) -> str:
        api.ask("DELETE", _tracker(project))
        return f"{project} follows no workflow"

    one_by_one(projects, take_off)


@workflows.command(short_help="Rings for the current steps.")
@click.argument("projects", nargs=-1, required=True)
@click.option("--async", "is_async", is_flag=True, help="Later, as a job whose number is printed (tocsin jobs show).")
@json_option
@options.administrator
def generate(projects: tuple[str, ...], is_async: bool, as_json: bool, **given: Any) -> None:
    """Rings for the current step of each of PROJECTS: once in its days, and again when they have passed.

    Exits with 1 if it was refused for one; the others ring all the same.
    """
    ask = partial(WORKFLOWS.api(given).ask, "POST", body={"project_ids": list(projects)})
    if not is_async:
        _report(ask(path="/api/v1/workflows/generate")["results"], as_json)
        return
    handed = ask(path="/api/v1/workflows/generate?async=true")
    options.write(json.dumps(handed) if as_json else f"job {handed['job_id']}")


@workflows.command(short_help="Completes the current steps.")
@click.argument("projects", nargs=-1, required=True)
@click.option("--item", callback=options.filled, help="Only where this is the current step: then twice does no harm.")
@click.option("--notes", help="What is to be said about it.")
@json_option
@options.administrator
def advance(projects: tuple[str, ...], item: str | None, notes: str | None, as_json: bool, **given: Any) -> None:
    """Completes the current step of each of PROJECTS and rings for the next one, all in one transaction.

    Exits with 1 if it was refused for one, which keeps nobody back: see WHY. With --item a request whose answer was
    lost can be sent again: who has moved already is refused (already), and does not move twice.
    """
    more = ({"item_id": item} if item else {}) | ({"notes": notes} if notes else {})
    items = [{"project_id": project} | more for project in projects]
    answer = WORKFLOWS.api(given).ask("POST", "/api/v1/workflows/advance", {"items": items})
    _report(answer["results"], as_json)
