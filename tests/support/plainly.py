"""What a failing test says at its end: what failed, and not through how many nurseries it came."""

from __future__ import annotations


def plainly(raised: BaseException) -> BaseException:
    """The one that a group of groups is about; a group in which there are several stays as it is."""
    while isinstance(raised, BaseExceptionGroup) and len(raised.exceptions) == 1:
        raised = raised.exceptions[0]
    return raised
