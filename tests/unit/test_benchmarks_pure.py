"""The pure parts of the benchmarks: frames, percentiles, verdicts, reports, plots. Checkers fail on planted faults."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import machine, measure, report, wire
from benchmarks.acks import Ledger
from benchmarks.arrivals import Arrivals, Client, Group, Plan, on_their_way_ns, pooled, read_round
from benchmarks.measure import Spread, Verdict
from benchmarks.report import Figures, Goal, make_report
from protocol.codec import WireForm, encode, frame
from protocol.items import ItemResult
from protocol.messages import Accepted, ErrorMessage, Ping, Pong
from protocol.model import Reason, Status

# ---- wire


def test_a_handshake_asks_for_msgpack_by_subprotocol_and_for_json_by_none():
    assert b"Sec-WebSocket-Protocol: tocsin.v1.msgpack\r\n" in wire.handshake("127.0.0.1", 1, WireForm.MSGPACK)
    plain = wire.handshake("127.0.0.1", 1, WireForm.JSON)
    assert b"Protocol" not in plain
    assert plain.endswith(b"\r\n\r\n")


def test_an_answer_to_the_upgrade_is_complete_refused_or_not_there_yet():
    assert wire.handshake_end(b"HTTP/1.1 101 Switching Pro") == 0
    answer = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"
    assert wire.handshake_end(answer + b"rest") == len(answer)
    with pytest.raises(wire.BadStream, match="503"):
        wire.handshake_end(b"HTTP/1.1 503 Full\r\n\r\n")


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536])
def test_a_client_frame_is_masked_with_zeros_whatever_its_size(size: int):
    framed = wire.client_frame(b"x" * size, WireForm.JSON)
    assert framed[0] == 0x81
    assert framed[1] & 0x80
    assert framed.endswith(b"\0\0\0\0" + b"x" * size)


@given(st.lists(st.integers(0, 70_000), max_size=5), st.integers(0, 200))
def test_walking_finds_every_whole_frame_and_stops_at_the_torn_one(sizes: list[int], torn: int):
    whole = b"".join(frame(b"y" * size, WireForm.MSGPACK) for size in sizes)
    data = whole + frame(b"z" * 200, WireForm.JSON)[:torn]
    frames = list(wire.walk(data))
    assert [end - begin for _, begin, end in frames] == sizes
    assert (frames[-1][2] if frames else 0) == len(whole)


@pytest.mark.parametrize("head", [b"\x01\x00", b"\x81\x80", b"\xc1\x00", b"\x83\x00"])
def test_walking_refuses_what_a_server_of_ours_never_sends(head: bytes):
    with pytest.raises(wire.BadStream, match="byte 0"):
        list(wire.walk(head))


def alert(number: int, size: int = 120) -> bytes:
    return frame(wire.numbered_payload(number, number, size), WireForm.JSON)


def test_a_stream_tells_offsets_numbers_sizes_and_the_close_code():
    position = frame(b'{"type":"position","offset":7}', WireForm.JSON)
    packed = frame(msgspec.msgpack.encode({"type": "alert", "offset": 8}), WireForm.MSGPACK)
    stream = wire.read_stream(alert(5) + position + packed + b"\x89\x00" + b"\x88\x02\x0b\xb9" + alert(6)[:9], {})
    assert (stream.offsets, stream.numbers) == ([5, 8], [5, -1])
    assert stream.alert_bytes == len(alert(5)) + len(packed)
    assert stream.close_code == 3001
    assert wire.read_stream(b"\x88\x00", {}).close_code == 1005


def test_a_message_that_cannot_be_read_stops_the_benchmark():
    with pytest.raises(wire.BadStream, match="unreadable"):
        wire.read_stream(frame(b"{", WireForm.JSON), {})


def test_a_numbered_payload_has_exactly_the_size_asked_for_or_is_refused():
    assert len(wire.numbered_payload(3, 3, 300)) == 300
    with pytest.raises(ValueError, match="at least"):
        wire.numbered_payload(3, 3, 20)


@pytest.mark.parametrize("size", [100, 125, 126, 5_000, 65_535, 65_536])
def test_the_header_of_a_frame_is_known_from_its_whole_size(size: int):
    framed = frame(bytes(size), WireForm.JSON)
    assert wire.header_bytes(len(framed)) == len(framed) - size


# ---- measure


def test_a_percentile_is_a_value_that_occurred():
    values = [float(n) for n in range(100, 0, -1)]
    assert measure.percentile(values, 99) == 99
    assert measure.percentiles(values, (0, 50, 100)) == [1, 50, 100]
    assert measure.percentile([7.0], 99) == 7


def test_nothing_has_no_percentile_and_no_spread():
    with pytest.raises(ValueError):
        measure.percentile([], 50)
    with pytest.raises(ValueError):
        measure.percentiles([], [50])
    with pytest.raises(ValueError):
        measure.spread([])


def test_a_spread_is_median_minimum_maximum():
    assert measure.spread([3, 1, 2]) == Spread(2, 1, 3)
    assert measure.spread([4, 1]) == Spread(2.5, 1, 4)


def test_planted_losses_doubles_and_swaps_are_found():
    assert measure.verify([11, 12, 13], 10, 3).is_clean
    assert measure.verify([11, 13], 10, 3) == Verdict(missing=1)
    assert measure.verify([11, 12, 12, 13], 10, 3) == Verdict(duplicated=1)
    assert measure.verify([11, 13, 12], 10, 3) == Verdict(reordered=1)
    assert measure.verify([10, 11, 12, 13, 14], 10, 3) == Verdict(duplicated=2)
    assert not (Verdict(missing=1) + Verdict()).is_clean


@given(st.lists(st.integers(1, 20), max_size=40))
def test_a_verdict_counts_what_a_naive_reader_counts(offsets: list[int]):
    verdict = measure.verify(offsets, 0, 10)
    assert verdict.missing == sum(n not in offsets for n in range(1, 11))
    assert verdict.duplicated == len(offsets) - len({n for n in offsets if n <= 10})


def test_a_frame_arrived_with_the_read_that_brought_its_last_byte():
    assert measure.arrival_times([5, 10, 11], [4, 10, 30], [100, 200, 300]) == [200, 200, 300]
    with pytest.raises(ValueError, match="byte 31"):
        measure.arrival_times([31], [30], [1])


def test_overlapping_spans_are_covered_once():
    assert measure.covered([(0, 10), (5, 12), (20, 21), (6, 7)]) == 13
    assert measure.covered([]) == 0


# ---- arrivals


def heard(data: bytes, times: list[int], ends: list[int], tail: bytes = b"") -> Client:
    client = Client(None, 0, tail)  # type: ignore[arg-type]  # reading what came needs no socket
    client.arm(memoryview(bytearray(4_096)))
    client.view[client.pos : client.pos + len(data)] = data
    client.pos += len(data)
    client.chunk_ends, client.chunk_times = ends, times
    return client


def test_a_round_tells_the_last_client_of_each_message_and_the_verdict_of_all():
    one, two, size = alert(1), alert(2), len(alert(1))
    group = Group()
    group.clients = [
        heard(one + two, [1_000_000, 9_000_000], [size, 2 * size]),
        heard(one[9:] + two, [3_000_000, 4_000_000], [size, 2 * size], tail=one[:9]),
    ]
    arrivals, _ = read_round(group, Plan(messages=2, first=1, start_ns=0, interval_ns=2_000_000))
    assert arrivals.verdict.is_clean
    assert arrivals.last_client_ms == [3.0, 7.0]
    assert sorted(arrivals.delivery_ms) == [1.0, 2.0, 3.0, 7.0]
    assert (arrivals.deliveries, arrivals.reads, arrivals.elapsed_ns) == (4, 4, 9_000_000)
    assert arrivals.frame_bytes == size


def test_a_message_that_missed_one_client_has_no_last_client():
    one, two = alert(1), alert(2)
    group = Group()
    group.clients = [heard(one + two, [1], [len(one + two)]), heard(one, [1], [len(one)])]
    arrivals, _ = read_round(group, Plan(messages=2, first=1, start_ns=0, interval_ns=0))
    assert arrivals.verdict == Verdict(missing=1)
    assert len(arrivals.last_client_ms) == 1


def test_strays_numbers_of_nobody_and_close_codes_are_told():
    group = Group()
    group.strays, data = 3, alert(99) + b"\x88\x02\x0b\xc0"
    group.clients = [heard(data, [1], [len(data)])]
    arrivals, _ = read_round(group, Plan(messages=1, first=1, start_ns=0, interval_ns=0))
    assert arrivals.verdict == Verdict(missing=1, duplicated=4)
    assert arrivals.close_codes == [3008]
    assert arrivals.delivery_ms == []


def test_rounds_are_pooled_value_by_value():
    one = Arrivals(clients=2, verdict=Verdict(missing=1), last_client_ms=[1.0], delivery_ms=[1.0], frame_bytes=10)
    two = Arrivals(clients=2, verdict=Verdict(), last_client_ms=[2.0], delivery_ms=[0.5], frame_bytes=20, closed=1)
    one.on_way_ns, one.cpu_percent, two.on_way_ns, two.cpu_percent = 3, 10.0, 1, 50.0
    whole = pooled([one, two])
    assert (whole.last_client_ms, whole.delivery_ms) == ([1.0, 2.0], [1.0, 0.5])
    assert (whole.on_way_ns, whole.cpu_percent) == (4, 20), "a share of time is weighed by that time"
    assert (whole.verdict.missing, whole.frame_bytes, whole.closed) == (1, 15, 1)


def test_time_on_the_way_counts_overlapping_messages_once():
    arrivals = Arrivals(clients=1, verdict=Verdict(), last_client_ms=[3.0, 2.0])
    assert on_their_way_ns(arrivals, Plan(messages=2, first=1, start_ns=0, interval_ns=2_000_000)) == 4_000_000


# ---- acks


def test_acks_are_counted_by_reason_and_held_against_the_channels_order():
    ledger = Ledger()
    for offset, alert_id in ((1, "a"), (3, "b"), (2, "b"), (None, None)):
        item = ItemResult(status=Status.FIRED, reason=Reason.FIRED, alert_id=alert_id, offset=offset)
        assert ledger.note(7, Accepted(results=[item]), 0, 2_000_000)
    assert ledger.note(7, ErrorMessage(code=120, message="busy", temporary=True), 0, 4_000_000)
    assert not ledger.note(7, Pong(), 0, 1)
    acked = ledger.acked(5, 0)
    assert (acked.reasons, acked.alerts, acked.reordered, acked.errors) == ({"fired": 4}, 2, 1, ["120: busy"])
    assert (acked.ack_p50_ms, acked.ack_p99_ms) == (2, 4)


# ---- report

MACHINE = {"cpu": "A & B <fast>", "cores": 2, "commit": "abc", "versions": {"trio": "0"}}


def sample(**more: float) -> report.Report:
    figures = Figures()
    for value in (10.0, 30.0, 20.0):
        figures.add("last_client_p99_ms", value)
        figures.add("json_p50_ms", value)
        figures.add("msgpack_p50_ms", value * 2)
    for name, value in more.items():
        figures.add(name, value)
    figures.worse("p50_ms", ("json", "msgpack"))
    checks = [
        Goal("last_client_p99_ms", "p99 until the last client (ms)", 100.0),
        Goal("per_s", "things/s", 5_000.0, at_least=True),
        Goal("never_measured", "nothing", 1.0),
    ]
    plotted = [("last_client_p99_ms", "p99 <&>"), ("absent", "absent")]
    return make_report("fanout --bare", {"clients": 10, "machine": MACHINE}, figures, checks, plotted)


def test_a_report_says_median_and_range_and_holds_them_against_targets():
    outcome = sample(per_s=10.0)
    assert outcome.figures["last_client_p99_ms"] == 20
    assert outcome.figures["p50_ms"] == 40
    assert outcome.ranges["p50_ms"] == Spread(40, 10, 60)
    assert [check.is_met for check in outcome.checks] == [True, False]
    assert outcome.is_verified, "only the promises to users decide about --verify"


def test_a_slow_or_a_lossy_report_is_not_verified():
    slow, lossy = Figures(), Figures()
    slow.add("last_client_p99_ms", 100.0)
    lossy.verdict = Verdict(reordered=1)
    checks = [Goal("last_client_p99_ms", "p99", 100.0)]
    assert not make_report("fanout", {}, slow, checks, []).is_verified
    broken = make_report("fanout", {}, lossy, checks, [])
    assert not broken.is_verified
    assert "DELIVERY IS BROKEN" in report.to_table(broken)


def test_the_worse_of_two_forms_is_the_smaller_one_where_more_is_better():
    figures = Figures()
    figures.add("json_per_s", 5.0)
    figures.add("msgpack_per_s", 7.0)
    figures.worse("per_s", ("json", "msgpack"), at_least=True)
    assert figures.ranges()["per_s"] == Spread(5, 5, 7)


def test_one_slow_run_breaks_a_promise_that_the_median_keeps():
    figures = Figures()
    for value in (10.0, 100.0, 20.0):
        figures.add("last_client_p99_ms", value)
        figures.add("small_delivery_p99_ms", value)
    goals = [Goal("last_client_p99_ms", "p99", 100.0), Goal("small_delivery_p99_ms", "small", 100.0)]
    outcome = make_report("fanout", {}, figures, goals, [])
    promise, comparison = outcome.checks
    assert (promise.measured, promise.is_met, outcome.is_verified) == (100, False, False)
    assert (comparison.measured, comparison.is_met) == (20, True), "what is no promise is held by its median"
    assert outcome.figures["last_client_p99_ms"] == 20
    assert "p99, worst run" in report.to_table(outcome)


@pytest.mark.parametrize(
    ("measured", "clients", "words"),
    [
        (2.0, 1_000, "NOT MET"),
        (2.0, 500, "NOT MET"),
        (2.0, 499, "meant for 1,000 clients"),
        (0.5, 1_000, "met"),
        (0.5, 10, "met (meant for 1,000 clients)"),
        (2.0, "8 producers", "NOT MET"),
    ],
)
def test_with_far_fewer_clients_a_target_says_what_it_is_meant_for(measured: float, clients: object, words: str):
    figures = Figures()
    figures.add("budget_ratio", measured)
    goal = Goal("budget_ratio", "ratio", 1.0, clients=1_000)
    outcome = make_report("fanout", {"clients": clients}, figures, [goal], [])
    assert outcome.checks[0].words == words
    assert report.to_table(outcome).rstrip().endswith(f"  {words}")
    [check] = msgspec.json.decode(report.to_json(outcome))["checks"]
    assert check.get("meant_for_clients") == (1_000 if "meant" in words else None)


def test_a_promise_that_is_broken_with_few_clients_is_broken():
    figures = Figures()
    figures.add("last_client_p99_ms", 100.0)
    goal = Goal("last_client_p99_ms", "p99", 100.0, clients=1_000)
    outcome = make_report("fanout", {"clients": 10}, figures, [goal], [])
    assert outcome.checks[0].words == "NOT MET (meant for 1,000 clients)"
    assert not outcome.is_verified


def test_the_worst_run_is_seen_also_in_the_form_with_the_better_median():
    figures = Figures()
    for json_ms, msgpack_ms in ((50.0, 10.0), (50.0, 150.0), (50.0, 10.0)):
        figures.add("json_last_client_p99_ms", json_ms)
        figures.add("msgpack_last_client_p99_ms", msgpack_ms)
    figures.worse("last_client_p99_ms", ("json", "msgpack"))
    outcome = make_report("fanout", {}, figures, [Goal("last_client_p99_ms", "p99", 100.0)], [])
    assert outcome.ranges["last_client_p99_ms"] == Spread(50, 10, 150)
    assert not outcome.is_verified


def test_the_json_form_is_one_object_with_scenario_conditions_and_figures():
    outcome = msgspec.json.decode(report.to_json(sample()))
    assert outcome["scenario"] == "fanout --bare"
    assert outcome["conditions"]["machine"]["commit"] == "abc"
    assert outcome["figures"]["missing"] == 0
    assert outcome["ranges"]["last_client_p99_ms"] == [10, 30]
    assert outcome["checks"] == [{"figure": "last_client_p99_ms", "target": "< 100", "measured": 30, "met": True}]


def test_the_table_names_figures_targets_verdicts_and_doubts():
    outcome = sample(per_s=4_321.0)
    figures = Figures()
    figures.warn("late", 5, "5 ms late")
    figures.warn("late", 7, "7 ms late")
    figures.warn("late", 6, "6 ms late")
    outcome.warnings = figures.warnings
    table = report.to_table(outcome)
    assert "NOT MET" in table
    assert "met" in table
    assert "4,321" in table
    assert "note: 7 ms late" in table
    assert table.count("ms late") == 1
    assert "versions" not in table


@pytest.mark.parametrize(("value", "text"), [(12_345.6, "12,346"), (12.345, "12.35"), (0.01234, "0.0123"), (0.0, "0")])
def test_figures_are_written_for_people(value: float, text: str):
    assert report.number(value) == text


def test_the_plot_is_xml_with_a_bar_a_range_and_the_target():
    svg = report.to_svg(sample())
    root = ElementTree.fromstring(svg)
    texts = ["".join(node.itertext()) for node in root.iter() if node.tag.endswith("text")]
    assert "p99 <&>" in texts
    assert "target 100" in texts
    assert "absent" not in texts
    plain = report.to_svg(make_report("x", {}, Figures(), [], []))
    assert "target" not in plain


# ---- machine


def test_the_machine_card_says_what_it_ran_on(tmp_path: Path):
    card = machine.machine_card(tmp_path)
    assert card["cores"] >= 1
    assert card["filesystem"] != ""
    assert "trio" in card["versions"]


def test_what_a_machine_does_not_tell_is_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    nowhere = tmp_path / "nowhere"
    assert machine.file_system(tmp_path, nowhere) == "unknown"
    assert machine.cpu_model(nowhere) != ""
    (tmp_path / "cpuinfo").write_text("processor: 0\n")
    assert machine.cpu_model(tmp_path / "cpuinfo") == machine.cpu_model(nowhere)
    assert machine.commit_id(tmp_path) == "unknown"
    assert machine.version("no-such-package-here") is None
    monkeypatch.setenv("PATH", "")
    assert machine.commit_id(tmp_path) == "unknown"


def test_a_request_is_encoded_like_any_clients():
    assert b"ping" in wire.client_frame(encode(Ping(), WireForm.JSON), WireForm.JSON)
