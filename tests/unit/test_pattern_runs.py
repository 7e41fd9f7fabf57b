"""Looking for patterns as a job: what is read, what is kept, what is told."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from random import Random

import msgspec
import pytest
import trio
from msgspec.structs import replace

from benchmarks.planted import History
from engine.access.audit import AuditTrail
from engine.analytics import each_workspace, pattern_reading, pattern_worker
from engine.analytics.each_workspace import OfWorkspace, Started
from engine.analytics.pattern_findings import LAST_RUN, PATTERN, RUN, pattern_of, run_of
from engine.analytics.pattern_reading import read_known
from engine.analytics.pattern_runs import PatternRuns
from engine.cache.cache import Cache
from engine.computing.asking import Asking
from engine.computing.processes import Processes
from engine.jobs.kinds import Done
from engine.jobs.scheduler import RunArgs
from engine.stores import Store, open_store
from engine.stores.findings import FindingQuery, HistoryRow
from engine.stores.jobs import JobQuery
from engine.verbs.patterns import PatternsWanted, PatternVerbs
from protocol.jobs import Claimed
from protocol.model import NEVER_EXPIRES, AlertState, Principal, Severity
from protocol.patterns import Pattern, PatternKind, PatternState, Said, Source
from protocol.times import SECOND_US, rfc3339
from tests.support.caches import a_node
from tests.support.patterns import a_pattern, fill_with, findings_of
from tests.support.stores import KEY, NOW, a_commit, a_row, an_alert, committed, fill

DAY_US = 86_400 * SECOND_US
ANN = Principal(workspace="acme", user="ann", role="viewer", expires_at=NEVER_EXPIRES)


@dataclass
class Mining:
    store: Store
    runs: PatternRuns
    told: list[tuple[str, Pattern]] = field(default_factory=list)
    cache: Cache = field(default_factory=lambda: a_node().cache)

    async def patterns(self) -> list[Pattern]:
        page = await self.store.findings(FindingQuery(workspace="acme", kind=PATTERN))
        return [pattern_of(each) for each in page.items]


Opening = Callable[[], AbstractAsyncContextManager[Mining]]


@pytest.fixture
def mining(monkeypatch: pytest.MonkeyPatch) -> Opening:
    """Without the process: what it would do is done here."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[Mining]:
        async with open_store("memory:", clock=lambda: NOW) as store:
            found = Mining(store, None)  # type: ignore[arg-type]  # made below
            found.runs = PatternRuns(
                store,
                Asking(store, None, Processes(1)),
                found.cache,
                lambda workspace, pattern: found.told.append((workspace, pattern)),
            )

            async def compute(module: str, task: bytes) -> bytes:
                await trio.lowlevel.checkpoint()
                assert module == pattern_worker.__name__
                return pattern_worker.compute(task)

            monkeypatch.setattr(found.runs.asking.processes, "compute", compute)
            yield found

    return opened


def a_backup(days: int = 30) -> History:
    history = History(Random(1), days)
    history.plant(PatternKind.RECURRING, "backup")
    return history


async def test_what_is_found_is_kept_and_told_once(mining: Opening) -> None:
    async with mining() as now:
        await fill_with(now.store, a_backup(), NOW)
        run = await now.runs.run("acme", NOW)
        (pattern,) = await now.patterns()
        assert (pattern.kind, pattern.framework, pattern.sources[0].rule_id) == (PatternKind.RECURRING, "web", "backup")
        assert (run.found, run.new, run.is_cut, run.since) == (1, 1, False, rfc3339(NOW - 56 * DAY_US))
        assert now.told == [("acme", replace(pattern, version=0))]
        assert await now.runs.last("acme") == run
        await fill(now.store, KEY, 1, at=NOW)
        again = await now.runs.run("acme", NOW + SECOND_US)
        assert (again.found, again.new, len(now.told)) == (1, 0, 1)
        (later,) = await now.patterns()
        assert (later.version, later.since, later.found_at) == (2, pattern.since, rfc3339(NOW + SECOND_US))
        assert now.runs.statistics() == {"runs": 2, "alerts": run.alerts + again.alerts, "found": 2, "told": 1}


