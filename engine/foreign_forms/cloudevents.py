"""CloudEvents 1.0 over HTTP: structured, batched and binary.

Source: cloudevents/spec, `cloudevents/bindings/http-protocol-binding.md` and `formats/json-format.md`. An event is
about an alert when it is from one `source`, about one `subject`, of one `type` but for its last word, which may say
that it is over (`com.example.disk.full.resolved`); `data` may give the alert's fields by our names. Attributes are
required as the specification says, unknown ones are taken as labels.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

import msgspec

from engine.foreign_forms.places import allowed_id
from engine.foreign_forms.reports import ENDED, Report, Reported, moment, number_of, text_of, texts_of, to_report
from protocol.errors import BadRequest

FORM = "cloudevents"
STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
REQUIRED = ("specversion", "id", "source", "type")
# Last words of a type that say how it stands and not what it is.
_STATES = ENDED | {"firing", "fired", "triggered", "trigger", "opened", "open", "raised", "active", "problem"}
_NOT_LABELS = frozenset({*REQUIRED, "subject", "time", "datacontenttype", "dataschema", "data", "data_base64"})


def of_headers(headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
    """The event of a binary request: attributes in `ce-` headers, the body is its data. Raises BadRequest."""
    event: dict[str, Any] = {
        name[3:].lower(): unquote(value) for name, value in headers.items() if name.lower().startswith("ce-")
    }
    media_type = headers.get("content-type", "")
    if body:
        event["datacontenttype"] = media_type
        event["data"] = _decoded(body, media_type)
    return event


def report_of(event: object, now: int, framework: str | None) -> Report:
    """What an event reports. Raises BadRequest."""
    if not isinstance(event, dict):
        raise BadRequest("a CloudEvent is a JSON object")
    _check(event)
    data = _data(event)
    kind, state = _taken_apart(event["type"])
    subject = event.get("subject") or ""
    said = str(data.get("status") or data.get("state") or state).lower()
    value = data.get("current_value", data.get("value"))
    return to_report(
        Reported(
            form=FORM,
            framework=_framework(event, data, framework),
            title=text_of(data.get("title") or data.get("summary") or f"{kind} {subject}".strip()),
            now=now,
            labels=_labels(event, data),
            key=text_of(data["dedup_key"]) if data.get("dedup_key") else "\n".join((event["source"], subject, kind)),
            message=_message(data),
            severity=text_of(data.get("severity") or event.get("severity") or "") or None,
            value=number_of(value),
            starts_at=moment(event.get("time")),
            ended=said in ENDED,
        )
    )


def _check(event: Mapping[str, Any]) -> None:
    for name in REQUIRED:
        if not isinstance(event.get(name), str) or not event[name]:
            raise BadRequest(f"the attribute {name!r} is missing; a CloudEvent has {', '.join(REQUIRED)}")
    if event["specversion"] != "1.0":
        raise BadRequest(f"specversion {event['specversion']!r:.20} is not read here; send 1.0")
    for name in ("subject", "time"):
        if not isinstance(event.get(name, ""), str | None):
            raise BadRequest(f"the attribute {name!r} is a text")


def _data(event: Mapping[str, Any]) -> dict[str, Any]:
    """Its data, if that is an object; anything else is the message."""
    data = event.get("data")
    if data is None and isinstance(event.get("data_base64"), str):
        try:
            raw = base64.b64decode(event["data_base64"], validate=True)
        except (binascii.Error, ValueError):
            raise BadRequest("data_base64 is not base64") from None
        data = _decoded(raw, str(event.get("datacontenttype", "")))
    if isinstance(data, dict):
        return data
    return {} if data is None else {"message": data}


def _decoded(body: bytes, media_type: str) -> Any:
    plain = media_type.partition(";")[0].strip().lower()
    if plain.endswith(("/json", "+json")):
        try:
            return msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as fault:
            raise BadRequest(f"the data is not JSON: {str(fault)[:100]}") from fault
    return body.decode(errors="replace")


def _taken_apart(kind: str) -> tuple[str, str]:
    """`com.example.disk.full.resolved` → (`com.example.disk.full`, `resolved`)."""
    name, dot, last = kind.rpartition(".")
    return (name, last.lower()) if dot and last.lower() in _STATES else (kind, "")


def _framework(event: Mapping[str, Any], data: Mapping[str, Any], framework: str | None) -> str | None:
    said = data.get("framework_id") or event.get("frameworkid")
    return framework or (allowed_id(text_of(said)) if said else None)


def _labels(event: Mapping[str, Any], data: Mapping[str, Any]) -> dict[str, str]:
    own = data.get("labels")
    extensions = texts_of(event, [name for name in event if name not in _NOT_LABELS])
    fixed = texts_of({"source": event["source"], "type": event["type"], "subject": event.get("subject")})
    return {**fixed, **extensions, **(texts_of(own) if isinstance(own, dict) else {})}


def _message(data: Mapping[str, Any]) -> str | None:
    said = data.get("message") or data.get("description")
    return text_of(said or data) if said or data else None
