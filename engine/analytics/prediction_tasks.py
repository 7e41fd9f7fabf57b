"""What the process of predictions is asked, what it then has before it, and what it answers. Values only."""

from __future__ import annotations

import hashlib

import msgspec

from protocol.predictions import Prediction, PredictionKind, PredictionState
from protocol.rules import Rule
from protocol.times import rfc3339


class RuleTask(msgspec.Struct, frozen=True):
    """A rule, and its readings by the hour: JSON lists of `ReadingPoint`."""

    rule: Rule
    pages: tuple[bytes, ...]


class CountTask(msgspec.Struct, frozen=True):
    """The alerts of each whole day up to yesterday (None: nobody watched), of a rule, a framework, or everything (both
    None)."""

    framework: str | None
    rule_id: str | None
    counts: list[int | None]


class Asked(msgspec.Struct, frozen=True):
    """What is to be predicted of a workspace, at `now_us`: these rules, one after another, as many as there is room
    for."""

    workspace: str
    now_us: int
    rules: tuple[Rule, ...]


class AskedCounts(msgspec.Struct, frozen=True):
    """Tomorrow's alerts are to be predicted, at `now_us`, of each of these workspaces by itself."""

    now_us: int
    workspaces: tuple[str, ...]


class Task(msgspec.Struct, frozen=True):
    """What is to be predicted, at `now_us`. `uncounted`: why tomorrow's alerts cannot be; `left_out`: beyond limits."""

    now_us: int
    rules: tuple[RuleTask, ...] = ()
    counts: tuple[CountTask, ...] = ()
    uncounted: str | None = None
    left_out: int = 0


class Made(msgspec.Struct, frozen=True):
    """All predictions of so many `rules`, refusals among them; `left_out`: series and rules beyond the limits."""

    predictions: list[Prediction]
    rules: int = 0
    left_out: int = 0


def prediction_id(kind: PredictionKind, framework: str | None, rule_id: str | None, what: str, since_us: int) -> str:
    """The same for the same prediction of the same time, so that who predicts twice keeps one."""
    text = msgspec.json.encode([kind.value, framework, rule_id, what, since_us])
    return hashlib.sha256(text).hexdigest()[:32]


def refusal(kind: PredictionKind, framework: str | None, rule_id: str | None, reason: str, now_us: int) -> Prediction:
    """That there is none, and why: one for a rule, whatever the time."""
    return Prediction(
        id=prediction_id(kind, framework, rule_id, "refused", 0),
        kind=kind,
        state=PredictionState.REFUSED,
        framework_id=framework,
        rule_id=rule_id,
        made_at=rfc3339(now_us),
        since=rfc3339(now_us),
        until=rfc3339(now_us),
        reason=reason,
    )
