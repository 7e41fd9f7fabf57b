"""Log lines: what they say, what they hide, and that nobody ever waits for them."""

import contextlib
import json
import logging
import os
import threading

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from engine.telemetry.log_writer import LineWriter
from engine.telemetry.logs import (
    EVENTS_MAX,
    LINE_MAX_BYTES,
    TOLD_APART_BY,
    OncePerSecond,
    logging_to_stderr,
    mask_secrets,
    render_line,
)
from engine.telemetry.suppressed import SuppressedLog

log = structlog.get_logger()


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    """On a machine full of tests the thread has its turn late: nobody goes before."""
    monkeypatch.setattr("engine.telemetry.log_writer.CLOSE_S", 60.0)


@contextlib.contextmanager
def pipe():
    reader, writer = os.pipe()
    try:
        yield reader, writer
    finally:
        for descriptor in (reader, writer):
            with contextlib.suppress(OSError):
                os.close(descriptor)


def read_lines(reader: int) -> list[dict]:
    os.set_blocking(reader, False)
    content = b""
    with contextlib.suppress(BlockingIOError):
        while chunk := os.read(reader, 1 << 20):
            content += chunk
    return [json.loads(line) for line in content.splitlines()]


@contextlib.contextmanager
def captured(level: str = "info"):
    """Fills the list with the lines when the block ends."""
    lines: list[dict] = []
    with pipe() as (reader, writer):
        with logging_to_stderr(level, writer):
            yield lines
        lines += read_lines(reader)


def test_a_line_is_json_with_time_level_and_event_first():
    with captured() as lines:
        log.warning("a channel was parked", channel="alerts:main:db", restarts=5)
    assert list(lines[0]) == ["timestamp", "level", "event", "channel", "restarts"]
    assert lines[0]["level"] == "warning"
    assert lines[0]["timestamp"].endswith("Z")


def test_lines_below_the_level_are_not_written():
    with captured("warning") as lines:
        log.info("too quiet")
        logging.getLogger("hypercorn.error").info("too quiet too")
        log.error("loud enough")
    assert [line["event"] for line in lines] == ["loud enough"]


def test_an_unknown_level_is_refused():
    with pytest.raises(ValueError, match="use one of debug, info, warning, error, critical"), logging_to_stderr("loud"):
        raise AssertionError


def test_the_standard_librarys_logging_comes_the_same_way():
    with captured("debug") as lines:
        logging.getLogger("hypercorn.error").warning("listening on %s", "127.0.0.1:8080")
        logging.getLogger("trio").critical("end")
        logging.getLogger("x").log(5, "below debug is not asked for")
        logging.getLogger("x").log(25, "between info and warning")
    assert [(line["logger"], line["level"], line["event"]) for line in lines] == [
        ("hypercorn.error", "warning", "listening on 127.0.0.1:8080"),
        ("trio", "critical", "end"),
        ("x", "info", "between info and warning"),
    ]


def test_a_record_whose_arguments_do_not_fit_is_still_a_line():
    with captured() as lines:
        logging.getLogger("x").warning("%d of %d", *[1])
    assert "arguments that do not fit" in lines[0]["event"]


def test_a_record_of_the_lowest_level_is_debug():
    with captured("debug") as lines:
        logging.getLogger().handle(logging.LogRecord("x", 1, "f.py", 1, "faint", None, None))
    assert (lines[0]["level"], lines[0]["event"]) == ("debug", "faint")


def test_exceptions_come_with_their_traceback():
    with captured() as lines:
        try:
            raise ExceptionGroup("both", [ValueError("one"), KeyError("two")])
        except ExceptionGroup:
            log.exception("it broke")
            logging.getLogger("x").exception("it broke there")
    for line in lines:
        assert "ValueError: one" in line["exception"]
        assert "KeyError: 'two'" in line["exception"]


