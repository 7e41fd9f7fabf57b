"""The frames that producers send, built before any clock starts."""

from __future__ import annotations

from benchmarks.wire import client_frame
from protocol import messages as m
from protocol.codec import WireForm, encode
from protocol.items import ReadingInput, TriggerInput

# A realistic alert: what its labels and text look like decides the size of the frames that are fanned out.
_LABELS = {"host": "web-17.example.net", "service": "checkout"}
_MESSAGE = "p95 latency of checkout is above its limit"


def repeated(form: WireForm, framework: str, tag: str, rounds: int, batch: int) -> list[bytes]:
    """The same message of `batch` identities, so many times."""
    return [trigger_frame(form, framework, [f"{tag}-{item}" for item in range(batch)], 0)] * rounds


def distinct(
    form: WireForm, framework: str, tag: str, rounds: int, batch: int, severity: str = "warning"
) -> list[bytes]:
    """So many messages of `batch` triggers, no identity twice."""
    keys = [[f"{tag}-{turn}-{item}" for item in range(batch)] for turn in range(rounds)]
    return [trigger_frame(form, framework, batch_keys, turn, severity) for turn, batch_keys in enumerate(keys)]


def readings(form: WireForm, framework: str, rounds: int, batch: int, metrics: int) -> list[bytes]:
    """So many messages of `batch` readings, of so many metrics in turn."""
    # After so many messages the same metrics come again; the frames of one cycle are enough.
    cycle = [
        _reading_frame(form, framework, [(turn * batch + item) % metrics for item in range(batch)], turn)
        for turn in range(min(rounds, -(-metrics // batch)))
    ]
    return [cycle[turn % len(cycle)] for turn in range(rounds)]


def _reading_frame(form: WireForm, framework: str, metrics: list[int], number: int) -> bytes:
    measured = [
        ReadingInput(framework_id=framework, metric=f"metric-{metric}", value=number % 80 + 0.5, labels=_LABELS)
        for metric in metrics
    ]
    return client_frame(encode(m.Reading(id=number, readings=measured), form), form)


def trigger_frame(form: WireForm, framework: str, keys: list[str], number: int, severity: str = "warning") -> bytes:
    """One `trigger` message (request id and `current_value` are its number) with one alert for each dedup key."""
    alerts = [
        TriggerInput(
            framework_id=framework,
            alert_type="latency",
            current_value=float(number),
            threshold_value=0.0,
            severity=severity,
            title="Checkout is slow",
            message=_MESSAGE,
            labels=_LABELS,
            dedup_key=key,
        )
        for key in keys
    ]
    request = m.Trigger(id=number, alert=alerts[0]) if len(alerts) == 1 else m.Trigger(id=number, alerts=alerts)
    return client_frame(encode(request, form), form)
