"""`suppress`: how many duplicates a second are recognised and answered.

Eight producers send batches of 100 triggers whose alerts are open and inside their suppression windows; every one must
be answered `duplicate`. A duplicate costs a look-up and a counter, no commit; that is what this measures.
"""

from __future__ import annotations

import msgspec

from benchmarks import producer
from benchmarks.fanout import conditions_of
from benchmarks.ingest import BATCH, BATCHING, CHANNELS, WARM_UP_ROUNDS, note, open_producers
from benchmarks.options import Options
from benchmarks.report import Figures, Goal, Report, make_report
from benchmarks.rig import Rig

CHECKS = [Goal("triggers_per_s", "duplicates/s, 8 producers with batches of 100", 50_000.0, at_least=True)]


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
        producers.pump(first, BATCHING, "fired")
        producers.pump(msgspec.structs.replace(first, rounds=WARM_UP_ROUNDS), BATCHING, "duplicate")
        again = msgspec.structs.replace(first, rounds=options.duplicates // (BATCHING * BATCH))
        for _ in range(options.runs):
            note(figures, "", producers.pump(again, BATCHING, "duplicate"))
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
