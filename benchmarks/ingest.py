"""`ingest`: how many distinct triggers a second are durably acked.

MessagePack; an ack follows the commit. Twice: 8 producers with batches of 100, and 32 producers one at a time; each
waits for its ack before it sends the next (closed loop), so the latency of an ack is told as well. On SQLite
(`synchronous=FULL`) and, in turn with it, on Postgres (`fsync` and `synchronous_commit` on): one of the benchmark's own
(`peers.postgres`), or the database that `--store` names. Beside each stands what commits cost there without us: one of
one row, and on Postgres also commits of batches by as many connections. Nothing is pinned: no receiver takes part.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import NamedTuple

from benchmarks import producer
from benchmarks.acks import Acked
from benchmarks.dial import dial
from benchmarks.fanout import HEALTH, HEALTH_MIN, conditions_of
from benchmarks.measure import NS_PER_S, Verdict
from benchmarks.options import Options
from benchmarks.peers import postgres
from benchmarks.report import Figures, Goal, Report, make_report
from benchmarks.rig import Producers, Rig
from benchmarks.started_engine import Engine

BATCHING, BATCH = 8, 100
SINGLE = 32
CHANNELS = 8
WARM_UP_ROUNDS = 3

# One-row commits for their median, and commits of a batch by each connection of the floor.
_COMMITS = 60
_FLOOR_COMMITS = 50

CHECKS = [
    Goal("triggers_per_s", "triggers/s, 8 producers with batches of 100", 10_000.0, at_least=True),
    Goal("single_triggers_per_s", "triggers/s, 32 producers one at a time", 2_000.0, at_least=True),
    Goal("single_ack_p99_ms", "p99 of an ack, one at a time (ms)", 50.0),
    Goal("health_score", HEALTH, HEALTH_MIN, at_least=True),
    Goal("postgres_health_score", f"Postgres: {HEALTH}", HEALTH_MIN, at_least=True),
    Goal("postgres_triggers_per_s", "Postgres: triggers/s, 8 producers with batches of 100", 5_000.0, at_least=True),
]
_PLOTTED = [
    ("triggers_per_s", "triggers/s, batches"),
    ("single_triggers_per_s", "triggers/s, one at a time"),
    ("postgres_triggers_per_s", "the same on Postgres: batches"),
    ("postgres_single_triggers_per_s", "one at a time"),
]


class Side(NamedTuple):
    """An engine and its producers, and what their figures begin with."""

    prefix: str
    engine: Engine
    producers: Producers


def run(options: Options) -> Report:
    """Measures. Raises BenchmarkError, also when anything but `fired` is answered."""
    figures = Figures()
    with contextlib.ExitStack() as stack:
        # Before the rig, and so after it at the end: a server outlives its engines.
        place = stack.enter_context(postgres.place(options, figures))
        rig = stack.enter_context(Rig(options.folder))
        sides = [_side("", rig, rig.engine(pinned=False), stack)]
        if place is not None:
            url = stack.enter_context(place.database())
            engine = stack.enter_context(rig.engine_of_its_own("engine-on-postgres", pinned=False, TOCSIN_STORE=url))
            sides.append(_side("postgres_", rig, engine, stack))
        for attempt in range(options.runs + 1):
            for side in sides:
                _measure(side, attempt, options, figures)
            if attempt:
                figures.add("commit_p50_ms", rig.commit_p50_ms())
            if attempt and place is not None and place.server is not None:
                _floor(place.server, figures)
        conditions = {
            **conditions_of(rig, options),
            "clients": f"{BATCHING} producers with batches of {BATCH}; {SINGLE} producers one at a time",
            "messages": f"{options.triggers} triggers; {options.singles} one at a time",
            "rate_per_s": "closed loop",
            "channels": CHANNELS,
            "store": "SQLite" if place is None else f"SQLite; {place.what}",
            "receiver": "none",
        }
    return make_report("ingest", conditions, figures, CHECKS, _PLOTTED)


def _side(prefix: str, rig: Rig, engine: Engine, stack: contextlib.ExitStack) -> Side:
    producers = stack.enter_context(rig.producers_of_their_own(f"{prefix}producer"))
    return Side(prefix, engine, producers)


def _measure(side: Side, attempt: int, options: Options, figures: Figures) -> None:
    """One run of both loops. The first is the warm-up, and short."""
    rounds = options.triggers // (BATCHING * BATCH) if attempt else WARM_UP_ROUNDS
    batched = _pumped(side, BATCHING, _pump("batching", attempt, rounds, BATCH))
    rounds = options.singles // SINGLE if attempt else WARM_UP_ROUNDS
    singly = _pumped(side, SINGLE, _pump("single", attempt, rounds, 1))
    for group, acked in (("batching", batched), ("single", singly)):
        figures.verdict = figures.verdict + proof(acked, last_offsets(side.engine, _frameworks(group, attempt)))
    if attempt:
        note(figures, side.prefix, batched)
        note(figures, f"{side.prefix}single_", singly)
        figures.add(f"{side.prefix}health_score", side.engine.health_score())


def _pumped(side: Side, connections: int, command: producer.Pump) -> Acked:
    """One loop, over connections of its own: those that wait for the other side's turn would be closed as silent."""
    open_producers(side.engine, side.producers, command.group, connections)
    acked = side.producers.pump(command, connections, "fired")
    side.producers.close(command.group)
    return acked