def test_the_same_event_is_written_once_a_second_and_says_how_often_it_happened():
    now = [0.0]
    once = OncePerSecond(clock=lambda: now[0])

    def passes(event: str, level: str = "warning") -> int | None:
        try:
            return once(None, level, {"event": event}).get("repeated", 0)
        except structlog.DropEvent:
            return None

    assert [passes("slow"), passes("slow"), passes("slow"), passes("other"), passes("slow", "error")] == [
        0,
        None,
        None,
        0,
        0,
    ]
    now[0] = 0.999
    assert passes("slow") is None
    now[0] = 1.0
    assert passes("slow") == 3
    now[0] = 2.0
    assert passes("slow") == 0


def test_the_text_of_a_record_is_the_same_whatever_its_arguments():
    with captured() as lines:
        for n in range(3):
            logging.getLogger("x").warning("client %d was lost", n)
        logging.getLogger("y").warning("client %d was lost", 9)
    assert [line["event"] for line in lines] == ["client 0 was lost", "client 9 was lost"]
    assert all("_template" not in line for line in lines)


def test_events_without_end_are_not_all_remembered():
    once = OncePerSecond(clock=lambda: 0.0)
    for n in range(EVENTS_MAX + 1):
        once(None, "info", {"event": f"event {n}"})
    assert once(None, "info", {"event": "event 0"}) == {"event": "event 0"}
    with pytest.raises(structlog.DropEvent):
        once(None, "info", {"event": f"event {EVENTS_MAX}"})


def test_secrets_are_masked_wherever_they_stand():
    masked = mask_secrets(
        None,
        "info",
        {
            "token": "t",
            "headers": [{"Authorization": "Bearer t"}, ("plain", "x")],
            "deep": {"a": {"b": {"c": {"d": {"password": "p"}}}}},
            "client_secret": 5,
            "user": "ann",
        },
    )
    assert masked == {
        "token": "********",
        "headers": [{"Authorization": "********"}, ["plain", "x"]],
        "deep": {"a": {"b": {"c": {"d": "..."}}}},
        "client_secret": "********",
        "user": "ann",
    }


def test_a_token_inside_any_text_is_masked():
    token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbm4ifQ.c2lnbmF0dXJl"
    with captured() as lines:
        log.warning("refused", url=f"/x?t={token}&y=1")
        try:
            raise ValueError(f"bad {token}")
        except ValueError:
            log.exception("failed")
    assert lines[0]["url"] == "/x?t=********&y=1"
    assert token not in json.dumps(lines)


def test_a_long_line_is_cut_and_says_so():
    for event in (
        {"event": "e", "x": "y" * 100_000},
        {"event": "e" * 50_000},
        {f"k{n}" * 300: "v" * 3_000 for n in range(50)},
    ):
        line = render_line(None, "info", event)
        assert len(line) <= LINE_MAX_BYTES
        assert json.loads(line)["cut"] is True


def test_what_json_does_not_have_is_shown_as_text():
    class Mute:
        def __repr__(self) -> str:
            raise RuntimeError

    line = json.loads(render_line(None, "info", {"event": "e", "a": object, "b": Mute(), "c": {1, 2}}))
    assert line["b"] == "<Mute whose repr raised RuntimeError>"
    assert line["a"] == "<class 'object'>"
    odd = json.loads(render_line(None, "info", {"event": "e", "lone": "\ud800", "huge": 10**40}))
    assert odd == {"event": "e", "lone": "\ud800", "huge": str(10**40)}


json_like = st.recursive(
    st.none() | st.integers() | st.floats() | st.text(st.characters()) | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text() | st.integers(), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(), json_like, max_size=3))
def test_no_value_makes_a_log_call_raise(values):
    line = render_line(None, "info", mask_secrets(None, "info", {"event": "e"} | values))
    assert line.count(b"\n") == 1
    json.loads(line)


def test_nobody_waits_for_a_reader_who_does_not_read_and_the_loss_is_told():
    with pipe() as (reader, writer):
        filler = _fill(writer)
        lines = LineWriter(writer, limit=10)
        lines.start()
        for n in range(100):
            lines.push(b'{"n":%d}\n' % n)
        assert lines.dropped >= 89
        before = lines.dropped
        os.read(reader, filler)
        lines.close()
        found = read_lines(reader)
    assert [line["n"] for line in found if "n" in line] == list(range(100 - before))
    assert found[-1]["event"] == "log lines were dropped"
    assert sum(line.get("dropped", 0) for line in found) == before


