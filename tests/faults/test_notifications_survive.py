"""kill -9 while 200 alerts a second are told to webhooks, Slack and a mail server that fail a fifth of the time.

A real engine process, killed at random moments and started again on the same data; producers that send again what was
not acknowledged; targets on loopback. At the end the ledger and the jobs are compared with what was acknowledged and
with what the targets saw. Prints the figures.

On Postgres the engine that follows is another node, which has to wait for the leases of the one that was killed.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import msgspec
import pytest
import trio

from engine.stores.tables.job_ends import COMPLETED, FAILED
from protocol.errors import TocsinError
from protocol.items import TriggerInput
from protocol.model import Severity
from tests.support.bases import Base, base_of
from tests.support.engines import EngineProcess, an_engine_process
from tests.support.iso import token_for
from tests.support.unreliable_targets import FRAMEWORKS, Targets, targets
from tocsin import Client

SEED = 20261122
PER_S, PRODUCERS, BATCH = 200, 2, 10
# Slack takes one message a second, however many alerts there are.
CRITICAL_EACH, ERROR_EACH = 100, 10
# Five attempts take half a minute, and what was in hand at a kill begins anew; a slow machine gets its time.
SETTLED_WITHIN_S, TEST_MAX_S = 600.0, 1_200
TOLD = frozenset({"sent", "delivered"})
SETTINGS = {
    "TOCSIN_NOTIFY_ALLOW_PRIVATE": "127.0.0.1/32",
    # Those who hang and drip hold a worker for so long; the others answer in time on whatever machine.
    "TOCSIN_NOTIFY_FIRST_BYTE_S": "5",
    "TOCSIN_NOTIFY_TOTAL_S": "6",
    # What is asked is whether it is told, not how soon.
    "TOCSIN_API_ANSWER_S": "60",
    "TOCSIN_NOTIFY_SMTP_HOST": "127.0.0.1",
    "TOCSIN_NOTIFY_SMTP_SECURITY": "none",
    "TOCSIN_NOTIFY_SMTP_SENDER": "alerts@tocsin.example",
    "TOCSIN_NOTIFY_SMTP_PER_RECIPIENT_S": "0",
    "TOCSIN_JOBS_SWEEP_S": "1",
    # The shortest that may be set.
    "TOCSIN_JOBS_LEASE_S": "15",
}


class Size(NamedTuple):
    """How many alerts, and how often the engine is killed meanwhile; the last time is when all are acknowledged.

    `gone_after`: the target that goes takes so many of the critical ones before. `success_min`: of all jobs; of few
    jobs those few that it refuses are a larger share.
    """

    alerts: int
    kills: int
    gone_after: int
    success_min: float


SIZES = {"sqlite": Size(2_000, 5, 3, 0.995), "postgres": Size(300, 2, 1, 0.98)}


@pytest.fixture(params=SIZES)
def kind_of_base(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def size(kind_of_base: str) -> Size:
    return SIZES[kind_of_base]


@pytest.fixture
def base(kind_of_base: str, request: pytest.FixtureRequest, tmp_path: Path) -> Base:
    return base_of(kind_of_base, request, tmp_path)


class Line(NamedTuple):
    """A line of the ledger."""

    key: str
    alert_id: str
    recipient: str
    state: str
    why: str | None


@dataclass
class Rung:
    """What the producers were promised, by alert: the title of each. `resent`: requests whose answer was lost."""

    titles: dict[str, str] = field(default_factory=dict)
    resent: int = 0
    unanswered: int = 0
    more: trio.lowlevel.ParkingLot = field(default_factory=trio.lowlevel.ParkingLot)

    def acked(self, title: str, alert_id: str | None) -> None:
        assert alert_id is not None
        assert alert_id not in self.titles, "two triggers were answered with one alert"
        self.titles[alert_id] = title
        self.more.unpark_all()

    async def until(self, count: int) -> None:
        while len(self.titles) < count:
            await self.more.park()

    async def until_asking(self) -> None:
        """Until a request has no answer yet: whoever kills then interrupts something."""
        while not self.unanswered:
            await self.more.park()

    @contextmanager
    def asking(self) -> Iterator[None]:
        self.unanswered += 1
        self.more.unpark_all()
        try:
            yield
        finally:
            self.unanswered -= 1


def severity_of(number: int) -> Severity:
    if number % CRITICAL_EACH == 0:
        return Severity.CRITICAL
    return Severity.ERROR if number % ERROR_EACH == 0 else Severity.WARNING


def framework_of(number: int) -> str:
    return FRAMEWORKS[number // BATCH % len(FRAMEWORKS)]


async def produce(url: str, first: int, alerts: int, rung: Rung) -> None:
    """Every `PRODUCERS`th batch, at its time; what is not acknowledged is sent again until it is."""
    began = trio.current_time()
    async with Client(url, token_for("producer", "producer")) as client:
        for start in range(first * BATCH, alerts, BATCH * PRODUCERS):
            # The load is what is tested: so many a second, and a burst after each kill is none of it.
            await trio.sleep_until(began + start / PER_S)
            await send(client, start, rung)


async def send(client: Client, start: int, rung: Rung) -> None:
    batch = [
        TriggerInput(framework_id=framework_of(n), dedup_key=f"n{n}", title=f"n{n}", severity=severity_of(n))
        for n in range(start, start + BATCH)
    ]
    while True:
        try:
            with rung.asking():
                results = await client.trigger_many(batch)
        except TocsinError as fault:
            assert fault.temporary, fault
            rung.resent += 1
            continue
        for trigger, result in zip(batch, results, strict=True):
            rung.acked(trigger.title or "", result.alert_id)
        return


async def make_endpoints(engine: EngineProcess, there: Targets) -> None:
    async with admin(engine) as boss:
        for endpoint in there.endpoints:
            answered = await boss.post("/api/v1/endpoints", json=endpoint)
            assert answered.status_code == 201, answered.text


def admin(engine: EngineProcess) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        base_url=engine.http, headers={"Authorization": f"Bearer {token_for('boss')}"}, timeout=170
    )


async def settled(engine: EngineProcess, there: Targets) -> dict[str, Any]:
    """How the queue of notifications stands when nothing is in it any more."""
    arrived = there.sinks["hook-f0"].arrived
    async with admin(engine) as boss:
        while True:
            queue: dict[str, Any] = (await boss.get("/api/metrics/queue")).json()["queues"]["notification"]
            if not queue["waiting"] + queue["delayed"] + queue["active"]:
                return queue
            with trio.move_on_after(1.0):
                await arrived.park()


def ledger_of(base: Base) -> list[Line]:
    return [Line(*row) for row in base.rows("SELECT key, alert_id, recipient, state, why FROM delivery")]


@dataclass
class Outcome:
    """What there is to compare at the end."""

    # By the engine's own word, and counted by somebody else.
    queue: dict[str, Any]
    lines: list[Line]
    jobs: Counter[int]
    # The keys of the lines whose sending ended well.
    sent: set[str]
    # What is said of each line that was not told, by its key.
    explanations: dict[str, str]


async def rung_over_kills(
    engine: EngineProcess, size: Size, rung: Rung, again: Callable[[], Awaitable[EngineProcess]]
) -> None:
    """Rings, kills and starts; in the end all is acknowledged, and nobody is alive to tell of it."""
    chance = random.Random(SEED)
    async with trio.open_nursery() as nursery:
        for number in range(PRODUCERS):
            nursery.start_soon(produce, engine.ws, number, size.alerts, rung)
        # The last one comes when all is acknowledged, and much of it not told yet.
        for goal in [*sorted(chance.sample(range(100, size.alerts - 100), size.kills - 1)), size.alerts]:
            await rung.until(goal)
            for _ in range(chance.randrange(100)):  # anywhere between two statements
                await trio.lowlevel.checkpoint()
            if goal < size.alerts:
                await rung.until_asking()
            await engine.kill()
            engine = await again()


@pytest.mark.timeout(TEST_MAX_S)
async def test_every_acked_alert_is_told_to_every_target_that_can_be_told_over_kills(
    base: Base, size: Size, tmp_path: Path
) -> None:
    rung = Rung()
    async with targets(SEED, size.gone_after) as there, AsyncExitStack() as engines:
        settings = SETTINGS | {"TOCSIN_NOTIFY_SMTP_PORT": str(there.mail.port), "TOCSIN_STORE": base.url}
        engine = await engines.enter_async_context(an_engine_process(tmp_path, **settings))

        async def again() -> EngineProcess:
            nonlocal engine
            whole = an_engine_process(tmp_path, ws=engine.ws_address, **settings)
            engine = await engines.enter_async_context(whole)
            return engine

        await make_endpoints(engine, there)
        await rung_over_kills(engine, size, rung, again)
        outcome = await the_outcome(engine, there, base)
    # Only now: what fails among so many tasks is told among all their tracebacks.
    every_acked_alert_has_a_line_for_each_target(outcome.lines, rung, there)
    the_ledger_agrees_with_what_the_targets_took(outcome.lines, rung, there)
    each_failure_is_explained_in_a_sentence(outcome)
    the_jobs_agree_with_the_ledger(outcome)
    jobs = outcome.jobs
    success = jobs[COMPLETED] / (jobs[COMPLETED] + jobs[FAILED])
    told, lost = told_of_what_can_be(outcome.lines)
    print(figures(rung, there, told, lost, success))
    assert rung.resent >= 1, "the kills did not interrupt anything"
    assert told / (told + lost) > 0.99
    assert success >= size.success_min


def the_jobs_agree_with_the_ledger(outcome: Outcome) -> None:
    """What was sent is told, but for what waited for the target that is gone when it said so: nobody is asked then."""
    assert (outcome.queue["completed"], outcome.queue["failed"]) == (outcome.jobs[COMPLETED], outcome.jobs[FAILED])
    assert {line.key for line in outcome.lines if line.state in TOLD} <= outcome.sent
    untold = [line for line in outcome.lines if line.key in outcome.sent and line.state not in TOLD]
    wrong = [line for line in untold if (line.recipient, line.why) != ("endpoint:gone", "disabled")]
    assert not wrong, wrong[:5]


async def the_outcome(engine: EngineProcess, there: Targets, base: Base) -> Outcome:
    """Once nothing is left to be done."""
    with trio.fail_after(SETTLED_WITHIN_S):
        queue = await settled(engine, there)
    lines, jobs = ledger_of(base), Counter[int]()
    jobs.update(state for (state,) in base.rows("SELECT state FROM job_done WHERE queue = 'notification'"))
    sent = base.rows(f"SELECT args FROM job_done WHERE kind = 'send' AND state = {COMPLETED}")
    keys = [msgspec.json.decode(args)["key"] for (args,) in sent]
    assert len(keys) == len(set(keys)), "two jobs have sent the same line"
    return Outcome(queue, lines, jobs, set(keys), await explained(engine, lines))


async def explained(engine: EngineProcess, lines: list[Line]) -> dict[str, str]:
    """What the engine says of each line that was not told for a reason that somebody will ask for."""
    said: dict[str, str] = {}
    async with admin(engine) as boss:
        for line in lines:
            if is_untold(line):
                shown = (await boss.get(f"/api/v1/alerts/{line.alert_id}/deliveries")).json()["items"]
                said |= {each["key"]: each["explanation"] for each in shown if each["key"] == line.key}
    return said


def is_untold(line: Line) -> bool:
    return line.state == "failed" or line.why == "disabled"


def every_acked_alert_has_a_line_for_each_target(lines: list[Line], rung: Rung, there: Targets) -> None:
    """Exactly one, and none is left on its way."""
    count = Counter((line.alert_id, line.recipient) for line in lines)
    names = [f"endpoint:{endpoint['id']}" for endpoint in there.endpoints]
    missing = [(alert_id, name) for alert_id in rung.titles for name in names if count[alert_id, name] != 1]
    assert not missing, missing[:5]
    assert not [line for line in lines if line.state == "queued"]
    wrong = [line for line in lines if line.state == "suppressed" and line.why not in ("severity", "framework")]
    assert all((line.recipient, line.why) == ("endpoint:gone", "disabled") for line in wrong), wrong[:5]


def the_ledger_agrees_with_what_the_targets_took(lines: list[Line], rung: Rung, there: Targets) -> None:
    """What is told was taken, under its key and no other; what was taken is told, or was given up: we may be killed
    after the target took it, and find it failing at each attempt that is left, or gone."""
    for endpoint in there.endpoints:
        name = endpoint["id"]
        of_target = [line for line in lines if line.recipient == f"endpoint:{name}"]
        keys = {line.key: rung.titles[line.alert_id] if name == "chat" else line.key for line in of_target}
        told = {keys[line.key] for line in of_target if line.state in TOLD}
        given_up = {keys[line.key] for line in of_target if line.why in ("gave_up", "refused", "disabled")}
        assert told <= set(there.keys(name)) <= told | given_up, name


def each_failure_is_explained_in_a_sentence(outcome: Outcome) -> None:
    untold = [line for line in outcome.lines if is_untold(line)]
    assert untold, "the target that is gone was not"
    for line in untold:
        explanation = outcome.explanations[line.key]
        begins, ends = ("Failed: the target refused it (", ").") if line.why == "refused" else ("", ".")
        assert explanation.startswith(begins), explanation
        assert explanation.endswith(ends), explanation
        assert "nobody said why" not in explanation


def told_of_what_can_be(lines: list[Line]) -> tuple[int, int]:
    """How much of what can be delivered was, and was not."""
    can = [line for line in lines if line.recipient != "endpoint:gone" and line.state != "suppressed"]
    told = sum(line.state in TOLD for line in can)
    return told, len(can) - told


def figures(rung: Rung, there: Targets, told: int, lost: int, success: float) -> str:
    taken = {endpoint["id"]: there.keys(endpoint["id"]) for endpoint in there.endpoints}
    twice = {name: keys.total() - len(keys) for name, keys in taken.items()}
    asked = sum(seen.asked.total() for seen in there.seen.values())
    return (
        f"{len(rung.titles)} alerts acked, {rung.resent} requests sent again; told {told} of {told + lost}"
        f" ({told / (told + lost):.3%}) with {asked} requests and {len(there.mail.inbox.taken)} mails;"
        f" job success {success:.3%}; duplicates under the same key: {sum(twice.values())} {twice}"
    )
