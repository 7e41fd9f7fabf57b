"""`slow_reader`: one client in a hundred stops reading, and the others must not notice.

Two channels with equally many measured subscribers take turns, message block by message block, in one engine. On one of
them a further 1 % of subscribers have stopped reading: their sockets are full, and severe alerts, which never give way,
wait in their outboxes past the soft bound, so that every message of the channel has to give way for each of them. What
is compared is how long a delivery to the others takes, on the one channel and on the other.

The stalled ones are filled through a channel of their own, so that the measured ones hear nothing of it. A peer that
does not read is not listened to either, so the engine ends it after a minute of silence: each run has new ones.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace

import msgspec

from benchmarks import producer
from benchmarks.arrivals import Arrivals, pooled
from benchmarks.control import BenchmarkError
from benchmarks.dial import dial
from benchmarks.fanout import WARM_UP_MESSAGES, Stage, conditions_of
from benchmarks.options import CLIENTS, Options
from benchmarks.report import Figures, Goal, Report, make_report
from benchmarks.rig import Rig
from benchmarks.rounds import EngineLine, alternate, last_client, single_deliveries
from benchmarks.wire import FORMS, client_frame
from engine.sections.doors import Gateway
from protocol import messages as m
from protocol.codec import encode

CALM, SLOWED, FILL = "calm", "slowed", "fill"
STALLED_SHARE = 0.01
# Well within the minute after which who is not heard is gone.
STALL_MAX_S = 40.0
# In one form only: what is compared is with and without.
_FORM = "json"
_FILL_BATCH = 100
# About 20 MB for each stalled client: no kernel keeps so much for one socket.
_FILL_ROUNDS_MAX = 300
# Half-way between the soft bound, past which mild alerts give way, and the hard one, at which a client is cut.
_FILL_BYTES = (Gateway().outbox_soft_bytes + Gateway().outbox_max_bytes) // 2
_LEFT_OUT = "tocsin_messages_dropped_warning_total"
_WAITING = "tocsin_outbox_bytes"
_CUT = "tocsin_slow_disconnects_total"

CHECKS = [
    Goal("delivery_p95_change_percent", "the others' p95 moves by (%)", 25.0, clients=CLIENTS),
]
_PLOTTED = [
    ("calm_delivery_p95_ms", "p95, all read"),
    ("slowed_delivery_p95_ms", "p95, 1 % stalled"),
    ("calm_delivery_p99_ms", "p99, all read"),
    ("slowed_delivery_p99_ms", "p99, 1 % stalled"),
]


def run(options: Options) -> Report:
    """Measures. Raises BenchmarkError, also when the stalled clients were not stalled after all."""
    figures = Figures()
    stalled = max(1, round(options.clients * STALLED_SHARE))
    reading = max(1, options.clients - stalled)
    with Rig(options.folder) as rig:
        stage = Stage(rig, rig.engine(), rig.receivers(), rig.producers(), figures, options)
        lines = [stage.line(_FORM, reading, name) for name in (CALM, SLOWED)]
        for line in lines:
            line.round(min(WARM_UP_MESSAGES, options.messages), options.rate)
        for number in range(options.runs):
            _run_once(stage, lines, stalled, f"fill-{number}")
        conditions = {
            **conditions_of(rig, replace(options, clients=reading)),
            "clients": options.clients,
            "reading_clients": reading,
            "stalled_clients": stalled,
            "forms": _FORM,
        }
    return make_report("slow_reader", conditions, figures, CHECKS, _PLOTTED)


def _run_once(stage: Stage, lines: list[EngineLine], stalled: int, tag: str) -> None:
    options = stage.options
    # Both channels take their turn while one set of stalled clients lasts.
    at_once = max(1, int(STALL_MAX_S * options.rate / len(lines)))
    parts: list[list[Arrivals]] = []
    for begin in range(0, options.messages, at_once):
        messages = min(at_once, options.messages - begin)
        with stalled_clients(stage, stalled, f"{tag}-{begin}"):
            before = stage.engine.metrics()
            parts.append(alternate(lines, messages, options.rate))
            after = stage.engine.metrics()
        left_out, cut = after[_LEFT_OUT] - before[_LEFT_OUT], after[_CUT] - before[_CUT]
        if cut or left_out < stalled * messages:
            raise BenchmarkError(
                f"{stalled} stalled clients were left out {left_out:g} of {stalled * messages} messages, and {cut:g} "
                "were cut: they were not stalled all the time"
            )
        stage.figures.add("messages_left_out", left_out)
    calm, slowed = (pooled(part) for part in zip(*parts, strict=True))
    for name, value in figures_of(calm, slowed).items():
        stage.figures.add(name, value)


def figures_of(calm: Arrivals, slowed: Arrivals) -> dict[str, float]:
    """The figures of one run."""
    figures: dict[str, float] = {}
    for name, arrivals in ((CALM, calm), (SLOWED, slowed)):
        p95, p99 = single_deliveries(arrivals)
        figures |= {f"{name}_delivery_p95_ms": p95, f"{name}_delivery_p99_ms": p99}
        figures[f"{name}_last_client_p95_ms"] = last_client(arrivals)[1]
        figures[f"{name}_receiver_cpu_percent"] = arrivals.cpu_percent
    for what in ("delivery_p95", "delivery_p99", "last_client_p95"):
        ratio = figures[f"{SLOWED}_{what}_ms"] / figures[f"{CALM}_{what}_ms"]
        figures[f"{what}_change_percent"] = 100 * (ratio - 1)
    return figures


@contextlib.contextmanager
def stalled_clients(stage: Stage, count: int, tag: str) -> Iterator[None]:
    """So many subscribers of the slowed channel that do not read, each with more waiting than its kernel takes."""
    engine, form = stage.engine, FORMS[_FORM]
    with contextlib.ExitStack() as open_sockets:
        for sock, _, _ in dial(engine.target(_FORM, "viewer", [SLOWED]), count):
            open_sockets.enter_context(sock)
            sock.sendall(client_frame(encode(m.Subscribe(channel=f"alerts:{FILL}"), form), form))
        stage.producers.open(FILL, engine.target("msgpack", "producer"), 1)
        pump = producer.Pump(group=FILL, frameworks=[FILL], rounds=1, batch=_FILL_BATCH, tag=tag, severity="critical")
        for turn in range(_FILL_ROUNDS_MAX):
            if engine.metrics()[_WAITING] >= count * _FILL_BYTES:
                break
            stage.producers.pump(msgspec.structs.replace(pump, tag=f"{tag}-{turn}"), 1, "fired")
        else:
            raise BenchmarkError(f"{count} clients that do not read have taken {_FILL_ROUNDS_MAX * _FILL_BATCH} alerts")
        stage.producers.close(FILL)
        yield
