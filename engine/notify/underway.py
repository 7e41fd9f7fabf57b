"""How many tests of endpoints are under way: one of each endpoint, a few of each workspace, and the next is refused.

A target may hold a test for `notify.total_s`, and whoever may change endpoints may ask for tests without end: his
would take every connection that tests have, and so those of every other workspace.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from engine.notify.network import Whose
from protocol.errors import TooManyRequests
from protocol.limits import Limit

# Somebody tries his endpoints one after the other, in a few windows; a healthy target answers within a second.
WORKSPACE_TESTS_MAX = 4


class Underway:
    """The tests that are under way. `refused` counts those that may not begin."""

    def __init__(self, refused: Callable[[Limit], None]) -> None:
        self._refused = refused
        self._of: dict[str, set[str]] = {}

    @contextmanager
    def one(self, whose: Whose) -> Iterator[None]:
        """Around a test. Raises TooManyRequests."""
        workspace, endpoint = whose
        tested = self._of.get(workspace, set())
        if endpoint in tested:
            raise self._too_many(f"a test of endpoint {endpoint} is under way (at most 1): wait for its answer")
        if len(tested) >= WORKSPACE_TESTS_MAX:
            raise self._too_many(
                f"{len(tested)} tests of this workspace's endpoints are under way (at most {WORKSPACE_TESTS_MAX}): "
                "wait for their answers"
            )
        self._of.setdefault(workspace, tested).add(endpoint)
        try:
            yield
        finally:
            tested.discard(endpoint)
            if not tested:
                del self._of[workspace]

    def _too_many(self, message: str) -> TooManyRequests:
        self._refused(Limit.ENDPOINT_TESTS)
        return TooManyRequests(message, Limit.ENDPOINT_TESTS)
