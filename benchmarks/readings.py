"""`readings`: how many readings a second are held against rules, stored and acked.

MessagePack; 8 producers with batches of 100, each waits for its ack before it sends the next (closed loop). 10,000
rules over 8 channels, each on a metric of its own; every reading is of one of these metrics and breaks no rule. An ack
follows the commit (SQLite, `synchronous=FULL`). The floor is the same without a rule, on a fresh engine.
"""

from __future__ import annotations

from benchmarks import producer
from benchmarks.acks import Acked
from benchmarks.fanout import conditions_of
from benchmarks.ingest import note
from benchmarks.measure import Verdict
from benchmarks.options import Options
from benchmarks.report import Figures, Goal, Report, make_report
from benchmarks.rig import Rig
from benchmarks.started_engine import WORKSPACE, Engine

PRODUCERS, BATCH, CHANNELS = 8, 100, 8
RULES = 10_000
METRICS = RULES // CHANNELS
WARM_UP_ROUNDS = 5
FRAMEWORKS = [f"readings-{channel}" for channel in range(CHANNELS)]

CHECKS = [Goal("readings_per_s", f"readings/s through {RULES:,} rules", 20_000.0, at_least=True)]


def run(options: Options) -> Report:
    """Measures. Raises BenchmarkError, also when anything but the expected is answered."""
    figures = Figures()
    with Rig(options.folder) as rig:
        for prefix, rules, reason in (("", RULES, "below_threshold"), ("no_rules_", 0, "no_rule")):
            name = f"engine-{rules}"
            write_rules(rig, name, rules)
            with rig.engine_of_its_own(name, pinned=False, TOCSIN_LIMITS_WORKSPACE_ITEMS_PER_S="100000000") as engine:
                measure(rig, engine, figures, options, prefix, reason)
        conditions = {
            **conditions_of(rig, options),
            "clients": f"{PRODUCERS} producers with batches of {BATCH}",
            "messages": f"{options.readings} readings",
            "rate_per_s": "closed loop",
            "rules": RULES,
            "channels": CHANNELS,
            "receiver": "none",
        }
    plotted = [("readings_per_s", f"readings/s, {RULES:,} rules"), ("no_rules_readings_per_s", "readings/s, no rules")]
    return make_report("readings", conditions, figures, CHECKS, plotted)


def measure(rig: Rig, engine: Engine, figures: Figures, options: Options, prefix: str, reason: str) -> None:
    """Runs on one engine, after a short one that warms it up."""
    with rig.producers_of_their_own(f"producer-{prefix}") as producers:
        producers.open("readings", engine.target("msgpack", "producer"), PRODUCERS)
        for attempt in range(options.runs + 1):
            rounds = options.readings // (PRODUCERS * BATCH) if attempt else WARM_UP_ROUNDS
            before = engine.metrics()["tocsin_readings_total"]
            pump = producer.Pump(
                group="readings", frameworks=FRAMEWORKS, rounds=rounds, batch=BATCH, tag="", metrics=METRICS
            )
            acked = producers.pump(pump, PRODUCERS, reason)
            stored = int(engine.metrics()["tocsin_readings_total"] - before)
            figures.verdict = figures.verdict + proof(acked, stored)
            if attempt:
                note(figures, prefix, acked, "readings")


def proof(acked: Acked, stored: int) -> Verdict:
    """Every reading that was acked is stored, once."""
    return Verdict(missing=max(0, acked.sent - stored), duplicated=max(0, stored - acked.sent))


def write_rules(rig: Rig, name: str, rules: int) -> None:
    """The configuration of an engine: so many rules, spread evenly over the channels, each on its own metric."""
    folder = rig.folder / name
    folder.mkdir(mode=0o700, exist_ok=True)
    lines = [f'workspace = "{WORKSPACE}"']
    for number in range(rules):
        framework, metric = FRAMEWORKS[number % CHANNELS], f"metric-{number // CHANNELS}"
        lines += ["[[rules]]", f'id = "rule-{number}"', f'framework = "{framework}"', f'metric = "{metric}"']
        lines.append("threshold = 90.0")
    (folder / "tocsin.toml").write_text("\n".join(lines) + "\n")
