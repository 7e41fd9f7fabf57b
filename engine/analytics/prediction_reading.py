"""What predictions are made from, read from the store: three months of a rule's readings by the hour, and how many
alerts there were each day.

Handed on as it came, page by page, to what decodes it (`prediction_worker`). Owns nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

import msgspec

from engine.analytics.daily_alerts import AlertDays, Row
from engine.analytics.hours import pages_of_hours
from engine.analytics.prediction_tasks import Asked, CountTask, RuleTask, Task
from engine.analytics.uptime import days_unwatched
from engine.core.analytics.breach import watched
from engine.core.analytics.calendar import DAY_US
from engine.core.analytics.daily_counts import LEARN_DAYS
from engine.core.analytics.forecast import KEEP_DAYS
from engine.stores import Store
from protocol.rules import Rule

# Of one process: about 4 MB of text, and two seconds of computing; what it answers is some hundred kilobytes.
POINTS_AT_ONCE = 25_000
# Of one workspace: those that rang most have their own counts.
COUNTED_RULES_MAX = 200


async def read_task(store: Store, asked: Asked) -> Task:
    """What is asked for: of the rules as many as fit. Raises StoreUnavailable."""
    rules, points, left_out = list[RuleTask](), 0, 0
    for rule in asked.rules:
        task, count, is_cut = await _of_rule(store, asked, rule)
        rules.append(task)
        # The last series may be told in part; how many come after it nobody has counted.
        points, left_out = points + count, left_out + is_cut
        if points >= POINTS_AT_ONCE:
            break
    return Task(asked.now_us, tuple(rules), left_out=left_out)


async def _of_rule(store: Store, asked: Asked, rule: Rule) -> tuple[RuleTask, int, bool]:
    """A rule with its readings, how many these are, and whether there are more; those that are refused anyway are not
    read for."""
    pages, points, is_cut = list[bytes](), 0, False
    if callable(watched(rule)):
        span = asked.now_us - KEEP_DAYS * DAY_US, asked.now_us
        place = rule.framework, rule.metric
        async for page in pages_of_hours(store, asked.workspace, place, span, rule.match):
            points, is_cut = points + len(page.items), page.next_cursor is not None
            if page.items:
                pages.append(msgspec.json.encode(page.items))
    return RuleTask(rule, tuple(pages)), points, is_cut


async def read_counts(store: Store, workspace: str, now_us: int) -> Task:
    """How many alerts a workspace had each day. Raises StoreUnavailable."""
    today = now_us // DAY_US
    rows = await AlertDays(store).counts(workspace, today - LEARN_DAYS, today)
    if rows is None:
        return Task(now_us, uncounted="the alerts of the last weeks are still being counted; tomorrow they are")
    counts, left_out = count_tasks(rows, today, await days_unwatched(store, today - LEARN_DAYS, today))
    return Task(now_us, counts=tuple(counts), left_out=left_out)


def count_tasks(rows: Iterable[Row], today: int, unwatched: Collection[int] = ()) -> tuple[list[CountTask], int]:
    """What is to be predicted from (framework, rule, day, alerts): all, each framework, and the rules that rang most.

    Days are those since 1970; all have counts from the first day that anything rang, but none of days on which nobody
    watched. And how many rules were left out.
    """
    rang = list(rows)
    if not rang:
        return [], 0
    first = min(day for _, _, day, _ in rang)
    counts: dict[tuple[str | None, str | None], list[int]] = {}
    for framework, rule_id, day, count in rang:
        for key in dict.fromkeys([(None, None), (framework, None), (framework, rule_id)]):
            counts.setdefault(key, [0] * (today - first))[day - first] += count
    rules = sorted((key for key in counts if key[1] is not None), key=lambda key: (-sum(counts[key]), key))
    chosen = [key for key in counts if key[1] is None] + rules[:COUNTED_RULES_MAX]
    gaps = {day - first for day in unwatched}

    def known(counts: Sequence[int]) -> list[int | None]:
        return [None if place in gaps else count for place, count in enumerate(counts)]

    return [CountTask(*key, known(counts[key])) for key in chosen], max(0, len(rules) - COUNTED_RULES_MAX)
