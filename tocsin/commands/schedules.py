"""`tocsin schedules`: what is done when, how it fared, and schedules of a workspace's own, over HTTP."""

from __future__ import annotations

from typing import Any

import click

from tocsin.commands import options
from tocsin.commands.listing import Column
from tocsin.commands.shelves import Kind, add_bulk, add_list, add_put, add_show


def _run(name: str) -> Column:
    return lambda schedule: schedule["runs"][name]


SCHEDULES = Kind(
    "schedules",
    "schedule",
    {
        "SCHEDULE": "id",
        "CRON": "cron",
        "ZONE": "zone",
        "KIND": "kind",
        "PAUSED": _run("paused"),
        "NEXT (UTC)": _run("next_run"),
        "LAST (UTC)": _run("last_run"),
        "TOOK_S": _run("last_duration_s"),
        "OUTCOME": _run("last_outcome"),
        "DONE": _run("completed"),
        "FAILED": _run("failed"),
        "SKIPPED": _run("skipped"),
        "FAULT": _run("fault"),
    },
    example='cron="0 2 * * *"',
    if_none="no schedule of this workspace's own: those of the engine are shown with --workspace system",
)


@click.group(short_help="Shows, makes and pauses schedules.")
def schedules() -> None:
    """Schedules of a running engine: what is done when, and how it fared (`docs/jobs.md`).

    A workspace has its own; with --workspace system, the engine's operator sees those of the engine.
    """


add_list(schedules, SCHEDULES)
add_show(schedules, SCHEDULES)
add_put(schedules, SCHEDULES)
add_bulk(schedules, SCHEDULES, "archive", "archived", "Puts schedules away: they do not fire, and are not forgotten.")
add_bulk(schedules, SCHEDULES, "restore", "restored", "Takes schedules back that were put away.")
add_bulk(schedules, SCHEDULES, "delete", "deleted", "Takes schedules away for good; their history stays.")


@schedules.command(short_help="Has a schedule fire no more by itself.")
@click.argument("schedule", callback=options.filled)
@options.administrator
def pause(schedule: str, **given: Any) -> None:
    """Has SCHEDULE fire no more by itself; what it misses is not made good."""
    _act(schedule, "pause", given)
    options.write(f"schedule {schedule} is paused")


@schedules.command(short_help="Has a schedule fire again.")
@click.argument("schedule", callback=options.filled)
@options.administrator
def resume(schedule: str, **given: Any) -> None:
    """Has SCHEDULE fire again, from its next moment on."""
    found = _act(schedule, "resume", given)
    options.write(f"schedule {schedule} goes on, next at {found['runs']['next_run']}")


@schedules.command("run", short_help="Has it done once, now.")
@click.argument("schedule", callback=options.filled)
@options.administrator
def run_once(schedule: str, **given: Any) -> None:
    """Has SCHEDULE done once, now, also if it is paused; `tocsin jobs show` tells what came of the job."""
    options.write(f"schedule {schedule} is done as job {_act(schedule, 'run', given)['job_id']}")


def _act(schedule: str, verb: str, given: dict[str, Any]) -> Any:
    return SCHEDULES.api(given).ask("POST", f"{SCHEDULES.address(schedule)}/{verb}")
