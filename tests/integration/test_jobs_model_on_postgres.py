"""The naive model of jobs against a real Postgres: the machine that SQLite is held to, and two nodes take turns at it.

Every question goes to the other of two engines' stores on one database, so whatever a store remembers from one
transaction to the next, although another node may have changed it, is found out.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from itertools import cycle
from typing import Any

from hypothesis import Phase
from hypothesis.stateful import initialize, rule, run_state_machine_as_test

from engine.stores import Store
from tests.support.examples import examples
from tests.support.postgres_server import PostgresDatabase, PostgresServer
from tests.unit.test_store_jobs_model import QUEUES, Jobs, OnLoop


def model_on(server: PostgresServer, template: str) -> type[Jobs]:
    """The machine, with a new database for each example."""

    class JobsOnPostgres(Jobs):
        """Two stores; a node that is started again ends nobody's lease."""

        def open(self) -> OnLoop:
            self.database = PostgresDatabase(server, server.new_database(template))
            self.other = OnLoop(self.url, lambda: self.now)
            first = OnLoop(self.url, lambda: self.now)
            self.turns: Iterator[str] = cycle(["loop", "other"])
            return first

        @property
        def url(self) -> str:
            return self.database.url

        def call(self, ask: Callable[[Store], Awaitable[Any]]) -> Any:
            store: OnLoop = getattr(self, next(self.turns))
            return store.call(ask)

        def teardown(self) -> None:
            self.other.close()
            super().teardown()
            server.drop_database(self.database.name)

        @initialize()
        def begin_in_the_middle(self) -> None:
            """So few examples seldom come to a second lease by themselves."""
            for queue in QUEUES:
                self.enqueue(queue, 0, 0, None, 3, None)
            self.claim("n1", dict.fromkeys(QUEUES, 3))
            self.lose_and_claim_again("n2")

        @rule()
        def restart(self) -> None:
            self.other.close()
            self.other = OnLoop(self.url, lambda: self.now)

    return JobsOnPostgres


def test_whatever_two_nodes_do_with_jobs_in_turn_postgres_does_what_the_model_does(
    postgres_server: PostgresServer, postgres_template: str
) -> None:
    # What fails is told as it was found: to make it shorter would take minutes on a real server.
    few = examples(8, stateful_step_count=30, phases=[Phase.generate])
    run_state_machine_as_test(model_on(postgres_server, postgres_template), settings=few)
