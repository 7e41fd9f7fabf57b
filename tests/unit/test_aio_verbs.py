"""Whoever gives the engine or the client a new verb gives it to asyncio programs as well."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest

import tocsin.aio
from engine import service
from engine.verbs import analytics, deciding, incidents, insights, patterns, predictions, reports
from tocsin import Client
from tocsin.aio import analytics as meaning


class Twin(NamedTuple):
    """A class of asyncio verbs, the one under trio, where both are in their engines, and what is not for programs."""

    here: type[Any]
    there: type[Any]
    place: str
    inner: frozenset[str] = frozenset()


TWINS = [
    # `submit` is the sockets' form of the same verbs, with a callback.
    Twin(tocsin.aio.engine.Service, service.Service, "service", frozenset({"submit"})),
    Twin(meaning.AlertCounts, analytics.AnalyticsVerbs, "alert_counts"),
    Twin(meaning.Patterns, patterns.PatternVerbs, "patterns"),
    Twin(meaning.Incidents, incidents.Incidents, "incidents"),
    Twin(meaning.Predictions, predictions.PredictionVerbs, "predictions"),
    # `found` is a recommendation as the store keeps it.
    Twin(meaning.InsightVerbs, insights.InsightVerbs, "insights.verbs", frozenset({"found"})),
    Twin(meaning.Deciding, deciding.Deciding, "insights.deciding"),
    Twin(meaning.Reports, reports.ReportVerbs, "reports"),
]
by_place = pytest.mark.parametrize("twin", TWINS, ids=[twin.place for twin in TWINS])


def verbs_of(kind: type[Any], inner: frozenset[str] = frozenset()) -> dict[str, inspect.Signature]:
    members = inspect.getmembers(kind, inspect.iscoroutinefunction)
    return {name: inspect.signature(verb) for name, verb in members if not name.startswith("_") and name not in inner}


def described(verbs: dict[str, inspect.Signature]) -> dict[str, list[tuple[str, Any]]]:
    return {
        name: [(parameter.name, parameter.default) for parameter in signature.parameters.values()]
        for name, signature in verbs.items()
    }


@by_place
def test_every_verb_is_there_with_the_same_arguments(twin: Twin) -> None:
    assert described(verbs_of(twin.here)) == described(verbs_of(twin.there, twin.inner))


@by_place
def test_every_argument_gets_where_it_belongs(twin: Twin) -> None:
    for name, signature in verbs_of(twin.here).items():
        # Tuples, because what is a sequence is copied before it goes to the other thread.
        given = {parameter: (parameter,) for parameter in signature.parameters if parameter != "self"}
        assert asyncio.run(_heard(twin, name, given)) == [{"self": None, **given}], name


async def _heard(twin: Twin, name: str, given: dict[str, Any]) -> list[dict[str, Any]]:
    """What the verb under trio is called with."""
    heard = list[dict[str, Any]]()

    async def verb(*args: Any, **more: Any) -> None:
        heard.append(dict(inspect.signature(getattr(twin.there, name)).bind(None, *args, **more).arguments))

    inner: Any = SimpleNamespace(**{name: verb})
    for part in reversed(twin.place.split(".")):
        inner = SimpleNamespace(**{part: inner})

    async def call(work: Callable[[Any], Awaitable[Any]]) -> Any:
        return await work(inner)

    await getattr(twin.here(SimpleNamespace(call=call)), name)(**given)
    return heard


def test_the_client_has_the_methods_of_the_trio_client_with_the_same_arguments() -> None:
    def methods(kind: type) -> dict[str, list[str]]:
        members = {name: member for name, member in vars(kind).items() if not name.startswith("_")}
        return {
            name: [] if isinstance(member, property) else list(inspect.signature(member).parameters)
            for name, member in members.items()
        }

    assert methods(tocsin.aio.Client) == methods(Client)
    assert list(inspect.signature(tocsin.aio.Client).parameters) == list(inspect.signature(Client).parameters)
