"""`api`: how long lists take with a million alerts in the store, over HTTP and in the store alone.

The store is filled by SQL (`million`), then a real engine serves it; one client asks for each list in turn, again and
again, over one kept connection. A query is the same list asked of the store itself, in this process, with the engine
gone. The figures are p95 over all lists, and the worst list's.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Protocol
from urllib.parse import urlsplit

import trio

from benchmarks import million
from benchmarks.control import BenchmarkError
from benchmarks.fanout import conditions_of
from benchmarks.measure import NS_PER_MS, percentile
from benchmarks.options import Options
from benchmarks.report import Figures, Goal, Report, make_report
from benchmarks.rig import Rig
from benchmarks.started_engine import WORKSPACE, Engine
from engine.stores import AlertQuery, Store, open_store
from engine.stores.objects import ObjectQuery
from engine.stores.readings import ReadingQuery, Resolution
from engine.stores.trail import TrailQuery
from protocol.model import AlertState, ChannelKey, Severity
from protocol.times import SECOND_US

NAME = "engine-api"
TURNS, SHORT_TURNS = 40, 8
DAY_US = 86_400 * SECOND_US
_TIMEOUT_S = 30.0
PATHS = (
    "/api/v1/alerts",
    "/api/v1/alerts?limit=500",
    "/api/v1/alerts?state=active,acknowledged&severity=critical",
    "/api/v1/alerts?framework_id=web-1&state=active",
    "/api/v1/alerts?rule_id=rule-7",
    "/api/v1/rules?limit=500",
    "/api/v1/audit",
    "/api/v1/history?framework_id=web-1",
    "/api/v1/readings?framework_id=web-0&metric=metric-1&resolution=1m",
    "/api/v1/frameworks/web-0/metrics",
    "/api/v2/alerts",
)
# As many as one workspace must list in a moment.
RULES = 1_200
CHECKS = [
    Goal("api_p95_ms", "p95 of a list over HTTP, a million alerts (ms)", 300.0),
    Goal("rules_ms", f"{RULES:,} rules of a workspace, listed in pages over HTTP (ms)", 50.0),
    Goal("query_p95_ms", "p95 of a list in the store, a million alerts (ms)", 100.0),
]


class Ask(Protocol):
    """Asks for a path; with a body it posts. The answer's bytes. Raises BenchmarkError."""

    def __call__(self, path: str, body: str | None = None) -> bytes:
        """Waits for the answer."""


def run(options: Options) -> Report:
    """Measures. Raises BenchmarkError if a list is refused."""
    figures, turns = Figures(delivers=False), SHORT_TURNS if options.short else TURNS
    with Rig(options.folder) as rig:
        (rig.folder / NAME).mkdir(mode=0o700)
        path, now_ms = rig.folder / NAME / "bench.db", time.time_ns() // NS_PER_MS
        million.fill(path, WORKSPACE, now_ms)
        with rig.engine_of_its_own(NAME) as engine:
            for _ in range(options.runs):
                note(figures, "api", [over_http(engine, list_, turns) for list_ in PATHS])
            make_rules(engine)
            for _ in range(options.runs):
                figures.add("rules_ms", percentile(all_rules(engine, turns), 50))
        for _ in range(options.runs):
            note(figures, "query", trio.run(in_store, f"sqlite:///{path}", now_ms * 1_000, turns))
        conditions = {
            **conditions_of(rig, options),
            "clients": "one, over one connection",
            "messages": f"{turns} times {len(PATHS)} lists",
            "rate_per_s": "closed loop",
            "alerts": million.ALERTS,
            "receiver": "none",
        }
    plotted = [("api_p95_ms", "a list over HTTP, p95 (ms)"), ("query_p95_ms", "in the store, p95 (ms)")]
    return make_report("api", conditions, figures, CHECKS, plotted)


def note(figures: Figures, prefix: str, times: list[list[float]]) -> None:
    """The figures of one run: the times (ms) of each list."""
    figures.add(f"{prefix}_p50_ms", percentile([each for list_ in times for each in list_], 50))
    figures.add(f"{prefix}_p95_ms", percentile([each for list_ in times for each in list_], 95))
    figures.add(f"{prefix}_worst_list_p95_ms", max(percentile(list_, 95) for list_ in times))


def over_http(engine: Engine, path: str, turns: int) -> list[float]:
    """Milliseconds that each answer took, the first (a warm-up) left out. Raises BenchmarkError."""
    times: list[float] = []
    with connection_to(engine) as ask:
        for _ in range(turns + 1):
            began = time.perf_counter_ns()
            ask(path)
            times.append((time.perf_counter_ns() - began) / NS_PER_MS)
    return times[1:]


