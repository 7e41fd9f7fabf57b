"""`fanout --nodes`: which lines there are, between whom, and what makes them no measurement."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from benchmarks import cli, fanout_nodes, nodes, rig, started_engine
from benchmarks.arrivals import Arrivals
from benchmarks.control import BenchmarkError
from benchmarks.dial import Target
from benchmarks.measure import Verdict
from benchmarks.options import Options
from benchmarks.report import Figures, Report
from benchmarks.started_engine import SeenNode
from engine.core.ownership import Owners
from engine.telemetry.figure_table import FIGURES
from engine.verbs.nodes import NodeList, NodeShown
from tests.support.stand_in import StandIn
from tests.support.tiny import TINY, hurry

IDS = ("first.1", "second.2")


class Node:
    """A node of a cluster whose members all are one stand-in; it sees those that are there."""

    def __init__(self, server: StandIn, name: str, others: list[str]) -> None:
        self._server, self._name, self._others = server, name, others
        self.missed = 0.0
        self.asked: list[tuple[str, str]] = []

    def target(self, form: str, role: str, frameworks: list[str] = [], workspace: str = "") -> Target:  # noqa: B006
        self.asked.append((role, workspace))
        return self._server.target(form, role, frameworks)

    def nodes(self) -> list[SeenNode]:
        return [SeenNode(name, "live", name == self._name) for name in self._others]

    def metrics(self) -> dict[str, float]:
        return dict.fromkeys(nodes._UNHEARD, self.missed)


def has_redis(monkeypatch: pytest.MonkeyPatch, where: str | None) -> None:
    """Where the program is looked for; all others (a compiler) are where they are."""
    which = shutil.which
    monkeypatch.setattr(shutil, "which", lambda name: where if name == "redis-server" else which(name))


def left_out(report: Report) -> list[str]:
    """What the machine was too slow for may be said as well."""
    return [text for text in report.warnings if "left out" in text]


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Node]]:
    """The nodes that a scenario starts, by the name of their process; and what they are told."""
    hurry(monkeypatch)
    server, started = StandIn(), dict[str, Node]()

    @contextlib.contextmanager
    def of_its_own(self: rig.Rig, name: str, **settings: str) -> Iterator[Node]:
        started[name] = Node(server, IDS[name.endswith("second")], [*IDS])
        yield started[name]

    @contextlib.contextmanager
    def place(*_: object) -> Iterator[Any]:
        yield SimpleNamespace(database=lambda: contextlib.nullcontext("postgresql://"))

    monkeypatch.setattr(rig.Rig, "engine", lambda self: Node(server, "alone", ["alone"]))
    monkeypatch.setattr(rig.Rig, "engine_of_its_own", of_its_own)
    monkeypatch.setattr(fanout_nodes, "place", place)
    monkeypatch.setattr(fanout_nodes, "redis", lambda *_: contextlib.nullcontext("/socket"))
    has_redis(monkeypatch, "/redis-server")
    yield started
    server.close()


def test_all_lines_are_measured_and_two_nodes_are_held_against_one_on_either_store(started: dict[str, Node]):
    report = fanout_nodes.run(TINY)
    assert report.verdict.is_clean
    assert left_out(report) == []
    assert {check.figure for check in report.checks} == {goal.figure for goal in fanout_nodes.CHECKS}
    assert len(report.checks) == 1 + 2 * 2 * 2
    lines = ["alone_sqlite", "alone_postgres", "owned_notify", "forwarded_notify", "owned_redis", "forwarded_redis"]
    assert [name for name, _ in report.plotted] == [f"{line}_last_client_p50_ms" for line in [*lines, "floor"]]
    p99s = [report.figures[f"{line}_last_client_p99_ms"] for line in lines]
    assert report.figures["last_client_p99_ms"] == max(p99s)


def test_the_first_is_triggered_the_second_is_listened_to_and_each_owns_a_workspace_of_these(started: dict[str, Node]):
    fanout_nodes.run(TINY)
    first, second = started["redis-first"].asked, started["redis-second"].asked
    assert [role for role, _ in first] == ["producer"] * 2
    assert [role for role, _ in second] == ["viewer"] * 2
    assert [Owners(IDS).of(workspace) for _, workspace in first] == [*IDS]
    assert [workspace for _, workspace in first] == [workspace for _, workspace in second]


def test_without_a_redis_two_nodes_are_measured_over_postgres_and_that_is_said(started, monkeypatch):
    has_redis(monkeypatch, None)
    report = fanout_nodes.run(TINY)
    assert left_out(report) == ["Redis is left out: there is no redis-server here"]
    assert {"owned_notify_of_postgres", "forwarded_notify_of_postgres"} <= report.figures.keys()
    assert not [name for name in report.figures if "redis" in name]


def test_without_a_postgres_one_node_is_measured(started, monkeypatch):
    monkeypatch.setattr(fanout_nodes, "place", lambda *_: contextlib.nullcontext(None))
    report = fanout_nodes.run(TINY)
    assert [check.figure for check in report.checks] == ["last_client_p99_ms"]
    assert started == {}


def test_two_nodes_may_take_one_and_a_half_times_what_one_takes_and_five_milliseconds():
    def arrivals(ms: float) -> Arrivals:
        return Arrivals(clients=1, verdict=Verdict(), last_client_ms=[ms])

    figures = fanout_nodes.figures_of({"alone_postgres": arrivals(10), "owned_redis": arrivals(30)})
    assert figures["owned_redis_of_postgres"] == 1.5
    assert "owned_redis_of_sqlite" not in figures


def a_pair(ids: tuple[str, str] = IDS) -> nodes.Pair:
    server: Any = SimpleNamespace()
    first, second = (Node(server, name, [*IDS]) for name in IDS)
    return nodes.Pair("redis", first, second, ids, 0.0)  # type: ignore[arg-type]  # the stand-ins


def test_nodes_that_missed_each_other_are_a_doubtful_measurement():
    figures, pair = Figures(), a_pair()
    pair.check(figures)
    assert figures.warnings == []
    pair.second.missed = 1  # type: ignore[attr-defined]  # the stand-in
    pair.check(figures)
    assert "missed each other 3 times" in figures.warnings[0]


def test_another_node_than_before_is_no_measurement():
    with pytest.raises(BenchmarkError, match="who owned what has changed"):
        a_pair(("first.0", "second.2")).check(Figures())


def test_nodes_that_do_not_meet_are_no_measurement(started, monkeypatch):
    monkeypatch.setattr(nodes, "MEET_MAX_S", 0.0)
    monkeypatch.setattr(nodes, "_LOOK_AGAIN_S", 0.0)
    monkeypatch.setattr(
        Node, "nodes", lambda self: [SeenNode(self._name, "live", True), SeenNode("x", "silent", False)]
    )
    with pytest.raises(BenchmarkError, match="a node sees no other"):
        fanout_nodes.run(TINY)


def test_what_is_asked_of_an_engine_is_what_it_says():
    shown = [
        NodeShown(id=name, address="", version="", started_at="", state="live", seen_s=0.0, is_this=name == IDS[0])
        for name in IDS
    ]
    answer = msgspec.json.encode(NodeList(items=shown))
    assert msgspec.json.decode(answer, type=started_engine._Nodes).items == [
        SeenNode(IDS[0], "live", True),
        SeenNode(IDS[1], "live", False),
    ]
    assert set(nodes._UNHEARD) <= {f"{name}_total" for figure in FIGURES.values() for name in figure.names}


def test_nodes_are_asked_for_by_a_word_of_fanout():
    assert cli.scenarios("fanout", Options(nodes=True)) == [fanout_nodes.run]
