"""What holds for all tests: which examples are drawn, and what is no garbage.

Thousands of collected tests are hundreds of thousands of objects that live until the end. Each full collection went
through all of them, a third of the time of those tests that build an engine; frozen ones are not looked at.
"""

import gc

from tests.support.examples import load_profile
from tests.support.postgres_fixtures import empty_postgres, postgres_database, postgres_server, postgres_template
from tests.support.redis_fixtures import redis, redis_server

__all__ = ["empty_postgres", "postgres_database", "postgres_server", "postgres_template", "redis", "redis_server"]

load_profile()


def pytest_collection_finish() -> None:
    gc.collect()
    gc.freeze()
