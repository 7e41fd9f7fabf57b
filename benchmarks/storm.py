"""`storm`: everybody comes back at once, and nobody has missed anything.

A thousand clients follow a channel and are cut off; a hundred alerts later all of them dial at the same moment, give
their position and are told what they missed. Timed from the first dial to the last byte of history at the last client;
then one more alert must reach everybody, so that history and live messages meet without a gap. History comes from the
channel's ring in memory; with `--store` the engine was restarted meanwhile, so all of it comes from the store, and a
thousand equal questions must not become a thousand reads.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import NamedTuple

import msgspec

from benchmarks.arrivals import Plan
from benchmarks.fanout import conditions_of
from benchmarks.harness import FIRST_FRAME_BYTES, Receivers
from benchmarks.measure import NS_PER_S
from benchmarks.options import CLIENTS, Options
from benchmarks.procfs import usage
from benchmarks.report import Figures, Goal, Report, make_report
from benchmarks.rig import Producers, Rig, plan_round
from benchmarks.rounds import judged
from benchmarks.started_engine import Engine
from protocol.messages import Position

FRAMEWORK = "storm"
MISSED = 100
# Connections are recorded once a second, so by then everything about the wave has been written.
RECORDED_S = 2.5
# In one form only: what is compared is where history comes from.
_FORM = "json"
# All at once, but fewer than the engine's listener lets wait: beyond, the kernel answers a second later.
WAVE_MAX = 1_000
_HISTORY_READS = 'tocsin_store{figure="store_history_reads"}'
_OTHER_TRANSACTIONS = 'tocsin_store{figure="store_jobs"}'

CHECKS = [
    Goal("all_back_s", "all are back and level (s)", 2.0, clients=CLIENTS),
    Goal("history_reads", "history questions to the store", 10.0),
    Goal("connection_transactions", "transactions that record the connections", 10.0),
]


def run(options: Options) -> Report:
    """Measures. Raises BenchmarkError, also when a client is not told what it missed."""
    figures = Figures()
    with Rig(options.folder) as rig:
        cast = Cast(rig.receivers(), rig.producers(), options.clients, figures)
        for number in range(options.runs):
            _run_once(rig, f"engine-{number}", cast, from_store=options.from_store)
        conditions = {
            **conditions_of(rig, replace(options, messages=MISSED)),
            "rate_per_s": "all at once",
            "forms": _FORM,
            "history_from": "the store (the engine was restarted)" if options.from_store else "the channel's ring",
        }
    name = "storm --store" if options.from_store else "storm"
    plotted = [("all_back_s", "all back and level (s)"), ("all_let_in_s", "all let in (s)")]
    return make_report(name, conditions, figures, CHECKS, plotted)


class Cast(NamedTuple):
    """Who takes part in every run."""

    crowd: Receivers
    producers: Producers
    clients: int
    figures: Figures


def _run_once(rig: Rig, name: str, cast: Cast, *, from_store: bool) -> None:
    with rig.engine_of_its_own(name) as engine:
        place = _cut_off(engine, cast)
        if not from_store:
            _come_back(engine, cast, place)
    if from_store:
        with rig.engine_of_its_own(name) as engine:
            _come_back(engine, cast, place)


def _cut_off(engine: Engine, cast: Cast) -> Position:
    """All follow the channel, are cut off, and miss what happens then; gives where they stood."""
    place = cast.crowd.connect("before", engine.target(_FORM, "viewer", [FRAMEWORK]), cast.clients)
    cast.crowd.close("before")
    _trigger(engine, cast, plan_round(MISSED, 1, 0))
    return place


def _come_back(engine: Engine, cast: Cast, place: Position) -> None:
    """One run."""
    before, cpu_before_s = engine.metrics(), usage(engine.child.pid).cpu_s
    plan = Plan(messages=MISSED, first=1, start_ns=time.monotonic_ns(), interval_ns=0)
    target = msgspec.structs.replace(
        engine.target(_FORM, "viewer", [FRAMEWORK]), recover=place, wave=min(cast.clients, WAVE_MAX)
    )
    cast.crowd.connect(FRAMEWORK, target, cast.clients, missed=MISSED)
    let_in_ns = time.monotonic_ns() - plan.start_ns
    back = judged(cast.crowd.collect(plan), cast.figures, FRAMEWORK)
    cpu_s = usage(engine.child.pid).cpu_s - cpu_before_s
    add = cast.figures.add
    add("all_back_s", back.elapsed_ns / NS_PER_S)
    add("all_let_in_s", let_in_ns / NS_PER_S)
    add("engine_cpu_ms_per_client", cpu_s * 1_000 / cast.clients)
    add("messages_recovered", back.deliveries)
    _tell_one_more(engine, cast)
    cast.crowd.close(FRAMEWORK)
    time.sleep(RECORDED_S)
    after = engine.metrics()
    add("history_reads", after[_HISTORY_READS] - before[_HISTORY_READS])
    add("connection_transactions", after[_OTHER_TRANSACTIONS] - before[_OTHER_TRANSACTIONS])


def _tell_one_more(engine: Engine, cast: Cast) -> None:
    """History and live messages must meet: the next alert reaches everybody, once."""
    plan = plan_round(1, MISSED + 1, 0)
    cast.crowd.arm(FRAMEWORK, 1, FIRST_FRAME_BYTES)
    _trigger(engine, cast, plan)
    judged(cast.crowd.collect(plan), cast.figures, FRAMEWORK)


def _trigger(engine: Engine, cast: Cast, plan: Plan) -> None:
    cast.producers.open(FRAMEWORK, engine.target(_FORM, "producer"), 1)
    cast.producers.paced(FRAMEWORK, FRAMEWORK, plan)
    cast.producers.close(FRAMEWORK)
