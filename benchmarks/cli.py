"""The command line of the benchmarks: what to run, how large, and where the results go.

Prints a table, or with `--json` one JSON object a scenario; with `--out` also writes `<scenario>.json` and `.svg`.
Exit codes: 0; 1 when `--verify` (which `soak` implies) is not satisfied or a measurement failed; 2 for wrong arguments;
130 after Ctrl-C or SIGTERM, when every process has been ended.
"""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import FrameType

import structlog

from benchmarks import (
    api,
    burst,
    cache,
    connections,
    core,
    counts,
    fanout,
    fanout_analytics,
    fanout_bare,
    fanout_busy,
    fanout_nodes,
    forecast,
    ingest,
    jobs,
    month,
    nab,
    patterns,
    readings,
    slow_reader,
    soak,
    storm,
    suppress,
    workflows,
)
from benchmarks.control import BenchmarkError
from benchmarks.options import ALERTS_MAX, CLIENTS_MAX, MESSAGES_MAX, OPEN_MAX, RUNS_MAX, Options, shortened
from benchmarks.report import Report, to_json, to_svg, to_table

Scenario = Callable[[Options], Report]
# Those that have no variants, in the order of `all`, which leaves out the soak: that takes as long as it is told to.
_BY_NAME: dict[str, Scenario] = {
    "burst": burst.run,
    "ingest": ingest.run,
    "readings": readings.run,
    "api": api.run,
    "suppress": suppress.run,
    "connections": connections.run,
    "storm": storm.run,
    "slow_reader": slow_reader.run,
    "core": core.run,
    "nab": nab.run,
    "forecast": forecast.run,
    "patterns": patterns.run,
    "counts": counts.run,
    "month": month.run,
    "workflows": workflows.run,
    "jobs": jobs.run,
    "cache": cache.run,
    "soak": soak.run,
}
NAMES = ("fanout", *_BY_NAME, "all")
# These have neither clients nor deliveries.
_SILENT = ("core", "nab", "forecast", "patterns", "counts", "month", "workflows", "api", "cache")
_TALKING = tuple(name for name in NAMES if name not in _SILENT)
# These measure on a Postgres of their own, or on the one that `--store URL` names.
_ON_POSTGRES = ("ingest", "jobs", "counts", "month")
# Options that mean something to these scenarios only (and to `all`): to others they are refused, not quietly ignored.
_MEANT_FOR: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("clients", "messages", "rate", "verify"), _TALKING),
    **dict.fromkeys(("idle", "open", "bare", "busy", "nodes", "analytics"), ("fanout",)),
    "seconds": ("connections",),
    # One history of so many alerts says more than several of fewer.
    "runs": tuple(name for name in NAMES if name != "counts"),
    "store": ("storm", *_ON_POSTGRES),
    "minutes": ("soak",),
    "alerts": ("counts", "month"),
    "data": ("nab", "forecast"),
}


