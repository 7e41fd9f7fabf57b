"""Rules tried over HTTP: on a few values (`…/test`), and over readings of the past (`…/backtest`)."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import unquote

import msgspec
from litestar import Request, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody

from engine.http.bodies import json_body
from engine.http.parameters import parse_moment
from engine.http.role_guards import needs
from engine.stores.readings import Resolution
from engine.trying.backtest_worker import BacktestReading
from engine.trying.trials import TRIED_MAX, Backtested, Trials, Tried
from protocol.errors import BadRequest
from protocol.fields import Finite, Id, Label, Labels
from protocol.model import Principal
from protocol.rules import Rule

Readings = Annotated[list[BacktestReading], msgspec.Meta(max_length=TRIED_MAX)]


class TestBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to try a rule on: one `value`, or up to 100 `readings`; `send`: ring a marked test alert as well."""

    # pytest takes what is called so for tests of its own.
    __test__ = False

    value: Finite | None = None
    labels: Labels = {}
    readings: Readings = []
    send: bool = False


class BacktestBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A `rule`, or the `rule_id` of a stored one; `readings` as they came, or stored ones of a time.

    Stored ones are told as finely as they are kept, or as `resolution` (raw, 1m, 1h) says.
    """

    rule: Rule | None = None
    rule_id: Id | None = None
    readings: list[BacktestReading] | None = None
    since: Label | None = None
    until: Label | None = None
    resolution: Resolution | None = None


class _BacktestBody(BacktestBody, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The same; the readings are not looked into here: many of them would hold up the loop."""

    readings: msgspec.Raw = msgspec.Raw()  # type: ignore[assignment]  # bytes that are such a list, or nothing


def trial_routes(trials: Trials) -> list[HTTPRouteHandler]:
    """`POST /api/v1/rules/{id}/test` and `POST /api/v1/rules/backtest`."""

    @post(
        "/api/v1/rules/{object_id:str}/test",
        status_code=200,
        guards=[needs("edit")],
        dto=json_body(TestBody),
        return_dto=None,
        operation_id="test_rule",
        tags=["rules"],
    )
    async def test_rule(
        request: Request[Principal, Any, Any], object_id: FromPath[str], data: JSONBody[TestBody]
    ) -> Tried:
        """Try a rule on a few values: nothing is stored, nobody is told, unless `send` asks for a test alert."""
        if data.value is not None and data.readings:
            raise BadRequest("say either value or readings")
        if data.value is None and not data.readings and not data.send:
            raise BadRequest('say what to try it on: "value": 95, or readings; or "send": true for a test alert')
        readings = data.readings
        if data.value is not None:
            readings = [BacktestReading(value=data.value, labels=data.labels)]
        return await trials.test(request.user, unquote(object_id), readings, data.send)

    @post(
        "/api/v1/rules/backtest",
        status_code=200,
        guards=[needs("edit")],
        dto=json_body(BacktestBody, read_as=_BacktestBody),
        return_dto=None,
        operation_id="backtest_rule",
        tags=["rules"],
    )
    async def backtest_rule(request: Request[Principal, Any, Any], data: JSONBody[BacktestBody]) -> Backtested:
        """What a rule would have told, over given or stored readings: when it would have fired, or not and why."""
        who, readings = request.user, bytes(data.readings or b"")  # type: ignore[arg-type]  # _BacktestBody's are Raw
        if (data.rule is None) is (data.rule_id is None):
            raise BadRequest("say either rule or rule_id")
        rule = data.rule or await trials.stored_rule(who, data.rule_id or "")
        if not readings or readings == b"null":
            since, until = parse_moment(data.since, "since"), parse_moment(data.until, "until")
            return await trials.over_stored(who, rule, since, until, data.resolution)
        if data.since is not None or data.until is not None or data.resolution is not None:
            raise BadRequest("since, until and resolution are for stored readings: leave out either them or readings")
        return await trials.over_given(who, rule, readings)

    return [test_rule, backtest_rule]
