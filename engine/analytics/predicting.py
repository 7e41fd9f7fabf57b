"""The jobs of predictions: each night new ones are made, each hour those whose time has passed are scored.

Made: of every enabled threshold rule, series by series, when it would ring next, from three months of hours; and how
many alerts tomorrow brings to each workspace, its frameworks, and the rules that ring most. Processes read and reckon
(`prediction_worker`), some rules at a time, or the counts of some workspaces (`count_worker`). What fails there is
tried once more by itself; a rule that fails then is kept as a refusal with its reason, a workspace's counts are told as
failed, and the last prediction that there was stays.

May be interrupted anywhere: a prediction's id is made from what it is about and its time, so who makes it twice keeps
one, and one that was scored is not opened again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import aclosing

import msgspec
import structlog

from actors.ports import Clock
from engine.analytics.keeping import KEPT_AT_ONCE, keep
from engine.analytics.prediction_findings import PREDICTION, finding_of, prediction_of
from engine.analytics.prediction_tasks import Asked, AskedCounts, Made, refusal
from engine.analytics.readable import pages_of, readable
from engine.computing.asking import Asking
from engine.computing.processes import ComputingFailedError
from engine.core.analytics.calendar import DAY_US
from engine.core.analytics.daily_counts import LEARN_DAYS
from engine.stores import Store
from engine.stores.findings import Finding, FindingQuery
from protocol.predictions import Prediction, PredictionKind, PredictionState
from protocol.rules import Rule

log = structlog.get_logger()
MODULE, COUNTING = "engine.analytics.prediction_worker", "engine.analytics.count_worker"
# Told to a process: each is 0.02 s of computing beside 0.3 s for its start; others wait for their turn meanwhile.
WORKSPACES_AT_ONCE = 20
# Told to a process: it takes as many of them as have POINTS_AT_ONCE readings.
RULES_AT_ONCE = 50
# Of one run: about ten minutes on an idle core. Others are counted, not forgotten silently.
RULES_MAX = 1_000

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

    def __init__(self, store: Store, rules: Rules, asking: Asking, clock: Clock) -> None:
        self._store = store
        self._rules = rules
        self.asking = asking
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
        await self._counted(rules)
        return Predicted(**{name: self.counts[name] - before[name] for name in self.counts})

    async def _breaches(self) -> None:
        rules = [(workspace, rule) for workspace, rule in self._rules() if rule.enabled]
        self.counts["left_out"] += max(0, len(rules) - RULES_MAX)
        by_workspace: dict[str, list[Rule]] = {}
        for workspace, rule in rules[:RULES_MAX]:
            by_workspace.setdefault(workspace, []).append(rule)
        for workspace, its in by_workspace.items():
            await self._breaches_of(workspace, its)

    async def _breaches_of(self, workspace: str, rules: Sequence[Rule]) -> None:
        done, at_once = 0, RULES_AT_ONCE
        while some := tuple(rules[done : done + at_once]):
            # A process takes as many of them as it has room for.
            made = await self._made(Asked(workspace, self._clock(), some))
            if made is None and len(some) > 1:
                # The first of them alone, to know whether it is that one.
                at_once = 1
                continue
            await self._keep(workspace, made or Made([self._failed(some[0])], 1))
            done, at_once = done + (made.rules if made else 1), RULES_AT_ONCE

    async def _made(self, asked: Asked) -> Made | None:
        try:
            answer = await self.asking.compute(MODULE, msgspec.msgpack.encode(asked))
        except ComputingFailedError as fault:
            log.warning("prediction_failed", rules=[rule.id for rule in asked.rules], fault=str(fault))
            return None
        return msgspec.msgpack.decode(answer, type=Made)

    def _failed(self, rule: Rule) -> Prediction:
        self.counts["failed"] += 1
        reason = "the computing ended without a result; the engine's log says why"
        return refusal(PredictionKind.BREACH, rule.framework, rule.id, reason, self._clock())

    async def _counted(self, rules: Mapping[str, Collection[str]]) -> None:
        after = ""
        while names := await self._store.workspaces_seen(after, 500):
            ringing = [name for name in names if await self._has_rung(name)]
            for start in range(0, len(ringing), WORKSPACES_AT_ONCE):
                await self._count(ringing[start : start + WORKSPACES_AT_ONCE])
            for name in names:
                await self._forget(name, rules.get(name, ()))
            after = names[-1]

    async def _has_rung(self, workspace: str) -> bool:
        """Nothing is computed for a thousand workspaces where nothing rings."""
        now = self._clock()
        return bool((await self._store.alert_history(workspace, now - LEARN_DAYS * DAY_US, now, None, 1)).count)

    async def _count(self, workspaces: Sequence[str]) -> None:
        """Some workspaces by one process; if it ends badly each by its own, so that one takes no other with it."""
        asked = msgspec.msgpack.encode(AskedCounts(self._clock(), tuple(workspaces)))
        try:
            answer = await self.asking.compute(COUNTING, asked)
        except ComputingFailedError as fault:
            log.warning("counts_not_predicted", workspaces=workspaces, fault=str(fault))
            if len(workspaces) == 1:
                self.counts["failed"] += 1
                return
            for each in workspaces:
                await self._count([each])
            return
        for workspace, made in zip(workspaces, msgspec.msgpack.decode(answer, type=list[bytes]), strict=True):
            await self._keep(workspace, msgspec.msgpack.decode(made, type=Made))

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
        async with aclosing(pages_of(self._store, query)) as pages:
            async for page in pages:
                await self._end(workspace, [finding for finding in page if finding.rule_id not in rules])

    async def _end(self, workspace: str, gone: Sequence[Finding]) -> None:
        for finding, prediction in readable(gone, lambda finding: (finding, prediction_of(finding))):
            over = msgspec.structs.replace(prediction, state=PredictionState.OVER, reason=None)
            kept = finding_of(workspace, over, self._clock())
            await self._store.settle_finding(msgspec.structs.replace(kept, version=finding.version))

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
        await keep(
            self._store,
            [
                msgspec.structs.replace(each, version=known[each.key].version) if each.key in known else each
                for each in findings
            ],
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
