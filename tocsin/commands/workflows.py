"""`tocsin workflows`: definitions, how far projects have come, ringing for them and moving them on, over HTTP."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from tocsin.commands import options

_TRACKED = ("project_id", "workflow_id", "item_id", "since", "late_at", "is_late", "done", "steps")
_RESULT = ("project_id", "status", "reason", "item_id", "alert_id")
as_json_option = click.option("--json", "as_json", is_flag=True, help="Prints one JSON object per line.")


def _address(kind: str, name: str) -> str:
    # As the API wants it: a slash within an id is written twice.
    return f"/api/v1/workflows/{kind}{quote(quote(name, safe=''), safe='')}"


def _show(items: list[dict[str, Any]], columns: tuple[str, ...], as_json: bool) -> None:
    if as_json:
        for item in items:
            options.write(json.dumps(item))
        return
    rows = [["-" if item[column] is None else str(item[column]) for column in columns] for item in items]
    options.write_table([[column.upper() for column in columns], *rows])


@click.group(short_help="Moves projects through their workflows.")
def workflows() -> None:
    """Workflows of a running engine: what is to be done on projects, step by step.

    `docs/workflows.md` has a worked example.
    """


@workflows.command("list", short_help="Shows the definitions.")
@as_json_option
@options.administrator
def list_workflows(as_json: bool, **given: Any) -> None:
    """Shows the workflows of the workspace."""
    from tocsin.commands.api import api_of

    found = list(api_of(**given).pages("/api/v1/workflows", {}))
    _show(found, ("id", "name", "version", "updated_by"), as_json)


@workflows.command(short_help="Shows a definition.")
@click.argument("workflow_id", callback=options.filled)
@options.administrator
def show(workflow_id: str, **given: Any) -> None:
    """Prints a workflow as JSON, as `put` takes it."""
    from tocsin.commands.api import api_of

    options.write(json.dumps(api_of(**given).ask("GET", _address("", workflow_id)), indent=2))


@workflows.command(short_help="Makes a definition.")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@options.administrator
def put(file: Path, **given: Any) -> None:
    """Makes the workflow that FILE (JSON) describes."""
    from tocsin.commands.api import api_of

    try:
        body = json.loads(file.read_text("utf-8"))
    except ValueError as fault:
        raise click.UsageError(f"{file} is no JSON: {fault}") from fault
    made = api_of(**given).ask("POST", "/api/v1/workflows", body)
    options.write(f"workflow {made['id']} made, version {made['version']}")


@workflows.command(short_help="Shows how far projects have come.")
@click.option("--late", is_flag=True, help="Only steps past their days, the longest late first.")
@click.option("--item", callback=options.filled, help="Only projects on this step.")
@as_json_option
@options.administrator
def trackers(late: bool, item: str | None, as_json: bool, **given: Any) -> None:
    """Shows the projects that follow a workflow."""
    from tocsin.commands.api import api_of

    wanted = ({"is_late": "true"} if late else {}) | ({"item_id": item} if item else {})
    _show(list(api_of(**given).pages("/api/v1/workflows/trackers", wanted)), _TRACKED, as_json)


@workflows.command(short_help="Sets a project on a workflow.")
@click.argument("project", callback=options.filled)
@click.argument("workflow_id", callback=options.filled)
@click.option("--item", callback=options.filled, help="The current step. [the first active one]")
@click.option("--assign", multiple=True, metavar="ROLE=USER", help="Who has which role there; several times.")
@options.administrator
def track(project: str, workflow_id: str, item: str | None, assign: tuple[str, ...], **given: Any) -> None:
    """Sets PROJECT, which follows none yet, on the workflow WORKFLOW_ID."""
    from tocsin.commands.api import api_of

    assignees = dict(pair.split("=", 1) for pair in assign if "=" in pair)
    if len(assignees) != len(assign):
        raise click.UsageError("--assign: say ROLE=USER, each role once")
    body = {"workflow_id": workflow_id, "assignees": assignees} | ({"item_id": item} if item else {})
    found = api_of(**given).ask("PUT", _address("trackers/", project), body)
    options.write(f"{project} is on {found['item_id']}")


@workflows.command(short_help="Rings for the current steps.")
@click.argument("projects", nargs=-1, required=True)
@as_json_option
@options.administrator
def generate(projects: tuple[str, ...], as_json: bool, **given: Any) -> None:
    """Rings for the current step of each of PROJECTS: once in its days, and again when they have passed."""
    from tocsin.commands.api import api_of

    answer = api_of(**given).ask("POST", "/api/v1/workflows/generate", {"project_ids": list(projects)})
    _show(answer["results"], _RESULT, as_json)


@workflows.command(short_help="Completes the current steps.")
@click.argument("projects", nargs=-1, required=True)
@click.option("--item", callback=options.filled, help="Only where this is the current step: then twice does no harm.")
@click.option("--notes", help="What is to be said about it.")
@as_json_option
@options.administrator
def advance(projects: tuple[str, ...], item: str | None, notes: str | None, as_json: bool, **given: Any) -> None:
    """Completes the current step of each of PROJECTS and rings for the next one, all in one transaction."""
    from tocsin.commands.api import api_of

    more = ({"item_id": item} if item else {}) | ({"notes": notes} if notes else {})
    items = [{"project_id": project} | more for project in projects]
    answer = api_of(**given).ask("POST", "/api/v1/workflows/advance", {"items": items})
    _show(answer["results"], _RESULT, as_json)
