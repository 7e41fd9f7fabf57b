"""How Postgres means to answer what it has planned when its tables were empty, and never analysed.

A statement is planned once a session, and an installation's first sessions come before its first rows. Whatever grows
with the ledger of a workspace must be found by what is asked for, from the first day on.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType

import pytest

from engine.stores.tables import aggregate_sums, deliveries, delivery_lines, findings, incidents, queries
from tests.integration.test_postgres_plans import OF_INCIDENTS, READS, TOLD, costly, index_conditions
from tests.support.postgres_server import PostgresDatabase, PostgresServer
from tests.unit.test_sqlite_job_queries import JOB_STATEMENTS

# Asked once, at a start.
ONCE = ("_UNSETTLED",)


@pytest.fixture(scope="module")
def young(postgres_server: PostgresServer, postgres_template: str) -> Iterator[PostgresDatabase]:
    database = PostgresDatabase(postgres_server, postgres_server.new_database(postgres_template))
    yield database
    postgres_server.drop_database(database.name)


@pytest.mark.parametrize(
    ("where", "name", "of"),
    [
        (queries, "_ALERT", "id ="),
        (queries, "ALERTS_NAMED", "id ="),
        (queries, "_LOCATE", "id ="),
        (deliveries, "_OF_ALERTS", "alert_id ="),
        (deliveries, "TOLD_OF", "alert_id ="),
        (deliveries, "_TOLD", "alert_id ="),
        (deliveries, "OF_ALERT", "alert_id ="),
        (deliveries, "TO_PLACE", "alert_id ="),
        (deliveries, "BY_KEY", "key ="),
        (delivery_lines, "_KNOWN", "key ="),
        (aggregate_sums, "THESE", "severity ="),
        (aggregate_sums, "OF_HOUR", "start ="),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_asked_for_by_name_is_found_by_it(
    young: PostgresDatabase, where: ModuleType, name: str, of: str
) -> None:
    conditions = index_conditions(young, getattr(where, name), ("alert", "delivery", "aggregate"))
    assert conditions
    assert [each for each in conditions if of not in each.replace("(", " ")] == []


@pytest.mark.parametrize(
    ("where", "name"),
    [(queries, name) for name in READS.split() if name not in ONCE]
    + [(deliveries, name) for name in TOLD.split()]
    + [(delivery_lines, name) for name in ("_KNOWN", "LOST", "CANCELLED", "AGAIN")]
    + [(findings, name) for name in ("NAMED", "DUE", "OLD", "SETTLE", "HISTORY")]
    + [(incidents, name) for name in OF_INCIDENTS.split()]
    + list(JOB_STATEMENTS),
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_no_table_is_read_from_end_to_end_because_it_was_empty(
    young: PostgresDatabase, where: ModuleType, name: str
) -> None:
    is_of_all = where not in (queries, deliveries)
    walks = costly(young, getattr(where, name), seen="*" if is_of_all else '["w1"]')
    assert [each for each in walks if each.startswith("Seq Scan")] == []
