"""Log lines: JSON on standard error, written by a thread of their own, so that no log call ever waits.

Engine code says `structlog.get_logger().warning("what happened", key=value)`: the event is a fixed text, what varies
goes into keys. Only `serve` calls `logging_to_stderr`; a program that embeds the engine keeps its own logging. Lines go
to the thread of `log_writer`. The same event is written at most once a second; its next line says how often it happened
in between (`repeated`). What an event is about makes no other event of it, but for the few that are news for each
(TOLD_APART_BY). The standard library's logging (Hypercorn, Litestar, trio) comes the same way.
"""

from __future__ import annotations

import contextlib
import json
import logging
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from types import TracebackType
from typing import Any

import msgspec
import structlog

from engine.telemetry.log_writer import LineWriter

LINE_MAX_BYTES = 16_384
REPEAT_AFTER_S = 1.0
# Different events remembered for that; the oldest is forgotten first.
EVENTS_MAX = 1_000
# Events that are the same only if these keys are, too; their writers see to it that they come in bounded numbers. (A
# table, and no key of the event: programs that embed the engine have loggers of their own, which would show it.)
TOLD_APART_BY = {
    "suppressed": ("workspace", "channel", "reason"),
    "suppressed_elsewhere": ("reason",),
    "storm_began": ("channel",),
    "storm_over": ("channel",),
    "object_unreadable": ("kind", "workspace", "id"),
    "administrative_act": ("workspace", "by", "verb", "target"),
    "revoked": ("workspace", "kind", "by"),
    "unrevoked": ("workspace", "kind", "by"),
}
# Nested values are looked through for secrets to this depth; deeper ones are shown as text.
DEPTH_MAX = 4
MASK = "********"
LEVELS = {name: getattr(logging, name.upper()) for name in ("debug", "info", "warning", "error", "critical")}

_SECRET_KEY = re.compile(r"token|secret|authorization|password", re.IGNORECASE)
# What a person looks for first in a line.
_FIRST = ("timestamp", "level", "event", "logger")
# A JWT in any text, such as an exception's or a URL's: header and claims begin with `{"`.
_JWT = re.compile(rb"eyJ[\w-]{5,}\.eyJ[\w-]{2,}\.[\w-]*")

Event = MutableMapping[str, Any]


