"""Receiver and producer of a benchmark against a stand-in for the engine that is faulty where it is asked to be."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import msgspec
import pytest

from benchmarks import floor, producer, receiver
from benchmarks.acks import Acked
from benchmarks.control import BenchmarkError
from benchmarks.dial import Target, dial
from protocol.codec import WireForm
from tests.support.stand_in import StandIn, collect, listening, plan, stand_in

__all__ = ["listening", "stand_in"]


@pytest.fixture
def producing() -> Iterator[producer.Producer]:
    producing = producer.Producer()
    yield producing
    for group in list(producing._groups):
        producing.obey(producer.Close(group=group))


def one_round(
    stand_in: StandIn,
    listening: receiver.Receiver,
    producing: producer.Producer,
    form: str = "json",
    messages: int = 4,
    deadline_s: float = 30.0,
) -> receiver.Arrivals:
    listening.obey(receiver.Connect(group="g", target=stand_in.target(form, "viewer", ["f"]), clients=3))
    producing.obey(producer.Open(group="g", target=stand_in.target(form, "producer"), connections=1))
    listening.obey(receiver.Arm(group="g", client_bytes=100_000))
    at = plan(messages, interval_ns=1_000_000)
    acked = producing.obey(producer.Paced(group="g", framework="f", plan=at))
    assert isinstance(acked, Acked)
    assert acked.reasons == {"fired": messages}
    return collect(listening, at, deadline_s=deadline_s)


# ---- receiver and producer


@pytest.mark.parametrize("form", ["json", "msgpack"])
def test_every_delivery_of_a_round_is_timed_and_in_order(stand_in, listening, producing, form: str):
    arrivals = one_round(stand_in, listening, producing, form)
    assert arrivals.verdict.is_clean
    assert (arrivals.clients, arrivals.deliveries, len(arrivals.last_client_ms)) == (3, 12, 4)
    assert 0 < arrivals.cpu_percent <= 100
    assert arrivals.frame_bytes > 50


def test_a_lost_and_a_doubled_event_are_found_at_every_client(stand_in, listening, producing):
    stand_in.fault = lambda offset: {2: 0, 3: 2}.get(offset, 1)
    # What is lost is waited for to the end; the rest has come long before.
    arrivals = one_round(stand_in, listening, producing, deadline_s=2.0)
    assert (arrivals.verdict.missing, arrivals.verdict.duplicated) == (3, 3)


def test_an_alert_outside_of_a_round_counts_as_a_duplicate_of_the_next(stand_in, listening, producing):
    one_round(stand_in, listening, producing)
    acked = producing.obey(producer.Paced(group="g", framework="f", plan=plan(1, first=5)))
    assert acked.alerts == 1
    listening._settle(0.05, time.monotonic() + 60)
    listening.obey(receiver.Arm(group="g", client_bytes=10_000))
    assert collect(listening, plan(1, first=5), deadline_s=0.2).verdict.duplicated == 3


def test_a_ping_outside_of_a_round_is_answered(stand_in, listening):
    listening.obey(receiver.Connect(group="g", target=stand_in.target("json", "viewer", ["f"]), clients=1))
    stand_in._socks[0].sendall(b"\x89\x00")
    listening._take(60.0)
    assert stand_in.heard_control.wait(60.0), "whoever does not answer is taken for dead"
    assert listening.obey(receiver.Census(group="g")) == {"closed": 0}


def test_connections_that_the_server_ends_are_counted_and_not_awaited(stand_in, listening, producing):
    stand_in.drop_subscribers = True
    arrivals = one_round(stand_in, listening, producing, messages=1)
    assert (arrivals.closed, arrivals.verdict.missing) == (3, 3)
    listening.obey(receiver.Arm(group="g", client_bytes=1_000))
    assert collect(listening, plan(1), deadline_s=0.1).closed == 3


@pytest.mark.parametrize("armed", [True, False])
def test_a_reset_is_an_end_like_any_other(listening, armed: bool):
    sender = floor.Floor()
    target = Target(host="127.0.0.1", port=sender.port, plain=True)
    listening.obey(receiver.Connect(group="g", target=target, clients=2))
    sender.accept(2)
    if armed:
        listening.obey(receiver.Arm(group="g", client_bytes=1_000))
    sender._clients[0].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    sender.close()
    listening._settle(0.05, time.monotonic() + 60)
    listening.obey(receiver.Arm(group="g", client_bytes=1_000))
    assert collect(listening, plan(1), deadline_s=0.1).closed == 2


def test_more_bytes_than_planned_end_the_round_with_the_reason(stand_in, listening, producing):
    listening.obey(receiver.Connect(group="g", target=stand_in.target("json", "viewer", ["f"]), clients=1))
    producing.obey(producer.Open(group="g", target=stand_in.target("json", "producer"), connections=1))
    listening.obey(receiver.Arm(group="g", client_bytes=20))
    producing.obey(producer.Paced(group="g", framework="f", plan=plan(1)))
    with pytest.raises(BenchmarkError, match="20 bytes planned"):
        collect(listening, plan(1))


def test_collecting_needs_an_armed_group_and_closing_a_known_one_disarms(stand_in, listening):
    with pytest.raises(BenchmarkError, match="without arm"):
        collect(listening, plan(1))
    listening.obey(receiver.Connect(group="g", target=stand_in.target("json", "viewer", ["f"]), clients=1))
    listening.obey(receiver.Arm(group="g", client_bytes=20))
    assert listening.obey(receiver.Close(group="g")) == {"closed": "g"}
    assert listening.obey(receiver.Close(group="g")) == {"closed": "g"}
    with pytest.raises(BenchmarkError, match="without arm"):
        collect(listening, plan(1))


def test_a_refused_or_dropped_client_says_why(stand_in, listening):
    stand_in.refuse = "not you"
    with pytest.raises(BenchmarkError, match="not you"):
        list(dial(stand_in.target("json", "viewer", ["f"]), 1))
    stand_in.hang_up = True
    with pytest.raises(BenchmarkError, match="handshake"):
        list(dial(stand_in.target("json", "viewer", ["f"]), 1))


def test_a_handshake_without_a_conversation_is_enough_for_a_broadcaster(stand_in):
    target = msgspec.structs.replace(stand_in.target("json", "viewer"), token="")
    [(sock, place, rest)] = dial(target, 1)
    sock.close()
    assert place.offset == 0
    assert rest in (b"", b"\x89\x00")


@pytest.mark.parametrize("repeat", [False, True])
def test_a_closed_loop_counts_acks_by_reason(stand_in, producing, repeat: bool):
    producing.obey(producer.Open(group="g", target=stand_in.target("msgpack", "producer"), connections=2))
    command = producer.Pump(group="g", frameworks=["f"], rounds=3, batch=5, tag="t", repeat=repeat)
    acked = producing.obey(command)
    assert acked.reasons == ({"fired": 10, "duplicate": 20} if repeat else {"fired": 30})
    assert acked.alerts == (10 if repeat else 30)
    assert acked.ack_p99_ms >= acked.ack_p50_ms > 0


def test_acks_that_never_come_end_a_loop_at_its_deadline(stand_in, producing):
    stand_in.silent = True
    producing.obey(producer.Open(group="g", target=stand_in.target("json", "producer"), connections=1))
    with pytest.raises(BenchmarkError, match="1 producers still wait"):
        producing.obey(producer.Pump(group="g", frameworks=["f"], rounds=1, batch=1, tag="t", deadline_s=0.05))
    acked = producing.obey(producer.Paced(group="g", framework="f", plan=plan(1), deadline_s=0.05))
    assert (acked.sent, acked.reasons, acked.ack_p50_ms) == (1, {}, 0)


def test_refusals_and_hang_ups_are_told(stand_in, producing):
    producing.obey(producer.Open(group="g", target=stand_in.target("json", "producer"), connections=1))
    stand_in.refuse = "slow down"
    acked = producing.obey(producer.Pump(group="g", frameworks=["f"], rounds=1, batch=1, tag="t"))
    assert acked.errors == ["103: slow down"]
    stand_in.hang_up = True
    with pytest.raises(BenchmarkError, match="without a word"):
        producing.obey(producer.Pump(group="g", frameworks=["f"], rounds=1, batch=1, tag="t"))


def test_a_close_frame_to_a_producer_is_an_error():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"\x88\x02\x0b\xc0")
        with pytest.raises(BenchmarkError, match="closed a producer"):
            producer.Connection(ours, WireForm.JSON, b"").read()
