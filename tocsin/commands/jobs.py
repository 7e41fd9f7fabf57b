"""`tocsin jobs` and `tocsin queues`: what is to be done, what became of it, and how the queues stand, over HTTP."""

from __future__ import annotations

import json
from typing import Any

import click

from protocol.wording import several
from tocsin.commands import options
from tocsin.commands.listing import Column, json_option, show
from tocsin.commands.shelves import one_by_one

PATH, QUEUES = "/api/v1/jobs", "/api/v1/queues"


def _rounded(name: str) -> Column:
    """Seconds as people read them; JSON has all of them."""
    return lambda queue: f"{queue[name]:.3g}"


def _share(name: str) -> Column:
    """A share as people read it; JSON has it from 0 to 1."""
    return lambda queue: None if queue[name] is None else f"{queue[name] * 100:.3g} %"


_JOB: dict[str, Column] = {
    "JOB": "id", "QUEUE": "queue", "KIND": "kind", "STATE": "state", "WORKSPACE": "workspace",
    "ATTEMPT": lambda job: f"{job['attempt']} of {job['attempts_max']}", "DUE": "run_at", "CAUSE": "cause",
}  # fmt: skip
_QUEUE: dict[str, Column] = {
    "QUEUE": "queue", "WAITING": "waiting", "ACTIVE": "active", "DELAYED": "delayed", "COMPLETED": "completed",
    "FAILED": "failed", "PAUSED": "paused", "OLDEST_S": _rounded("oldest_s"), "RETRIES": _share("retry_rate"),
    "SUCCESS": _share("success_rate"), "LIMIT": "limit",
}  # fmt: skip


@click.group(short_help="Shows what is to be done later, and what became of it.")
def jobs() -> None:
    """Jobs of a running engine: what it does later, and what became of it (`docs/jobs.md`).

    An administrator sees his workspace; with --workspace system, the engine's operator sees all of them.
    """


@jobs.command("list", short_help="Shows jobs.")
@click.option("--queue", callback=options.filled, help="Only of this queue.")
@click.option("--kind", callback=options.filled, help="Only of this kind.")
@click.option("--state", callback=options.filled, help="Only in this state: waiting, delayed, active, failed, ...")
@json_option
@options.administrator
def list_jobs(queue: str | None, kind: str | None, state: str | None, as_json: bool, **given: Any) -> None:
    """Shows jobs, the newest first, also those that have ended and are still kept."""
    from tocsin.commands.api import api_of

    wanted = {name: value for name, value in (("queue", queue), ("kind", kind), ("state", state)) if value}
    show(api_of(**given).pages(PATH, wanted), _JOB, as_json)


@jobs.command("show", short_help="Shows one job whole.")
@click.argument("job", callback=options.filled)
@options.administrator
def show_job(job: str, **given: Any) -> None:
    """Prints a job as JSON: what it was given, why its attempts failed, with tracebacks, and what came of it."""
    from tocsin.commands.api import api_of, place

    options.write(json.dumps(api_of(**given).ask("GET", f"{PATH}/{place(job)}"), indent=2))


@jobs.command(short_help="Ends jobs that have not ended.")
@click.argument("job_ids", nargs=-1, required=True, metavar="JOB...")
@options.administrator
def cancel(job_ids: tuple[str, ...], **given: Any) -> None:
    """Ends each JOB that has not ended; what one that runs did stays done. Exits with 1 if one had ended."""
    _each(job_ids, "cancel", "cancelled", given)


@jobs.command(short_help="Has failed jobs done once more.")
@click.argument("job_ids", nargs=-1, required=True, metavar="JOB...")
@options.administrator
def retry(job_ids: tuple[str, ...], **given: Any) -> None:
    """Has each JOB that failed or was cancelled done once more. Exits with 1 if one had not."""
    _each(job_ids, "retry", "to be done once more", given)


def _each(job_ids: tuple[str, ...], verb: str, done: str, given: dict[str, Any]) -> None:
    from tocsin.commands.api import api_of, place

    api = api_of(**given)

    def do(job: str) -> str:
        api.ask("POST", f"{PATH}/{place(job)}/{verb}")
        return f"{job}: {done}"

    one_by_one(job_ids, do)


@click.group(short_help="Shows, pauses and resumes the queues of jobs.")
def queues() -> None:
    """The queues in which jobs wait: alert, analytics, prediction and notification.

    All workspaces share them: they are the engine's operator's (an administrator of the workspace system).
    """


@queues.command("list", short_help="Shows how the queues stand.")
@json_option
@options.administrator
def list_queues(as_json: bool, **given: Any) -> None:
    """Shows how each queue stands; retries and successes are shares since the engine's start."""
    show(_operator(given).ask("GET", QUEUES)["items"], _QUEUE, as_json)


@queues.command(short_help="Begins no job of a queue any more.")
@click.argument("queue", callback=options.filled)
@options.administrator
def pause(queue: str, **given: Any) -> None:
    """Begins no job of QUEUE any more; what runs goes on, and what comes waits."""
    _act(queue, "pause", given)
    options.write(f"queue {queue} is paused")


@queues.command(short_help="Begins jobs of a queue again.")
@click.argument("queue", callback=options.filled)
@options.administrator
def resume(queue: str, **given: Any) -> None:
    """Begins jobs of QUEUE again."""
    _act(queue, "resume", given)
    options.write(f"queue {queue} goes on")


@queues.command(short_help="Has the failed jobs of a queue done once more.")
@click.argument("queue", callback=options.filled)
@options.administrator
def redrive(queue: str, **given: Any) -> None:
    """Has the failed jobs of QUEUE done once more, the oldest first, at most 1,000 of them."""
    count = _act(queue, "redrive", given)["redriven"]
    options.write(f"{several(count, 'job')} of queue {queue} to be done once more")


@queues.command(short_help="Bounds how many jobs of a queue are done at a time.")
@click.argument("queue", callback=options.filled)
@click.argument("most", type=click.IntRange(0, 10_000))
@options.administrator
def limit(queue: str, most: int, **given: Any) -> None:
    """Has at most MOST jobs of QUEUE done at a time, on all nodes together; 0: as many as they have slots."""
    _act(queue, "limit", given, {"limit": most or None})
    options.write(f"queue {queue}: " + (f"at most {most} at a time" if most else "as many as there are slots"))


def _act(queue: str, verb: str, given: dict[str, Any], body: Any = None) -> Any:
    from tocsin.commands.api import place

    return _operator(given).ask("POST", f"{QUEUES}/{place(queue)}/{verb}", body)


def _operator(given: dict[str, Any]) -> Any:
    from tocsin.commands.api import api_of

    return api_of(**given | {"workspace": given["workspace"] or "system"})
