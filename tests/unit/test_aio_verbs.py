"""Whoever gives the engine or the client a new verb gives it to asyncio programs as well."""

from __future__ import annotations

import inspect

import tocsin.aio
from engine import service
from tocsin import Client


def test_every_verb_of_the_service_is_there_with_the_same_arguments() -> None:
    def verbs(kind: type) -> dict[str, list[str]]:
        return {
            name: list(inspect.signature(verb).parameters)
            for name, verb in inspect.getmembers(kind, inspect.iscoroutinefunction)
            if not name.startswith("_") and name != "submit"  # the sockets' form of the same verbs, with a callback
        }

    assert verbs(tocsin.aio.engine.Service) == verbs(service.Service)


def test_the_client_has_the_methods_of_the_trio_client_with_the_same_arguments() -> None:
    def methods(kind: type) -> dict[str, list[str]]:
        members = {name: member for name, member in vars(kind).items() if not name.startswith("_")}
        return {
            name: [] if isinstance(member, property) else list(inspect.signature(member).parameters)
            for name, member in members.items()
        }

    assert methods(tocsin.aio.Client) == methods(Client)
    assert list(inspect.signature(tocsin.aio.Client).parameters) == list(inspect.signature(Client).parameters)
