"""The jobs of predictions: each night new ones are made, each hour those whose time has passed are scored.

Made: of every enabled threshold rule, series by series, when it would ring next, from three months of hours; and how
many alerts tomorrow brings to each workspace, its frameworks, and the rules that ring most. The computing is done in
processes (`prediction_worker`), some rules at a time, so that the engine never holds more than some megabytes of it.
What fails there is tried once more rule by rule, and what fails then is kept as a refusal with its reason; the last
prediction that there was stays.

May be interrupted anywhere: a prediction's id is made from what it is about and its time, so who makes it twice keeps
one, and one that was scored is not opened again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Sequence

import msgspec
import structlog

from actors.ports import Clock
from engine.analytics.daily_alerts import DailyAlerts
from engine.analytics.leisure import at_leisure
from engine.analytics.prediction_findings import PREDICTION, finding_of, prediction_of
from engine.analytics.prediction_worker import CountTask, Made, RuleTask, Task, refusal
from engine.computing.processes import ComputingFailedError, Processes
from engine.core.analytics.breach import watched
from engine.core.analytics.calendar import DAY_US
from engine.core.analytics.daily_counts import LEARN_DAYS
from engine.core.analytics.forecast import KEEP_DAYS
from engine.stores import Store
from engine.stores.findings import Finding, FindingQuery
from engine.stores.readings import ReadingQuery, Resolution
from protocol.predictions import Prediction, PredictionKind, PredictionState
from protocol.rules import Rule

log = structlog.get_logger()
MODULE = "engine.analytics.prediction_worker"
# One core besides the engine's own: it is done at night, and may take its time.
AT_ONCE = 1
# Readings of one page: 3 ms of the interpreter, which the loop waits for.
PAGE = 1_000
# Of one rule: 100,000 hours are fifty series of three months.
PAGES_MAX = 100
# Handed over at once: about 4 MB of text, which is copied on the loop, and two seconds of computing.
POINTS_AT_ONCE = 25_000
# Of one run: about ten minutes on an idle core. Others are counted, not forgotten silently.
RULES_MAX = 1_000
# Of one workspace: those that rang most have their own counts.
COUNTED_RULES_MAX = 200
# About 3 ms of the writer's time.
KEPT_AT_ONCE = 100

Rules = Callable[[], Sequence[tuple[str, Rule]]]


class Predicted(msgspec.Struct, frozen=True, kw_only=True):
    """What a run did: predictions made, rules or days of which there is none (`refused`), series and rules beyond the
    limits (`left_out`), and computing that failed."""

    made: int
    refused: int
    left_out: int
    failed: int


class Predictor:
    """Makes predictions. `rules`: those that hold, with their workspaces. Counts since the start of the engine."""

    def __init__(self, store: Store, rules: Rules, daily: DailyAlerts, processes: Processes, clock: Clock) -> None:
        self._store = store
        self._rules = rules
        self._daily = daily
        self.processes = processes
        self._clock = clock
        self.counts: Counter[str] = Counter({"made": 0, "refused": 0, "left_out": 0, "failed": 0})

    async def predict(self) -> Predicted:
        """One run. Raises StoreUnavailable."""
        before = Counter(self.counts)
        await self._breaches()
        rules: dict[str, set[str]] = {}
        for owner, rule in self._rules():
            if rule.enabled:
                rules.setdefault(owner, set()).add(rule.id)
        async for workspace in self._workspaces():
            await self._count(workspace)
            await self._forget(workspace, rules.get(workspace, set()))
        return Predicted(**{name: self.counts[name] - before[name] for name in self.counts})

    async def _breaches(self) -> None:
        rules = [(workspace, rule) for workspace, rule in self._rules() if rule.enabled]
        self.counts["left_out"] += max(0, len(rules) - RULES_MAX)
        waiting: list[tuple[str, RuleTask]] = []
        points = 0
        for workspace, rule in rules[:RULES_MAX]:
            task, count = await self._task(workspace, rule)
            waiting.append((workspace, task))
            points += count
            if points >= POINTS_AT_ONCE:
                await self._compute(waiting)
                waiting, points = [], 0
        await self._compute(waiting)

    async def _task(self, workspace: str, rule: Rule) -> tuple[RuleTask, int]:
        """A rule with its readings; those that are refused anyway are not read for."""
        pages: list[bytes] = []
        cursor: str | None = ""
        points, now = 0, self._clock()
        while callable(watched(rule)) and cursor is not None and len(pages) < PAGES_MAX:
            query = ReadingQuery(
                workspace=workspace,
                framework=rule.framework,
                metric=rule.metric,
                labels=rule.match,
                since_us=now - KEEP_DAYS * DAY_US,
                until_us=now,
                resolution=Resolution.HOUR,
                cursor=cursor or None,
                limit=PAGE,
            )
            page = await at_leisure(self._store.readings(query))
            cursor, points = page.next_cursor, points + len(page.items)
            if page.items:
                pages.append(msgspec.json.encode(page.items))
        if cursor:
            # The last series may be told in part; how many come after it nobody has counted.
            self.counts["left_out"] += 1
        return RuleTask(rule, tuple(pages)), points

    async def _compute(self, tasks: Sequence[tuple[str, RuleTask]]) -> None:
        """Predicts for these, all workspaces' together: the ids of rules are of their workspace, so each in its own."""
        for workspace in dict.fromkeys(workspace for workspace, _ in tasks):
            its = [task for owner, task in tasks if owner == workspace]
            made = await self._made(Task(self._clock(), tuple(its)))
            if made is None:
                for task in its:
                    made = await self._made(Task(self._clock(), (task,)))
                    await self._keep(workspace, made or Made([self._failed(task)]))
            else:
                await self._keep(workspace, made)

    async def _made(self, task: Task) -> Made | None:
        try:
            answer = await self.processes.compute(MODULE, msgspec.msgpack.encode(task))
        except ComputingFailedError as fault:
            log.warning("prediction_failed", rules=[each.rule.id for each in task.rules], fault=str(fault))
            return None
        return msgspec.msgpack.decode(answer, type=Made)

    def _failed(self, task: RuleTask) -> Prediction:
        self.counts["failed"] += 1
        reason = "the computing ended without a result; the engine's log says why"
        return refusal(PredictionKind.BREACH, task.rule.framework, task.rule.id, reason, self._clock())

    async def _workspaces(self) -> AsyncIterator[str]:
        after = ""
        while names := await self._store.workspaces_seen(after, 500):
            for name in names:
                yield name
            after = names[-1]

    async def _count(self, workspace: str) -> None:
        today = self._clock() // DAY_US
        rows = await self._daily.counts(workspace, today - LEARN_DAYS, today)
        if rows is None:
            reason = "the alerts of the last weeks are still being counted; tomorrow they are"
            await self._put(workspace, [refusal(PredictionKind.COUNT, None, None, reason, self._clock())])
            return
        if not rows:
            return
        tasks, left_out = count_tasks(rows, today)
        self.counts["left_out"] += left_out
        made = await self._made(Task(self._clock(), counts=tuple(tasks)))
        if made is None:
            self.counts["failed"] += 1
            return
        await self._keep(workspace, made)

    async def _keep(self, workspace: str, made: Made) -> None:
        self.counts["left_out"] += made.left_out
        for start in range(0, len(made.predictions), KEPT_AT_ONCE):
            await self._put(workspace, made.predictions[start : start + KEPT_AT_ONCE])

    async def _forget(self, workspace: str, rules: Collection[str]) -> None:
        """Why there is nothing of a rule that is off, or gone, interests nobody."""
        query = FindingQuery(
            workspace=workspace,
            kind=PREDICTION,
            sorts=(PredictionKind.BREACH.value,),
            states=(PredictionState.REFUSED.value,),
            limit=KEPT_AT_ONCE,
        )
        cursor: str | None = ""
        while cursor is not None:
            page = await self._store.findings(msgspec.structs.replace(query, cursor=cursor or None))
            for finding in page.items:
                if finding.rule_id not in rules:
                    over = msgspec.structs.replace(prediction_of(finding), state=PredictionState.OVER, reason=None)
                    kept = finding_of(workspace, over, self._clock())
                    await self._store.settle_finding(msgspec.structs.replace(kept, version=finding.version))
            cursor = page.next_cursor

    async def _put(self, workspace: str, predictions: Sequence[Prediction]) -> None:
        now = self._clock()
        refused = [each for each in predictions if each.state is PredictionState.REFUSED]
        self.counts["refused"] += len(refused)
        self.counts["made"] += len(predictions) - len(refused)
        findings = [finding_of(workspace, each, now) for each in predictions if each.state is PredictionState.OPEN]
        findings += [finding_of(workspace, await self._with_last(workspace, each), now) for each in refused]
        # What is refused now may have been over, and what was refused is over now.
        over = [
            msgspec.structs.replace(each, state=PredictionState.OVER, reason=None)
            for each in {
                gone.id: gone
                for each in predictions
                if each.state is PredictionState.OPEN
                for gone in [refusal(each.kind, each.framework_id, each.rule_id, "", now)]
            }.values()
        ]
        known = await self._store.findings_named(workspace, PREDICTION, [each.id for each in [*refused, *over]])
        findings += [finding_of(workspace, each, now) for each in over if known.get(each.id, _NONE).state == "refused"]
        await self._store.put_findings(
            [
                msgspec.structs.replace(each, version=known[each.key].version) if each.key in known else each
                for each in findings
            ]
        )

    async def _with_last(self, workspace: str, refused: Prediction) -> Prediction:
        """The refusal, with the last prediction of the same rule that there is."""
        if refused.rule_id is None:
            return refused
        query = FindingQuery(
            workspace=workspace,
            kind=PREDICTION,
            rule_id=refused.rule_id,
            sorts=(refused.kind.value,),
            states=tuple(state.value for state in (PredictionState.OPEN, PredictionState.SCORED)),
            limit=1,
        )
        found = (await self._store.findings(query)).items
        return msgspec.structs.replace(refused, last_id=found[0].key) if found else refused


_NONE = Finding(workspace="", kind="", key="", state="", at=0, updated_at=0, body="")


def count_tasks(rows: Iterable[tuple[str, str | None, int, int]], today: int) -> tuple[list[CountTask], int]:
    """What is to be predicted from (framework, rule, day, alerts): all, each framework, and the rules that rang most.

    Days are those since 1970; all have counts from the first day that anything rang. And how many rules were left out.
    """
    known = list(rows)
    first = min(day for _, _, day, _ in known)
    counts: dict[tuple[str | None, str | None], list[int]] = {}
    for framework, rule_id, day, count in known:
        for key in dict.fromkeys([(None, None), (framework, None), (framework, rule_id)]):
            counts.setdefault(key, [0] * (today - first))[day - first] += count
    rules = sorted((key for key in counts if key[1] is not None), key=lambda key: (-sum(counts[key]), key))
    chosen = [key for key in counts if key[1] is None] + rules[:COUNTED_RULES_MAX]
    return [CountTask(*key, counts[key]) for key in chosen], max(0, len(rules) - COUNTED_RULES_MAX)