def make_rules(engine: Engine) -> None:
    """Takes in so many rules that the workspace has at least `RULES`. Raises BenchmarkError."""
    with connection_to(engine) as ask:
        missing = RULES - len(pages(ask))
        rules = [
            {
                "kind": "threshold",
                "id": f"listed-{number:04d}",
                "framework": "web-0",
                "metric": f"m{number}",
                "threshold": 90.0,
                "title": f"Metric {number} is above 90",
                "labels": {"team": "shop", "tier": "1"},
            }
            for number in range(missing)
        ]
        if rules:
            ask("/api/v1/rules/import", json.dumps({"rules": rules}))


def all_rules(engine: Engine, turns: int) -> list[float]:
    """Milliseconds until all rules were there, page after page, the first time (a warm-up) left out."""
    times: list[float] = []
    with connection_to(engine) as ask:
        for _ in range(turns + 1):
            began = time.perf_counter_ns()
            found = pages(ask)
            times.append((time.perf_counter_ns() - began) / NS_PER_MS)
    if len(found) < RULES:
        raise BenchmarkError(f"{len(found)} rules were listed, not {RULES}")
    return times[1:]


def pages(ask: Ask) -> list[str]:
    """The ids of all rules of the workspace, in three pages."""
    found: list[str] = []
    cursor = ""
    while True:
        page = json.loads(ask(f"/api/v1/rules?limit=500{cursor and f'&cursor={cursor}'}"))
        found += [each["id"] for each in page["items"]]
        if page["next_cursor"] is None:
            return found
        cursor = page["next_cursor"]


@contextlib.contextmanager
def connection_to(engine: Engine) -> Iterator[Ask]:
    """Asks an engine for paths as an administrator, one after the other; with a body it posts."""
    headers = {"Authorization": f"Bearer {engine.target('json', 'admin').token}"}
    connection = http.client.HTTPConnection(urlsplit(engine.http).netloc, timeout=_TIMEOUT_S)

    def ask(path: str, body: str | None = None) -> bytes:
        posted = {} if body is None else {"Content-Type": "application/json"}
        connection.request("GET" if body is None else "POST", path, body, headers | posted)
        response = connection.getresponse()
        answer = response.read()
        if response.status != http.client.OK:
            raise BenchmarkError(f"{path} was refused ({response.status}): {answer[:200]!r}")
        return answer

    with contextlib.closing(connection):
        yield ask


async def in_store(url: str, now_us: int, turns: int) -> list[list[float]]:
    """Milliseconds that each list took, by list, the first time of each left out."""
    found: list[list[float]] = []
    async with open_store(url) as store:
        for ask in queries(store, now_us):
            times: list[float] = []
            for _ in range(turns + 1):
                began = time.perf_counter_ns()
                await ask()
                times.append((time.perf_counter_ns() - began) / NS_PER_MS)
            found.append(times[1:])
    return found


def queries(store: Store, now_us: int) -> list[Callable[[], Awaitable[object]]]:
    """What the lists ask of a store."""

    def alerts(query: AlertQuery) -> Callable[[], Awaitable[object]]:
        return lambda: store.alerts(query)

    minutes = ReadingQuery(
        workspace=WORKSPACE,
        framework="web-0",
        metric="metric-1",
        since_us=now_us - DAY_US,
        until_us=now_us,
        resolution=Resolution.MINUTE,
    )
    return [
        alerts(AlertQuery(workspace=WORKSPACE)),
        alerts(AlertQuery(workspace=WORKSPACE, limit=500)),
        alerts(AlertQuery(workspace=WORKSPACE, states=(AlertState.ACTIVE,), severities=(Severity.CRITICAL,))),
        alerts(AlertQuery(workspace=WORKSPACE, framework="web-1", states=(AlertState.ACTIVE,))),
        alerts(AlertQuery(workspace=WORKSPACE, rule_id="rule-7")),
        alerts(AlertQuery(workspace=WORKSPACE, since_us=now_us - 7 * DAY_US, until_us=now_us - 6 * DAY_US)),
        lambda: store.objects(ObjectQuery(kind="rule", workspace=WORKSPACE)),
        lambda: store.trail(TrailQuery(workspace=WORKSPACE, limit=50)),
        lambda: store.history(ChannelKey(WORKSPACE, "web-1"), 5_000, 256),
        lambda: store.readings(minutes),
        lambda: store.series(WORKSPACE, "web-0", None, 500),
    ]