def _floor(server: postgres.Server, figures: Figures) -> None:
    """What the server does without us: one commit after another, and batches by as many connections."""
    figures.add("postgres_commit_p50_ms", server.commit_p50_ms(_COMMITS))
    figures.add("postgres_floor_rows_per_s", server.rows_per_s(BATCHING, _FLOOR_COMMITS, BATCH))


def open_producers(engine: Engine, producers: Producers, group: str, connections: int) -> None:
    """Opens authenticated MessagePack producers."""
    producers.open(group, engine.target("msgpack", "producer"), connections)


def _pump(group: str, attempt: int, rounds: int, batch: int) -> producer.Pump:
    """Fresh channels for each run: how many alerts are open before it is the same for all."""
    frameworks = _frameworks(group, attempt)
    return producer.Pump(group=group, frameworks=frameworks, rounds=rounds, batch=batch, tag=f"{group}-{attempt}")


def _frameworks(group: str, attempt: int) -> list[str]:
    return [f"{group}-{attempt}-{channel}" for channel in range(CHANNELS)]


def last_offsets(engine: Engine, frameworks: list[str]) -> list[int]:
    """Where each framework's channel stands, as it tells a new subscriber. Raises BenchmarkError."""
    offsets: list[int] = []
    for sock, place, _ in dial(engine.target("msgpack", "viewer", frameworks), len(frameworks)):
        sock.close()
        offsets.append(place.offset)
    return offsets


def proof(acked: Acked, offsets: Sequence[int]) -> Verdict:
    """Every trigger was acked as fired (or the run had failed): each as an alert of its own, and told once, in order.

    `offsets` are the last ones of the channels, fresh before, over which the triggers were spread evenly: one below
    its share lost events, one above it told some again.
    """
    share = acked.sent // len(offsets)
    untold = sum(max(0, share - offset) for offset in offsets)
    return Verdict(
        # A trigger without an alert of its own is not in the channel either: it counts once.
        missing=max(acked.sent - acked.alerts, untold),
        duplicated=sum(max(0, offset - share) for offset in offsets),
        reordered=acked.reordered,
    )


def note(figures: Figures, prefix: str, acked: Acked, what: str = "triggers") -> None:
    """The figures of one closed loop."""
    figures.add(f"{prefix}{what}_per_s", acked.sent * NS_PER_S / acked.elapsed_ns)
    figures.add(f"{prefix}ack_p50_ms", acked.ack_p50_ms)
    figures.add(f"{prefix}ack_p99_ms", acked.ack_p99_ms)
    figures.add(f"{prefix}producer_cpu_percent", acked.cpu_percent)