async def test_a_run_ends_the_pages_that_are_remembered(mining: Opening) -> None:
    async with mining() as now:
        verbs = PatternVerbs(now.store, AuditTrail(now.store, lambda: NOW, 5.0), lambda: NOW, now.cache)
        assert (await verbs.page(ANN, PatternsWanted(limit=10))).run is None
        await fill_with(now.store, a_backup(), NOW)
        run = await now.runs.run("acme", NOW)
        page = await verbs.page(ANN, PatternsWanted(limit=10))
        assert page.run is not None and (page.run.at, len(page.items)) == (run.at, 1)
        # Nothing has rung since: there is nothing new to ask for.
        hits = now.cache.counts.hits("patterns")
        await now.runs.run("acme", NOW)
        await verbs.page(ANN, PatternsWanted(limit=10))
        assert now.cache.counts.hits("patterns") == hits + 1


async def test_the_evidence_are_alerts_that_there_are(mining: Opening) -> None:
    async with mining() as now:
        await fill_with(now.store, a_backup(), NOW)
        await now.runs.run("acme", NOW)
        (pattern,) = await now.patterns()
        found = await now.store.alerts_named("acme", pattern.evidence)
        assert len(found) == len(pattern.evidence) == 10
        assert {alert.rule_id for alert in found.values()} == {"backup"}


async def test_a_dismissed_pattern_is_found_again_and_neither_told_nor_new(mining: Opening) -> None:
    async with mining() as now:
        await fill_with(now.store, a_backup(), NOW)
        await now.runs.run("acme", NOW)
        (pattern,) = await now.patterns()
        said = Said("ann", rfc3339(NOW), None)
        dismissed = replace(pattern, state=PatternState.DISMISSED, said=said)
        (finding,) = findings_of([dismissed])
        assert await now.store.settle_finding(finding)
        await fill(now.store, KEY, 1, at=NOW)
        await now.runs.run("acme", NOW + SECOND_US)
        (later,) = await now.patterns()
        assert (later.state, later.said, later.version, len(now.told)) == (PatternState.DISMISSED, said, 3, 1)


async def test_what_somebody_says_while_a_run_computes_counts(mining: Opening, monkeypatch: pytest.MonkeyPatch) -> None:
    async with mining() as now:
        await fill_with(now.store, a_backup(), NOW)
        await now.runs.run("acme", NOW)
        (pattern,) = await now.patterns()
        compute = now.runs.asking.processes.compute

        async def meanwhile(module: str, task: bytes) -> bytes:
            (finding,) = findings_of([replace(pattern, state=PatternState.CONFIRMED)])
            assert await now.store.settle_finding(finding)
            return bytes(await compute(module, task))

        monkeypatch.setattr(now.runs.asking.processes, "compute", meanwhile)
        await fill(now.store, KEY, 1, at=NOW)
        await now.runs.run("acme", NOW + SECOND_US)
        (later,) = await now.patterns()
        assert (later.state, later.found_at) == (PatternState.CONFIRMED, pattern.found_at)


async def test_where_nothing_has_rung_since_the_last_run_nothing_is_computed(mining: Opening) -> None:
    async with mining() as now:
        await fill_with(now.store, a_backup(10), NOW)
        run = await now.runs.run("acme", NOW)
        assert await now.runs.run("acme", NOW + SECOND_US) == run
        assert now.runs.statistics()["runs"] == 1


async def test_a_run_of_a_clock_that_was_fast_does_not_end_all_others(mining: Opening) -> None:
    async with mining() as now:
        await fill_with(now.store, a_backup(10), NOW)
        await now.runs.run("acme", NOW + 400 * DAY_US)
        assert (await now.runs.run("acme", NOW)).alerts > 0
        assert (await now.runs.last("acme") or pytest.fail("no run")).at == rfc3339(NOW)


async def test_too_little_is_said_in_the_result(mining: Opening) -> None:
    async with mining() as now:
        await fill(now.store, KEY, 1, at=NOW - 3 * DAY_US)
        claimed: Claimed = None  # type: ignore[assignment]  # it is not asked
        done = await now.runs.mine(claimed, OfWorkspace(of="acme", until=NOW))
        assert isinstance(done, Done)
        said = {(each.kind.value, each.needs, each.has) for each in done.result.lacking}
        assert ("recurring", "7 days of alerts", "3.0 days") in said
        assert run_of(await now.store.finding("acme", RUN, LAST_RUN)) == done.result


