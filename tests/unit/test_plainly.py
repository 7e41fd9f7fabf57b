"""A failure that came through nurseries is told as what it is."""

from __future__ import annotations

import pytest
import trio

from tests.support.plainly import plainly


async def test_what_came_through_several_nurseries_is_told_by_itself() -> None:
    fault = ValueError("wrong")
    with pytest.raises(ExceptionGroup) as caught:
        async with trio.open_nursery(), trio.open_nursery():
            raise fault
    assert plainly(caught.value) is fault


def test_of_several_failures_none_is_left_out() -> None:
    both = ExceptionGroup("both", [ValueError(), KeyError()])
    assert plainly(ExceptionGroup("outer", [both])) is both
