"""kill -9 while 200 alerts a second are told to webhooks, Slack and a mail server that fail a fifth of the time.

A real engine process, killed at random moments and started again on the same data; producers that send again what was
not acknowledged; targets on loopback. At the end the ledger and the jobs are compared with what was acknowledged and
with what the targets saw. Prints the figures.
"""

from __future__ import annotations

import random
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
import trio

from engine.stores.tables.job_ends import COMPLETED, FAILED
from protocol.errors import TocsinError
from protocol.items import TriggerInput
from protocol.model import Severity
from tests.support.engines import EngineProcess, an_engine_process
from tests.support.http_sink import Sink, a_sink
from tests.support.iso import token_for
from tests.support.mail_servers import MailServer, mail_server
from tests.support.unreliable import Unreliable, title, webhook_id
from tocsin import Client

SEED = 20261122
ALERTS, PER_S, PRODUCERS, BATCH = 4_000, 200, 2, 10
KILLS = 5
FRAMEWORKS = tuple(f"f{number}" for number in range(6))
LIMITED = FRAMEWORKS[-1]
# Slack takes one message a second, however many alerts there are.
CRITICAL_EACH, ERROR_EACH = 200, 10
# Five attempts take half a minute, and what was in hand at a kill begins anew.
SETTLED_WITHIN_S = 150.0
TOLD = frozenset({"sent", "delivered"})
SETTINGS = {
    "TOCSIN_NOTIFY_ALLOW_PRIVATE": "127.0.0.1/32",
    # Those who hang and drip hold a worker for so long.
    "TOCSIN_NOTIFY_FIRST_BYTE_S": "2",
    "TOCSIN_NOTIFY_TOTAL_S": "3",
    "TOCSIN_NOTIFY_SMTP_HOST": "127.0.0.1",
    "TOCSIN_NOTIFY_SMTP_SECURITY": "none",
    "TOCSIN_NOTIFY_SMTP_SENDER": "alerts@tocsin.example",
    "TOCSIN_NOTIFY_SMTP_PER_RECIPIENT_S": "0",
    "TOCSIN_JOBS_SWEEP_S": "1",
}


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
    more: trio.lowlevel.ParkingLot = field(default_factory=trio.lowlevel.ParkingLot)

    def acked(self, title: str, alert_id: str | None) -> None:
        assert alert_id is not None
        assert alert_id not in self.titles, "two triggers were answered with one alert"
        self.titles[alert_id] = title
        self.more.unpark_all()

    async def until(self, count: int) -> None:
        while len(self.titles) < count:
            await self.more.park()


@dataclass
class Targets:
    """All of them, and who listens for them. The mails' keys are in their Message-IDs."""

    sinks: dict[str, Sink]
    seen: dict[str, Unreliable]
    mail: MailServer

    @property
    def endpoints(self) -> list[dict[str, Any]]:
        """As they are made."""
        hooks = [
            {"id": f"hook-{name}", "channel": "webhook", "url": self.sinks[f"hook-{name}"].url(), "frameworks": [name]}
            for name in FRAMEWORKS
        ]
        critical = {"min_severity": "critical"}
        return [
            *hooks,
            {"id": "gone", "channel": "webhook", "url": self.sinks["gone"].url(), **critical},
            {"id": "chat", "channel": "slack", "url": self.sinks["chat"].url("/services/T1/B1/x"), **critical},
            {"id": "mail", "channel": "email", "address": "ops@example.com", "min_severity": "error"},
        ]

    def keys(self, name: str) -> Counter[str]:
        """What a target took, by key."""
        if name == "mail":
            return Counter(mail["Message-ID"].strip("<>").partition("@")[0] for mail in self.mail.inbox.mails)
        return self.seen[name].taken


@asynccontextmanager
async def targets() -> AsyncIterator[Targets]:
    names = [*(f"hook-{name}" for name in FRAMEWORKS), "gone", "chat"]
    async with AsyncExitStack() as stack:
        sinks = {name: await stack.enter_async_context(a_sink()) for name in names}
        seen = {name: Unreliable(SEED + number) for number, name in enumerate([*names, "mail"])}
        mail = stack.enter_context(mail_server())
        mail.inbox.answer = lambda number: "451 try again" if seen["mail"].fails() else "250 taken"
        for name, sink in sinks.items():
            sink.usual = seen[name].flaky(title if name == "chat" else webhook_id)
        sinks[f"hook-{LIMITED}"].usual = seen[f"hook-{LIMITED}"].limited()
        sinks["gone"].usual = seen["gone"].gone()
        yield Targets(sinks, seen, mail)