async def test_each_workspace_has_a_job_and_only_one(mining: Opening, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(each_workspace, "AT_ONCE", 2)
    async with mining() as now:
        for name in ("a", "b", "c"):
            await fill(now.store, KEY._replace(workspace=name), 1)
        claimed: Claimed = None  # type: ignore[assignment]  # it is not asked
        for started in (Started(3, 0), Started(0, 3)):
            done = await now.runs.start(claimed, RunArgs(since=0, until=NOW))
            assert done == Done(result=started)
        jobs = await now.store.jobs(JobQuery(kind="pattern_mining"))
        assert sorted(job.workspace for job in jobs) == ["a", "b", "c"]
        assert {msgspec.json.decode(job.args)["until"] for job in jobs} == {NOW}


# Days are looked at one by one for a week, then week by week; here each has an alert, and today `today` of them.
@pytest.mark.parametrize(
    ("room", "today", "alerts", "days", "is_cut"),
    [(56, 1, 56, 56, False), (40, 1, 35, 35, True), (5, 1, 5, 5, True), (1, 2, 2, 1, True)],
)
async def test_of_too_many_alerts_the_newest_whole_days_are_looked_at(
    mining: Opening, monkeypatch: pytest.MonkeyPatch, room: int, today: int, alerts: int, days: int, is_cut: bool
) -> None:
    monkeypatch.setattr(pattern_reading, "ALERTS_MAX", room)
    async with mining() as now:
        when = [NOW - day * DAY_US - DAY_US // 2 for day in [*[0] * (today - 1), *range(56)]]
        await committed(now.store, a_commit(rows=[a_row(an_alert(at=at), until=0) for at in when]))
        run = await now.runs.run("acme", NOW)
        assert (run.alerts, run.since, run.is_cut) == (alerts, rfc3339(NOW - days * DAY_US), is_cut)


async def test_all_patterns_that_are_known_are_known(mining: Opening, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pattern_reading, "_KNOWN_AT_ONCE", 2)
    monkeypatch.setattr(pattern_reading, "KNOWN_MAX", 6)
    async with mining() as now:
        await now.store.put_findings(findings_of([a_pattern(f"p{n}") for n in range(5)]))
        assert sorted(each.id for each in await read_known(now.store, "acme")) == [f"p{n}" for n in range(5)]
        monkeypatch.setattr(pattern_reading, "KNOWN_MAX", 4)
        assert len(await read_known(now.store, "acme")) == 4


@pytest.mark.parametrize(
    ("acknowledged", "resolved_by", "noise", "is_heeded"),
    [
        (None, None, False, False),
        ("2026-01-01T00:00:00Z", None, False, True),
        (None, "ann", False, True),
        (None, "rule", False, False),
        (None, "source", False, False),
        ("2026-01-01T00:00:00Z", "ann", True, False),
    ],
)
def test_an_alert_is_heeded_if_somebody_did_something_and_did_not_call_it_noise(
    acknowledged: str | None, resolved_by: str | None, noise: bool, is_heeded: bool
) -> None:
    row = HistoryRow(
        "a", "web", "r", "t", "i", Severity.INFO, AlertState.RESOLVED, 0, acknowledged, 1, resolved_by, 1, {}, noise
    )
    (found,) = pattern_worker.occurrences([row])
    assert found.is_heeded is is_heeded


def test_a_source_is_a_rule_under_its_last_name_or_a_name() -> None:
    history: dict[str, tuple[str | None, str, dict[str, str]]] = {
        "r1": ("rule", "old name", {}),
        "r2": ("rule", "new name", {}),
        "n1": (None, "CPU at 97 %", {"alertname": "cpu"}),
        "n2": (None, "disk", {}),
    }
    rows = [
        HistoryRow(name, "web", rule, title, "i", Severity.INFO, AlertState.ACTIVE, n, None, None, None, 1, labels)
        for n, (name, (rule, title, labels)) in enumerate(history.items())
    ]
    assert [each.source for each in pattern_worker.occurrences(rows)] == [
        Source("web", "rule", "new name"),
        Source("web", "rule", "new name"),
        Source("web", None, "cpu"),
        Source("web", None, "disk"),
    ]
