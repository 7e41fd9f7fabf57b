"""Servers of tests and benchmarks are started on ports that nobody else has."""

from __future__ import annotations

import pytest

from benchmarks.peers.ports import PortTaken, start_somewhere


def test_a_server_whose_port_was_taken_is_started_on_another_one() -> None:
    tried, undone = list[int](), list[int]()

    def start(port: int) -> None:
        tried.append(port)
        if len(tried) < 3:
            raise PortTaken

    start_somewhere(start, lambda: undone.append(tried[-1]))
    assert len(tried) == 3
    assert undone == tried[:2]


def test_after_a_few_tries_it_is_said() -> None:
    undone = list[int]()

    def start(port: int) -> None:
        raise PortTaken("always")

    with pytest.raises(PortTaken, match="always"):
        start_somewhere(start, lambda: undone.append(1))
    assert len(undone) == 5