def main(argv: Sequence[str]) -> int:
    """Runs what the arguments ask for; the exit code."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    _check(parser, arguments)
    options = _options(arguments)
    passed = True
    try:
        with _terminable(), _logging_to_stderr():
            for scenario in scenarios(arguments.name, options):
                report = scenario(options)
                _tell(report, as_json=arguments.json, out=arguments.out)
                passed = passed and report.is_verified
    except BenchmarkError as fault:
        print(f"the measurement failed: {fault}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; everything that was started is ended", file=sys.stderr)
        return 130
    # A soak has no other purpose than its verdict.
    if (options.verify or arguments.name == "soak") and not passed:
        print("not verified: see NOT MET and the delivery counts above", file=sys.stderr)
        return 1
    return 0


def scenarios(name: str, options: Options) -> list[Scenario]:
    """What a name means."""
    if name == "all":
        rest = [scenario for other, scenario in _BY_NAME.items() if other != "soak"]
        return [fanout.run, fanout_bare.run, fanout_busy.run, fanout_nodes.run, fanout_analytics.run, *rest]
    if name == "fanout":
        asked: list[Scenario] = []
        if options.bare:
            asked.append(fanout_bare.run)
        if options.busy:
            asked.append(fanout_busy.run)
        if options.nodes:
            asked.append(fanout_nodes.run)
        if options.analytics:
            asked.append(fanout_analytics.run)
        return asked or [fanout.run]
    return [_BY_NAME[name]]


def _tell(report: Report, *, as_json: bool, out: Path | None) -> None:
    print(to_json(report).decode() if as_json else to_table(report), flush=True)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        stem = out / report.scenario.replace(" --", "-")
        stem.with_suffix(".json").write_bytes(to_json(report) + b"\n")
        stem.with_suffix(".svg").write_text(to_svg(report))


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM ends a benchmark as Ctrl-C does: by unwinding, so that no process stays behind."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def _logging_to_stderr() -> Iterator[None]:
    """What parts of the engine log in this process is not among the figures."""
    before = structlog.get_config()
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    try:
        yield
    finally:
        structlog.configure(**before)


def _bounded(kind: type[int] | type[float], low: float, high: float) -> Callable[[str], float]:
    def parse(text: str) -> float:
        value = kind(text)
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{text} is not allowed: {low:g} to {high:g}")
        return value

    # argparse names the type in its message for what is no number at all.
    parse.__name__ = "number"
    return parse


def _parser() -> argparse.ArgumentParser:
    defaults = Options()
    clients, idle = _bounded(int, 1, CLIENTS_MAX), _bounded(int, 0, CLIENTS_MAX)
    messages, runs = _bounded(int, 1, MESSAGES_MAX), _bounded(int, 1, RUNS_MAX)
    parser = argparse.ArgumentParser(prog="tocsin bench", description="Load benchmarks on loopback, with their floor.")
    add = parser.add_argument
    add("name", choices=NAMES)
    add("--clients", type=clients, help="subscribers (1,000; of connections 10,000)")
    add("--messages", type=messages, help="messages of a round (200; of burst 300)")
    add("--rate", type=_bounded(float, 0.1, 1_000), default=defaults.rate, help="messages a second (20)")
    add("--runs", type=runs, help="how often everything is measured (5)")
    add("--idle", type=idle, default=0, help="fanout: idle connections besides")
    add("--open", type=_bounded(int, 0, OPEN_MAX), default=0, help="fanout: alerts that are open before it")
    add("--seconds", type=_bounded(float, 0.1, 600), default=defaults.idle_s, help="connections: how long idle (30)")
    minutes = _bounded(float, 0.05, 24 * 60)
    add(
        "--minutes",
        type=minutes,
        default=defaults.minutes,
        help="soak: its long act (15); all of it takes up to two more",
    )
    add("--alerts", type=_bounded(int, 1_000, ALERTS_MAX), help="counts, month: so many (1,000,000; 10,000,000)")
    add("--data", type=Path, help="nab, forecast: a checkout of numenta/NAB (default: series of our own)")
    add("--bare", action="store_true", help="fanout: broadcast only, beside the peers")
    add("--busy", action="store_true", help="fanout: beside busy threads in the engine's process")
    add("--analytics", action="store_true", help="fanout: beside patterns, predictions, insights and counts")
    add("--nodes", action="store_true", help="fanout: from one node to the clients of another, beside one node alone")
    add(
        "--store",
        nargs="?",
        const=True,
        metavar="URL",
        help="storm: after a restart, so that history comes from the store; ingest, jobs, counts, month: with the URL"
        " of a Postgres database that is migrated and empty, instead of a server of their own",
    )
    add("--verify", action="store_true", help="exit 1 if p99 of any run is 100 ms or more, or a delivery is wrong")
    add("--short", action="store_true", help="fewer runs of fewer messages")
    add("--json", action="store_true", help="one JSON object a scenario instead of a table")
    add("--out", type=Path, help="also write JSON and SVG into this folder")
    add("--folder", type=Path, help="where the data lies meanwhile (default: the temporary folder)")
    return parser


def _check(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> None:
    """Ends with 2 for an option that means nothing to what is to run."""
    for option, names in _MEANT_FOR.items():
        is_given = getattr(arguments, option) != parser.get_default(option)
        if is_given and arguments.name not in (*names, "all"):
            parser.error(f"--{option} means nothing to {arguments.name}: it is for {', '.join(names)}")
    if arguments.store is True and arguments.name in _ON_POSTGRES:
        parser.error(f"--store needs the URL of a Postgres database for {arguments.name}")
    if isinstance(arguments.store, str) and arguments.name == "storm":
        parser.error("--store takes no URL for storm: its engine is started again on its own store")


def _options(arguments: argparse.Namespace) -> Options:
    options = Options(
        rate=arguments.rate,
        bare=arguments.bare,
        from_store=arguments.store is not None,
        store_url=arguments.store if isinstance(arguments.store, str) else None,
        minutes=arguments.minutes,
        busy=arguments.busy,
        analytics=arguments.analytics,
        nodes=arguments.nodes,
        idle=arguments.idle,
        open_alerts=arguments.open,
        idle_s=arguments.seconds,
        alerts=arguments.alerts,
        verify=arguments.verify,
        data=arguments.data,
        folder=arguments.folder,
    )
    options = shortened(options) if arguments.short else options
    if arguments.clients is not None:
        options = replace(options, clients=arguments.clients, crowd=arguments.clients)
    if arguments.runs is not None:
        options = replace(options, runs=arguments.runs)
    if arguments.messages is not None:
        options = replace(options, messages=arguments.messages, burst=arguments.messages)
    return options