def _fill(descriptor: int) -> int:
    """Fills a pipe; gives the number of bytes."""
    os.set_blocking(descriptor, False)
    size = 0
    with contextlib.suppress(BlockingIOError):
        while True:
            size += os.write(descriptor, b" " * 4_096)
    os.set_blocking(descriptor, True)
    return size


def test_closing_does_not_wait_for_ever_for_a_reader(monkeypatch):
    monkeypatch.setattr("engine.telemetry.log_writer.CLOSE_S", 0.01)
    with pipe() as (reader, writer):
        filler = _fill(writer)
        with logging_to_stderr("info", writer) as lines:
            log.warning("nobody reads this")
        assert lines._thread.is_alive()
        os.read(reader, filler)
        lines._thread.join()


def test_a_descriptor_that_somebody_made_non_blocking_is_waited_for():
    with pipe() as (reader, writer):
        filler = _fill(writer)
        os.set_blocking(writer, False)
        lines = LineWriter(writer)
        lines.start()
        lines.push(b"{}\n")
        closing = threading.Thread(target=lines.close)
        closing.start()
        os.read(reader, filler)
        closing.join()
        assert read_lines(reader) == [{}]


def test_a_reader_that_is_gone_costs_lines_and_nothing_else():
    with pipe() as (reader, writer):
        os.close(reader)
        with logging_to_stderr("info", writer) as lines:
            log.warning("to nobody")
        assert lines.dropped == 1


def test_many_lines_arrive_in_order():
    with pipe() as (reader, writer):
        lines = LineWriter(writer)
        for n in range(1_000):
            lines.push(b'{"n":%d}\n' % n)
        lines.start()
        lines.close()
        assert [line["n"] for line in read_lines(reader)] == list(range(1_000))


def test_afterwards_an_embedding_program_has_its_own_logging_back():
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    structlog.configure(processors=[structlog.processors.KeyValueRenderer()])
    try:
        before = structlog.get_config()["processors"]
        with captured():
            assert root.handlers != handlers
        assert (root.handlers, root.level) == (handlers, level)
        assert structlog.get_config()["processors"] == before
    finally:
        structlog.reset_defaults()
    with captured():
        pass
    assert not structlog.is_configured()


def test_logging_goes_back_also_after_an_error():
    handlers = logging.getLogger().handlers[:]
    with pytest.raises(ZeroDivisionError), captured():
        raise ZeroDivisionError
    assert logging.getLogger().handlers == handlers


def test_standard_error_is_the_default(capfd):
    with logging_to_stderr():
        log.error("to standard error")
    assert "to standard error" in capfd.readouterr().err


@pytest.mark.parametrize(("event", "fields"), TOLD_APART_BY.items())
def test_an_event_that_is_news_for_each_is_written_for_each(event, fields):
    with captured() as lines:
        for field in fields:
            for number in range(3):
                log.info(event, **dict.fromkeys(fields, "-") | {field: str(number)})
        log.info(event, **dict.fromkeys(fields, "0"))
        log.info(event, **dict.fromkeys(fields, "0"))
    assert len(lines) == 3 * len(fields) + (len(fields) > 1)


def test_each_reason_of_a_writing_is_in_the_log_of_a_process():
    counts = SuppressedLog(pairs_max=3)
    for channel in ("web", "db", "mail", "more"):
        counts.note("main", channel, "duplicate")
        counts.note("main", channel, "silenced")
    with captured() as lines:
        counts.write()
    said = [(line["event"], line.get("channel"), line["reason"]) for line in lines]
    assert said == [
        ("suppressed", "web", "duplicate"),
        ("suppressed", "web", "silenced"),
        ("suppressed", "db", "duplicate"),
        ("suppressed_elsewhere", None, "silenced"),
        ("suppressed_elsewhere", None, "duplicate"),
    ]
