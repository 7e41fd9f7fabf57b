"""The verbs for predictions: what is expected, what came of it, and how good they were. Whoever may read may ask.

Owns nothing; the workspace is the asker's, and who is limited to some frameworks sees those of these frameworks only,
not those of the whole workspace. Sums of days are kept, so accuracy over 90 days reads 90 rows, not all predictions.
"""

from __future__ import annotations

import msgspec

from actors.ports import Clock
from engine.access.roles import check, check_framework, may_see
from engine.analytics.prediction_findings import (
    ACCURACY,
    FRAMEWORK_ACCURACY,
    PREDICTION,
    RULE_ACCURACY,
    leads_in,
    prediction_of,
    tallies_in,
)
from engine.analytics.readable import pages_of, readable
from engine.core.analytics.accuracy import Tallies, Tally
from engine.core.analytics.calendar import DAY_US
from engine.pages import PAGE_DEFAULT, PAGE_MAX
from engine.stores import Store
from engine.stores.findings import Finding, FindingQuery, FindingStore
from protocol.errors import BadRequest, UnknownChannel
from protocol.model import Principal
from protocol.names import check_id
from protocol.predictions import AccuracyReport, Prediction, PredictionKind, PredictionState
from protocol.times import rfc3339

ACCURACY_DAYS = 30
# As long as findings are kept.
ACCURACY_DAYS_MAX = 90
# Who is limited to many frameworks has a row for each of them a day.
ACCURACY_PAGES_MAX = 20
# Days of rules, read for all rules together: 10,000 are 300 rules in a month.
LEADS_AT_ONCE, LEAD_PAGES_MAX = 200, 50


class PredictionPage(msgspec.Struct, frozen=True, kw_only=True):
    """Predictions, newest time first, and where the next page starts; None: there is none."""

    items: list[Prediction]
    next_cursor: str | None = None


class PredictionVerbs:
    """Answers questions about predictions. All raise PermissionDenied, StoreUnavailable."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def predictions(
        self,
        who: Principal,
        framework: str | None = None,
        rule_id: str | None = None,
        kinds: tuple[PredictionKind, ...] = (),
        states: tuple[PredictionState, ...] = (),
        since_us: int | None = None,
        until_us: int | None = None,
        cursor: str | None = None,
        limit: int = PAGE_DEFAULT,
    ) -> PredictionPage:
        """A page; no states: all but those that are `over`. Times are those that predictions are for.

        Raises BadRequest.
        """
        wanted = states or tuple(state for state in PredictionState if state is not PredictionState.OVER)
        page = await self._store.findings(
            FindingQuery(
                workspace=who.workspace,
                kind=PREDICTION,
                frameworks=_frameworks(who, framework),
                framework=framework,
                rule_id=_known(rule_id),
                sorts=tuple(kind.value for kind in kinds),
                states=tuple(state.value for state in wanted),
                since_us=since_us,
                until_us=until_us,
                cursor=cursor,
                limit=limit,
            )
        )
        return PredictionPage(items=readable(page.items, prediction_of), next_cursor=page.next_cursor)

    async def prediction(self, who: Principal, prediction_id: str) -> Prediction:
        """One of them. Raises UnknownChannel."""
        check(who, "read")
        found = await self._store.finding(who.workspace, PREDICTION, prediction_id)
        if found is None or not may_see(who, found.framework):
            raise UnknownChannel("there is no such prediction")
        return prediction_of(found)

    async def accuracy(
        self,
        who: Principal,
        framework: str | None = None,
        rule_id: str | None = None,
        since_us: int | None = None,
        until_us: int | None = None,
    ) -> AccuracyReport:
        """How good those for whole days from `since_us` (30 days ago) until then (now) were. Raises BadRequest."""
        frameworks = _frameworks(who, framework)
        until = self._clock() if until_us is None else until_us
        since = max(0, until - ACCURACY_DAYS * DAY_US) if since_us is None else since_us
        if since >= until or until - since > ACCURACY_DAYS_MAX * DAY_US:
            raise BadRequest(f"since must be before until, and by {ACCURACY_DAYS_MAX} days at most")
        kind = ACCURACY if framework is None and frameworks is None else FRAMEWORK_ACCURACY
        query = FindingQuery(
            workspace=who.workspace,
            kind=kind if rule_id is None else RULE_ACCURACY,
            frameworks=frameworks,
            framework=framework,
            rule_id=_known(rule_id),
            since_us=since // DAY_US * DAY_US,
            until_us=until,
            limit=PAGE_MAX,
        )
        sums = await self._sums(query)
        return AccuracyReport(
            since=rfc3339(since // DAY_US * DAY_US),
            until=rfc3339(until),
            framework_id=framework,
            rule_id=rule_id,
            kinds=[sums[kind].accuracy(kind) for kind in PredictionKind if kind in sums],
            unscored=sum(tally.unscored for tally in sums.values()),
        )

    async def _sums(self, query: FindingQuery) -> Tallies:
        sums: Tallies = {}
        for _ in range(ACCURACY_PAGES_MAX):
            page = await self._store.findings(query)
            for finding in page.items:
                for kind, tally in tallies_in(finding).items():
                    sums.setdefault(kind, Tally()).add(tally)
            if page.next_cursor is None:
                return sums
            query = msgspec.structs.replace(query, cursor=page.next_cursor)
        raise BadRequest("too many frameworks for so long a time: name a framework, or a shorter time")


def _frameworks(who: Principal, framework: str | None) -> tuple[str, ...] | None:
    """What the asker may see. Raises PermissionDenied, BadRequest."""
    check(who, "read")
    if framework is not None:
        check_id(framework, "framework_id")
        check_framework(who, framework)
    return None if who.channels is None else tuple(who.channels)


def _known(rule_id: str | None) -> str | None:
    return None if rule_id is None else check_id(rule_id, "rule_id")


async def leads_of_rules(
    store: FindingStore, workspace: str, frameworks: tuple[str, ...] | None, since_us: int, until_us: int
) -> dict[str, list[int]]:
    """Of each rule, how many of its breaches had been warned of, by how many hours before; of very many rules those of
    the newest days. Raises StoreUnavailable."""
    query = FindingQuery(
        workspace=workspace,
        kind=RULE_ACCURACY,
        frameworks=frameworks,
        since_us=since_us // DAY_US * DAY_US,
        until_us=until_us,
        limit=LEADS_AT_ONCE,
    )
    found: dict[str, list[int]] = {}
    async for page in pages_of(store, query, LEAD_PAGES_MAX):
        for rule_id, leads in readable(page, _leads_of):
            known = found.get(rule_id, [0] * len(leads))
            found[rule_id] = [before + more for before, more in zip(known, leads, strict=True)]
    return found


def _leads_of(finding: Finding) -> tuple[str, list[int]]:
    return finding.rule_id or "", leads_in(finding)