class OncePerSecond:
    """A processor that lets the same event through at most once a second, with the number held back as `repeated`.

    The same: same level, logger and event text, and what tells it apart (TOLD_APART_BY). `clock`: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: dict[tuple[str, ...], tuple[float, int]] = {}
        # Re-entrant: a destructor that runs while we hold it may log too.
        self._lock = threading.RLock()

    def __call__(self, logger: object, method: str, event: Event) -> Event:
        """The event, or DropEvent."""
        name = str(event.pop("_template", event.get("event")))
        about = (str(event.get(field)) for field in TOLD_APART_BY.get(name, ()))
        key = (method, str(event.get("logger", "")), name, *about)
        now = self._clock()
        with self._lock:
            at, held_back = self._seen.pop(key, (now - REPEAT_AFTER_S, 0))
            if now - at < REPEAT_AFTER_S:
                self._seen[key] = (at, held_back + 1)
                raise structlog.DropEvent
            self._seen[key] = (now, 0)
            if len(self._seen) > EVENTS_MAX:
                del self._seen[next(iter(self._seen))]
        if held_back:
            event["repeated"] = held_back
        return event


def mask_secrets(logger: object, method: str, event: Event) -> Event:
    """A processor that hides the values of keys that sound like secrets, also in nested values."""
    return {key: _masked(str(key), value, DEPTH_MAX) for key, value in event.items()}


def _masked(key: str, value: Any, depth: int) -> Any:
    if _SECRET_KEY.search(key):
        return MASK
    if isinstance(value, Mapping | list | tuple) and depth == 0:
        return "..."
    if isinstance(value, Mapping):
        return {str(name): _masked(str(name), member, depth - 1) for name, member in value.items()}
    if isinstance(value, list | tuple):
        return [_masked("", member, depth - 1) for member in value]
    return value


def render_line(logger: object, method: str, event: Event) -> bytes:
    """The last processor: one JSON line, at most LINE_MAX_BYTES. Never raises: a log call must not fail its caller."""
    event = {key: event[key] for key in _FIRST if key in event} | dict(event)
    line = _JWT.sub(MASK.encode(), _encode(event))
    if len(line) >= LINE_MAX_BYTES:
        line = _encode({key: str(value)[-2_000:] for key, value in list(event.items())[:16]} | {"cut": True})
        line = line if len(line) < LINE_MAX_BYTES else _encode({"event": str(event.get("event"))[:1_000], "cut": True})
    return line + b"\n"


def _encode(event: Mapping[str, Any]) -> bytes:
    try:
        return msgspec.json.encode(event, enc_hook=_show)
    except (TypeError, ValueError, OverflowError, RecursionError, msgspec.MsgspecError):
        # Lone surrogates, integers beyond 64 bits, keys that are no texts, ...: JSON's ASCII form takes any text.
        return json.dumps({_show(key): _show(value)[:2_000] for key, value in event.items()}).encode()


def _show(value: object) -> str:
    try:
        return value if isinstance(value, str) else repr(value)
    except Exception as fault:
        # Boundary: an object that cannot even show itself must not cost us the line, nor the caller its work.
        return f"<{type(value).__name__} whose repr raised {type(fault).__name__}>"


class _LineLogger:
    """What structlog calls with a rendered line."""

    def __init__(self, writer: LineWriter) -> None:
        self._push = writer.push

    def msg(self, line: bytes) -> None:
        self._push(line)

    debug = info = warning = error = critical = msg


class _FromStandardLibrary(logging.Handler):
    """Takes records of the standard library's logging into the same lines."""

    def emit(self, record: logging.LogRecord) -> None:
        level = _level(record.levelno)
        try:
            text = record.getMessage()
        except Exception as fault:
            # Boundary: a record whose arguments do not fit its text is somebody else's bug, and still worth a line.
            text = f"{record.msg!r:.200} with arguments that do not fit: {fault}"
        template = str(record.msg)[:200]
        getattr(structlog.get_logger(), level)(
            text, logger=record.name, _template=template, exc_info=_exception(record.exc_info)
        )


def _level(number: int) -> str:
    return next((name for name, least in reversed(LEVELS.items()) if number >= least), "debug")


def _exception(info: tuple[Any, Any, TracebackType | None] | tuple[None, None, None] | None) -> BaseException | None:
    return info[1] if info else None


@contextlib.contextmanager
def logging_to_stderr(level: str = "info", descriptor: int | None = None) -> Iterator[LineWriter]:
    """All logging of the process goes to standard error (or another descriptor) as JSON lines, until the end.

    Yields the writer, whose `dropped` counts lost lines. Restores structlog's configuration and the root logger.
    Raises ValueError for a level that is not in LEVELS.
    """
    if level not in LEVELS:
        raise ValueError(f"log level {level!r} is not allowed: use one of {', '.join(LEVELS)}")
    number = LEVELS[level]
    writer = LineWriter(sys.stderr.fileno() if descriptor is None else descriptor)
    writer.start()
    try:
        with _structlog_to(writer, number), _root_logger_to_structlog(number):
            yield writer
    finally:
        writer.close()


@contextlib.contextmanager
def _structlog_to(writer: LineWriter, number: int) -> Iterator[None]:
    before = structlog.get_config() if structlog.is_configured() else None
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            # Before anything that costs: what is held back pays only for this.
            OncePerSecond(),
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            mask_secrets,
            render_line,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=lambda *_: _LineLogger(writer),
        # Loggers at module level must follow when the configuration is restored.
        cache_logger_on_first_use=False,
    )
    try:
        yield
    finally:
        if before is None:
            structlog.reset_defaults()
        else:
            structlog.configure(**before)


@contextlib.contextmanager
def _root_logger_to_structlog(number: int) -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers[:] = [_FromStandardLibrary()]
    root.setLevel(number)
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
