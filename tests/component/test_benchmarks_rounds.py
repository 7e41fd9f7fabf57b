"""How rounds of a benchmark are measured, and its command line."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
import structlog

import benchmarks
from benchmarks import burst, cli, fanout, fanout_analytics, fanout_bare, fanout_busy, fanout_nodes, harness, rounds
from benchmarks.acks import Acked
from benchmarks.arrivals import Arrivals
from benchmarks.control import BenchmarkError
from benchmarks.measure import Verdict
from benchmarks.options import Options, shortened
from benchmarks.report import Figures, Goal, Report, make_report
from benchmarks.rounds import BroadcastLine, EngineLine, last_client, single_deliveries

# ---- rounds


class Scripted:
    """A line that answers what it was told to."""

    name = "scripted"

    def __init__(self) -> None:
        self.rounds: list[int] = []

    def round(self, messages: int, rate: float) -> Arrivals:
        self.rounds.append(messages)
        return Arrivals(clients=1, verdict=Verdict(), last_client_ms=[rate])


def test_lines_take_turns_in_blocks():
    one, two = Scripted(), Scripted()
    pools = rounds.alternate([one, two], 100, 5.0)
    assert one.rounds == two.rounds == [40, 40, 20]
    assert [len(pool.last_client_ms) for pool in pools] == [3, 3]


class FakeReceivers:
    def __init__(self, arrivals: Arrivals) -> None:
        self.arrivals = arrivals

    def arm(self, *_: object) -> None: ...

    def connect(self, *_: object) -> None: ...

    def collect(self, plan: object) -> Arrivals:
        return self.arrivals


class FakeProducers:
    def paced(self, *_: object) -> Acked:
        return Acked(
            sent=1, reasons={}, errors=[], alerts=1, reordered=0, elapsed_ns=1, ack_p50_ms=1, ack_p99_ms=1, late_ms=50.0
        )


def test_a_late_producer_and_a_saturated_receiver_are_said():
    figures = Figures()
    arrivals = Arrivals(clients=1, verdict=Verdict(duplicated=2), cpu_percent=93.0, on_way_ns=10**9)
    line = EngineLine("f", FakeReceivers(arrivals), FakeProducers(), figures)  # type: ignore[arg-type]
    line.round(1, 10.0)
    assert figures.verdict.duplicated == 2
    assert "50 ms late" in figures.warnings[0]
    assert "93 % CPU" in figures.warnings[1]


def test_a_round_that_lost_connections_is_no_round():
    arrivals = Arrivals(clients=2, verdict=Verdict(), closed=1, close_codes=[3008])
    line = EngineLine("f", FakeReceivers(arrivals), FakeProducers(), Figures())  # type: ignore[arg-type]
    with pytest.raises(BenchmarkError, match=r"f closed 1 of 2 connections, close codes \[3008\]"):
        line.round(1, 10.0)


def test_a_round_in_which_nothing_arrived_has_no_percentiles():
    empty = Arrivals(clients=2, verdict=Verdict(missing=2))
    with pytest.raises(BenchmarkError, match="reached all 2"):
        last_client(empty)
    with pytest.raises(BenchmarkError, match="nothing of the round arrived"):
        single_deliveries(empty)


def test_a_broadcast_line_numbers_on_from_round_to_round():
    seen: list[int] = []

    class Sender:
        name = "s"

        def attach(self, *_: object) -> None: ...

        def round(self, receivers: object, plan: object, frame_bytes: int) -> Arrivals:
            seen.append(plan.first)  # type: ignore[attr-defined]
            return Arrivals(clients=1, verdict=Verdict())

    line = BroadcastLine(Sender(), None, Figures(), 1)  # type: ignore[arg-type]
    line.round(3, 1.0)
    line.round(3, 1.0)
    assert seen == [1, 4]


# ---- command line


def report(**figures: float) -> Report:
    collected = Figures()
    for name, value in figures.items():
        collected.add(name, value)
    checks = [Goal("last_client_p99_ms", "p99", 100.0)]
    return make_report("fanout --bare", {"clients": 1}, collected, checks, [("last_client_p99_ms", "p99")])


def scripted(monkeypatch: pytest.MonkeyPatch, outcome: Report | BaseException) -> list[Options]:
    asked: list[Options] = []

    def run(options: Options) -> Report:
        asked.append(options)
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    monkeypatch.setattr(cli.fanout, "run", run)
    return asked


def test_results_are_printed_as_json_and_written_as_json_and_svg(monkeypatch, capsys, tmp_path: Path):
    scripted(monkeypatch, report(last_client_p99_ms=5.0))
    assert benchmarks.main(["fanout", "--json", "--verify", "--out", str(tmp_path / "results")]) == 0
    assert msgspec.json.decode(capsys.readouterr().out)["figures"]["last_client_p99_ms"] == 5
    assert sorted(path.name for path in (tmp_path / "results").iterdir()) == ["fanout-bare.json", "fanout-bare.svg"]


def test_what_is_logged_beside_a_measurement_is_not_among_its_figures(monkeypatch, capsys):
    def run(options: Options) -> Report:
        structlog.get_logger().info("beside")
        return report(last_client_p99_ms=5.0)

    monkeypatch.setattr(cli.fanout, "run", run)
    before = structlog.get_config()
    assert benchmarks.main(["fanout", "--json"]) == 0
    out, err = capsys.readouterr()
    assert (msgspec.json.decode(out)["scenario"], "beside" in err) == ("fanout --bare", True)
    assert structlog.get_config() == before


def test_verify_fails_at_100_ms_and_only_when_asked(monkeypatch, capsys):
    scripted(monkeypatch, report(last_client_p99_ms=100.0))
    assert benchmarks.main(["fanout"]) == 0
    assert benchmarks.main(["fanout", "--verify"]) == 1
    assert "NOT MET" in capsys.readouterr().out


def test_a_failed_measurement_says_why_and_exits_1(monkeypatch, capsys):
    scripted(monkeypatch, BenchmarkError("the engine ended"))
    assert benchmarks.main(["fanout"]) == 1
    assert "the engine ended" in capsys.readouterr().err


def test_sigterm_ends_a_benchmark_as_ctrl_c_does(monkeypatch, capsys):
    def run(options: Options) -> Report:
        os.kill(os.getpid(), signal.SIGTERM)
        raise AssertionError("not reached")

    monkeypatch.setattr(cli.fanout, "run", run)
    before = signal.getsignal(signal.SIGTERM)
    assert benchmarks.main(["fanout"]) == 130
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize(
    "wrong", [["fanout", "--clients", "0"], ["fanout", "--rate", "x"], ["dance"], ["fanout", "--runs", "21"]]
)
def test_wrong_arguments_exit_2_and_say_what_is_allowed(wrong: list[str], capsys):
    with pytest.raises(SystemExit) as left:
        benchmarks.main(wrong)
    assert left.value.code == 2
    assert "usage: tocsin bench" in capsys.readouterr().err


def test_arguments_become_options(monkeypatch):
    asked = scripted(monkeypatch, report())
    sizes = ["--clients", "7", "--runs", "3", "--messages", "9", "--idle", "2", "--open", "5"]
    benchmarks.main(["fanout", "--short", *sizes])
    [options] = asked
    assert (options.clients, options.runs, options.messages, options.burst) == (7, 3, 9, 9)
    assert (options.idle, options.open_alerts, options.short) == (2, 5, True)
    assert options.triggers == shortened(Options()).triggers < Options().triggers


def test_a_name_means_its_scenarios():
    names = [name for name in cli.NAMES if name not in ("fanout", "soak", "all")]
    rest = [scenario for name in names for scenario in cli.scenarios(name, Options())]
    fan_outs = [fanout.run, fanout_bare.run, fanout_busy.run, fanout_nodes.run, fanout_analytics.run]
    assert cli.scenarios("all", Options()) == [*fan_outs, *rest]
    assert cli.scenarios("fanout", Options(bare=True, busy=True)) == [fanout_bare.run, fanout_busy.run]
    assert cli.scenarios("burst", Options()) == [burst.run]


def test_without_the_extras_there_are_benchmarks_all_the_same():
    extras = ("redis", "asyncpg", "greenlet", "uvloop", "psycopg", "procrastinate")
    program = f"import sys; sys.modules.update(dict.fromkeys({extras})); import benchmarks.cli"
    done = subprocess.run([sys.executable, "-c", program], env=harness.environment(), capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_module_runs_as_a_program(monkeypatch, capsys):
    import runpy

    monkeypatch.setattr(sys, "argv", ["benchmarks", "dance"])
    # Some other test may have imported all there is.
    monkeypatch.delitem(sys.modules, "benchmarks.__main__", raising=False)
    with pytest.raises(SystemExit) as left:
        runpy.run_module("benchmarks", run_name="__main__")
    assert left.value.code == 2
