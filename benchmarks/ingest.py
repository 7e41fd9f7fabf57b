"""`ingest`: how many distinct triggers a second are durably acked.

MessagePack; an ack follows the commit (SQLite, `synchronous=FULL`). Twice: 8 producers with batches of 100, and 32
producers one at a time; each waits for its ack before it sends the next (closed loop), so the latency of an ack is told
as well. The cost of a commit in the same folder stands beside it. Nothing is pinned: no receiver takes part.
"""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks import producer
from benchmarks.acks import Acked
from benchmarks.dial import dial
from benchmarks.engine import Engine
from benchmarks.fanout import conditions_of
from benchmarks.measure import NS_PER_S, Verdict
from benchmarks.options import Options
from benchmarks.report import Figures, Goal, Report, make_report
from benchmarks.rig import Producers, Rig

BATCHING, BATCH = 8, 100
SINGLE = 32
CHANNELS = 8
WARM_UP_ROUNDS = 3

CHECKS = [
    Goal("triggers_per_s", "triggers/s, 8 producers with batches of 100", 10_000.0, at_least=True),
    Goal("single_triggers_per_s", "triggers/s, 32 producers one at a time", 2_000.0, at_least=True),
    Goal("single_ack_p99_ms", "p99 of an ack, one at a time (ms)", 50.0),
]


def run(options: Options) -> Report:
    """Measures. Raises BenchmarkError, also when anything but `fired` is answered."""
    figures = Figures()
    with Rig(options.folder, options.store_url) as rig:
        engine, producers = rig.engine(pinned=False), rig.producers(pinned=False)
        open_producers(engine, producers, "batching", BATCHING)
        open_producers(engine, producers, "single", SINGLE)
        for attempt in range(options.runs + 1):
            # The first is the warm-up, and short.
            rounds = options.triggers // (BATCHING * BATCH) if attempt else WARM_UP_ROUNDS
            batched = producers.pump(_pump("batching", attempt, rounds, BATCH), BATCHING, "fired")
            rounds = options.singles // SINGLE if attempt else WARM_UP_ROUNDS
            singly = producers.pump(_pump("single", attempt, rounds, 1), SINGLE, "fired")
            for group, acked in (("batching", batched), ("single", singly)):
                figures.verdict = figures.verdict + proof(acked, last_offsets(engine, _frameworks(group, attempt)))
            if attempt:
                note(figures, "", batched)
                note(figures, "single_", singly)
                figures.add("commit_p50_ms", rig.commit_p50_ms())
        conditions = {
            **conditions_of(rig, options),
            "clients": f"{BATCHING} producers with batches of {BATCH}; {SINGLE} producers one at a time",
            "messages": f"{options.triggers} triggers; {options.singles} one at a time",
            "rate_per_s": "closed loop",
            "channels": CHANNELS,
            "store": "Postgres" if options.store_url else "SQLite",
            "receiver": "none",
        }
    plotted = [("triggers_per_s", "triggers/s, batches"), ("single_triggers_per_s", "triggers/s, one at a time")]
    return make_report("ingest", conditions, figures, CHECKS, plotted)


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
