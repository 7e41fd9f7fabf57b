"""Counts in sentences."""

from __future__ import annotations

import pytest

from protocol.wording import noun, several, waiting


@pytest.mark.parametrize(("count", "said"), [(0, "0 alerts"), (1, "1 alert"), (2, "2 alerts"), (1_200, "1200 alerts")])
def test_one_is_no_plural(count: int, said: str) -> None:
    assert several(count, "alert") == said
    assert said.endswith(noun(count, "alert"))


@pytest.mark.parametrize(
    ("count", "said"),
    [(0, ""), (1, "1 more mail waits for its turn"), (2, "2 more mails wait for their turn")],
)
def test_what_waits_is_said_if_something_does(count: int, said: str) -> None:
    assert waiting(count, "mail") == said


def test_where_it_waits_stands_behind_what_waits() -> None:
    assert waiting(2, "mail", "to her") == "2 more mails to her wait for their turn"
