"""Holds what the store has, and what the nodes counted, against what clients were told. Each answers what was wrong."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import trio

from tests.support.chaos.installation import Installation
from tests.support.chaos.ringing import Producers
from tests.support.chaos.sizes import Key
from tests.support.chaos.watching import Watcher

SHOWN_MAX = 5
# What must not have happened on any node, whatever failed around it.
NEVER = ("tocsin_restarts_total", "tocsin_dead_letters_total", "tocsin_duplicates_stored_total")

LAST_OFFSETS = (
    "SELECT name, 'workspace', last_offset FROM workspace UNION ALL"
    " SELECT w.name, 'alerts:' || c.framework, c.last_offset FROM channel c JOIN workspace w ON w.id = c.workspace"
)
STORED_TWICE = "SELECT channel, identity, count(*) FROM alert GROUP BY channel, identity HAVING count(*) > 1"
# Offsets grow by one: as many as the last one says, and none twice.
NOT_DENSE = """
SELECT 'channel ' || c.id, c.last_offset, count(e.channel_offset), count(DISTINCT e.channel_offset)
  FROM channel c LEFT JOIN event e ON e.channel = c.id GROUP BY c.id
  HAVING count(e.channel_offset) <> c.last_offset OR count(DISTINCT e.channel_offset) <> c.last_offset
UNION ALL
SELECT 'workspace ' || w.name, w.last_offset, count(e.workspace_offset), count(DISTINCT e.workspace_offset)
  FROM workspace w LEFT JOIN event e ON e.workspace = w.id GROUP BY w.id
  HAVING count(e.workspace_offset) <> w.last_offset OR count(DISTINCT e.workspace_offset) <> w.last_offset
"""


# What the ledger and the queue say of alerts that nobody was told of.
LINES = "SELECT change, state, coalesce(why, ''), coalesce(cause, ''), count(*) FROM delivery WHERE alert_id IN ({})"
LINES += " GROUP BY 1, 2, 3, 4"
JOBS_LEFT = "SELECT kind, state, attempt, max(errors), count(*) FROM job GROUP BY 1, 2, 3"


async def wait_level(installation: Installation, watchers: Iterable[Watcher], within_s: float) -> list[str]:
    """Waits until all have heard what is stored by now; who has not."""
    ends = {(workspace, name): int(last) for workspace, name, last in await installation.sql(LAST_OFFSETS)}
    goals = [(watcher, ends.get((watcher.workspace, watcher.channel), 0)) for watcher in watchers]
    with trio.move_on_after(within_s):
        async with trio.open_nursery() as nursery:
            for watcher, goal in goals:
                nursery.start_soon(watcher.reach, goal)
    behind = [f"{watcher.name} is at {watcher.last} of {goal}" for watcher, goal in goals if not watcher.is_level(goal)]
    return [f"{len(behind)} clients are behind {within_s:g} s later: {behind[:SHOWN_MAX]}"] if behind else []


def judge_watchers(watchers: Iterable[Watcher]) -> list[str]:
    """Every offset once, in order."""
    return [f"a client of {watcher.name}: {what}" for watcher in watchers for what in watcher.wrong]


async def judge_store(installation: Installation, producers: Producers) -> list[str]:
    """What was answered is there, once."""
    stored = {row[0] for row in await installation.sql("SELECT id FROM alert")}
    missing = [Key(number).title for number, alert in producers.acked.items() if alert not in stored]
    wrong = [f"answered and not stored: {len(missing)}, such as {missing[:SHOWN_MAX]}"] if missing else []
    for what, sql in (("stored twice", STORED_TWICE), ("offsets that are not dense", NOT_DENSE)):
        if rows := await installation.sql(sql):
            wrong.append(f"{what}: {len(rows)}, such as {rows[:SHOWN_MAX]}")
    producers.counts["alerts"] = len(stored)
    return wrong


def judge_figures(counted: Mapping[str, int]) -> list[str]:
    """No part was started again, nothing was set aside, nothing is there twice by the nodes' own word."""
    return [f"{figure} is {value}" for figure, value in counted.items() if value and figure.partition("{")[0] in NEVER]


async def explain_untold(installation: Installation, untold: Sequence[str]) -> list[str]:
    """Why nobody was told of these, by the engine's own records."""
    ids = ", ".join(f"'{alert}'" for alert in untold)
    lines = await installation.sql(LINES.format(ids))
    return [f"of them the ledger has {lines}; jobs that are left: {await installation.sql(JOBS_LEFT)}"]


def due_pages(producers: Producers) -> dict[int, str]:
    """The alerts that were answered and somebody has to be told of, by the numbers of their keys."""
    return {number: alert for number, alert in producers.acked.items() if Key(number).is_paged}