def severity_of(number: int) -> Severity:
    if number % CRITICAL_EACH == 0:
        return Severity.CRITICAL
    return Severity.ERROR if number % ERROR_EACH == 0 else Severity.WARNING


def framework_of(number: int) -> str:
    return FRAMEWORKS[number // BATCH % len(FRAMEWORKS)]


async def produce(url: str, first: int, rung: Rung) -> None:
    """Every `PRODUCERS`th batch, at its time; what is not acknowledged is sent again until it is."""
    began = trio.current_time()
    async with Client(url, token_for("producer", "producer")) as client:
        for start in range(first * BATCH, ALERTS, BATCH * PRODUCERS):
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
        base_url=engine.http, headers={"Authorization": f"Bearer {token_for('boss')}"}, timeout=30.0
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


def ledger_of(base: sqlite3.Connection) -> list[Line]:
    return [Line(*row) for row in base.execute("SELECT key, alert_id, recipient, state, why FROM delivery")]


@pytest.mark.timeout(300)
async def test_every_acked_alert_is_told_to_every_target_that_can_be_told_over_kills(tmp_path: Path) -> None:
    chance, rung = random.Random(SEED), Rung()
    async with targets() as there, AsyncExitStack() as engines:
        settings = SETTINGS | {"TOCSIN_NOTIFY_SMTP_PORT": str(there.mail.port)}
        engine = await engines.enter_async_context(an_engine_process(tmp_path, **settings))
        await make_endpoints(engine, there)
        async with trio.open_nursery() as nursery:
            for number in range(PRODUCERS):
                nursery.start_soon(produce, engine.ws, number, rung)
            # The last one comes when all is acknowledged, and much of it not told yet.
            for goal in [*sorted(chance.sample(range(200, ALERTS - 200), KILLS - 1)), ALERTS]:
                await rung.until(goal)
                for _ in range(chance.randrange(100)):  # anywhere between two statements
                    await trio.lowlevel.checkpoint()
                await engine.kill()
                engine = await engines.enter_async_context(
                    an_engine_process(tmp_path, ws=engine.ws_address, **settings)
                )
        with trio.fail_after(SETTLED_WITHIN_S):
            queue = await settled(engine, there)
        with closing(sqlite3.connect(tmp_path / "tocsin.db")) as base:
            lines = ledger_of(base)
            jobs = Counter[int]()
            sends = Counter[int]()
            for kind, state in base.execute("SELECT kind, state FROM job_done WHERE queue = 'notification'"):
                jobs[state] += 1
                sends[state] += kind == "send"
        every_acked_alert_has_a_line_for_each_target(lines, rung, there)
        the_ledger_agrees_with_what_the_targets_took(lines, rung, there)
        await each_failure_is_explained_in_a_sentence(engine, lines)
        # By the engine's own word, and counted by somebody else.
        assert (queue["completed"], queue["failed"]) == (jobs[COMPLETED], jobs[FAILED])
        assert sends[COMPLETED] == sum(line.state in TOLD for line in lines)
        success = jobs[COMPLETED] / (jobs[COMPLETED] + jobs[FAILED])
        told, lost = told_of_what_can_be(lines)
        print(figures(rung, there, told, lost, success))
        assert rung.resent >= 1, "the kills did not interrupt anything"
        assert told / (told + lost) > 0.99
        assert success >= 0.995


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
    after the target took it, and find it failing at each attempt that is left."""
    for endpoint in there.endpoints:
        name = endpoint["id"]
        of_target = [line for line in lines if line.recipient == f"endpoint:{name}"]
        keys = {line.key: rung.titles[line.alert_id] if name == "chat" else line.key for line in of_target}
        told = {keys[line.key] for line in of_target if line.state in TOLD}
        given_up = {keys[line.key] for line in of_target if line.why == "gave_up"}
        assert told <= set(there.keys(name)) <= told | given_up, name


async def each_failure_is_explained_in_a_sentence(engine: EngineProcess, lines: list[Line]) -> None:
    untold = [line for line in lines if line.state == "failed" or line.why == "disabled"]
    assert untold, "the target that is gone was not"
    async with admin(engine) as boss:
        for line in untold:
            shown = (await boss.get(f"/api/v1/alerts/{line.alert_id}/deliveries")).json()["items"]
            (explanation,) = [each["explanation"] for each in shown if each["key"] == line.key]
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
