"""The items of a request, and what became of each: the same words over a socket, over HTTP and in an embedding program.

Fields of triggers and readings are snake_case, as those of alerts are; a result's are camelCase, as of all that we say.
What people and their programs write, a trigger and a reading, has no field that nobody knows: a `sevrity` that is
silently left aside rings as `warning`, and wakes nobody.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from protocol.fields import ITEMS_MAX, Finite, Id, Label, Labels, Text, Title
from protocol.model import Comparison, Reason, Status


class TriggerInput(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, kw_only=True, forbid_unknown_fields=True):
    """An alert that somebody asks for. Without `severity` it is `warning` (or what its rule says)."""

    framework_id: Id
    rule_id: Id | None = None
    alert_type: Label | None = None
    current_value: Finite | None = None
    threshold_value: Finite | None = None
    # Without one: what the rule says, else `>=`.
    comparison: Comparison | None = None
    severity: Label | None = None
    title: Title | None = None
    message: Text | None = None
    labels: Labels = {}
    dedup_key: Label | None = None
    project_id: Id | None = None
    # A line item of the project's workflow; then the alert belongs on the project's own channel.
    step_id: Id | None = None
    assigned_to: Id | None = None


class ReadingInput(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, kw_only=True, forbid_unknown_fields=True):
    """One measured value of one metric of a framework; `at` (RFC 3339) defaults to the time of arrival."""

    framework_id: Id
    metric: Id
    value: Finite
    at: Label | None = None
    labels: Labels = {}


Triggers = Annotated[list[TriggerInput], msgspec.Meta(min_length=1, max_length=ITEMS_MAX)]
Readings = Annotated[list[ReadingInput], msgspec.Meta(min_length=1, max_length=ITEMS_MAX)]
AlertIds = Annotated[list[Id], msgspec.Meta(min_length=1, max_length=ITEMS_MAX)]
# What the ledger calls notifications.
NoticeKeys = Annotated[list[Id], msgspec.Meta(max_length=ITEMS_MAX)]


class ItemResult(msgspec.Struct, frozen=True, gc=False, kw_only=True, rename="camel"):
    """What became of one item. `offset` is that of the event on the alert's channel, if there was one."""

    status: Status
    reason: Reason
    alert_id: str | None = None
    offset: int | None = None
    message: str | msgspec.UnsetType = msgspec.UNSET
