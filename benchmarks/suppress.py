"""`suppress`: how many duplicates a second are recognised and answered.

Eight producers send batches of 100 triggers whose alerts are open and inside their suppression windows; every one must
be answered `duplicate`. A duplicate costs a look-up and a counter, no commit; that is what this measures. Every answer
must name its own item's alert, and at the end each alert must have happened as often as it was sent.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import zip_longest

import msgspec

from benchmarks import producer
from benchmarks.acks import Acked
from benchmarks.fanout import conditions_of
from benchmarks.ingest import BATCH, BATCHING, CHANNELS, WARM_UP_ROUNDS, note, open_producers
from benchmarks.measure import Verdict
from benchmarks.options import Options
from benchmarks.report import Figures, Goal, Report, make_report
from benchmarks.rig import Rig
from benchmarks.started_engine import Engine

CHECKS = [Goal("triggers_per_s", "duplicates/s, 8 producers with batches of 100", 50_000.0, at_least=True)]

# The engine writes its counts of duplicates at latest a second after them (`suppression.flush_s`).
FLUSH_DEADLINE_S = 10.0
_LOOK_AGAIN_S = 0.2


def run(options: Options) -> Report:
    """Measures. Raises BenchmarkError, also when anything but `duplicate` is answered."""
    figures = Figures()
    with Rig(options.folder) as rig:
        engine, producers = rig.engine(pinned=False), rig.producers(pinned=False)
        open_producers(engine, producers, "suppress", BATCHING)
        first = producer.Pump(
            group="suppress",
            frameworks=[f"suppress-{channel}" for channel in range(CHANNELS)],
            rounds=1,
            batch=BATCH,
            tag="suppress",
            repeat=True,
        )
        fired = producers.pump(first, BATCHING, "fired")
        figures.verdict = Verdict(missing=fired.sent - fired.alerts)
        warm_up = msgspec.structs.replace(first, rounds=WARM_UP_ROUNDS)
        figures.verdict = figures.verdict + answers(producers.pump(warm_up, BATCHING, "duplicate"))
        again = msgspec.structs.replace(first, rounds=options.duplicates // (BATCHING * BATCH))
        for _ in range(options.runs):
            acked = producers.pump(again, BATCHING, "duplicate")
            figures.verdict = figures.verdict + answers(acked)
            note(figures, "", acked)
        each = 1 + WARM_UP_ROUNDS + options.runs * again.rounds
        figures.verdict = figures.verdict + counted(engine, first.frameworks, each)
        figures.add("commit_p50_ms", rig.commit_p50_ms())
        conditions = {
            **conditions_of(rig, options),
            "clients": f"{BATCHING} producers with batches of {BATCH}",
            "messages": f"{options.duplicates} duplicates",
            "rate_per_s": "closed loop",
            "channels": CHANNELS,
            "receiver": "none",
        }
    return make_report("suppress", conditions, figures, CHECKS, [("triggers_per_s", "duplicates/s")])


def answers(acked: Acked) -> Verdict:
    """Whether each duplicate was answered with its own alert: another item's is out of order, a foreign one missing."""
    return Verdict(missing=acked.strangers, reordered=acked.reordered)


def counted(engine: Engine, frameworks: Sequence[str], each: int) -> Verdict:
    """Looks until every alert's written count has reached `each`, or the deadline. Raises BenchmarkError."""
    deadline = time.monotonic() + FLUSH_DEADLINE_S
    while True:
        verdicts = (held(engine.occurrences(framework), each) for framework in frameworks)
        verdict = sum(verdicts, Verdict())
        if not verdict.missing or time.monotonic() >= deadline:
            return verdict
        time.sleep(_LOOK_AGAIN_S)


def held(occurrences: Sequence[int], each: int) -> Verdict:
    """One channel's alerts (there must be one for each item of a batch) against how often each was sent."""
    pairs = list(zip_longest(sorted(occurrences, reverse=True), [each] * BATCH, fillvalue=0))
    return Verdict(
        missing=sum(max(0, sent - had) for had, sent in pairs),
        duplicated=sum(max(0, had - sent) for had, sent in pairs),
    )
