"""Frameworks and workspaces that were put away: nothing rings there any more, and what was can still be read.

Owns their names in memory; told by the store (`engine.shelf.live`), asked synchronously at every trigger and reading.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from engine.shelf.directory import FRAMEWORK, WORKSPACE
from engine.shelf.live import LiveObjects
from engine.stores.objects import ObjectNews
from protocol.items import ItemResult
from protocol.model import ChannelKey, Reason, Status

T = TypeVar("T")


class ArchivedPlaces:
    """What was put away."""

    def __init__(self) -> None:
        self._frameworks: set[ChannelKey] = set()
        self._workspaces: set[str] = set()

    def follow(self, live: LiveObjects) -> None:
        """Is told of frameworks and workspaces from now on."""
        live.follow(FRAMEWORK, self._told_frameworks)
        live.follow(WORKSPACE, self._told_workspaces)

    def why(self, key: ChannelKey) -> str:
        """Why nothing rings there, and what to do about it; empty: it does."""
        if key in self._frameworks:
            return f"the framework {key.framework!r} was archived: restore it, or send to another one"
        if key.workspace in self._workspaces:
            return "this workspace was archived: ask the engine's operator"
        return ""

    def _told_frameworks(self, news: Sequence[ObjectNews]) -> None:
        for each in news:
            _note(self._frameworks, ChannelKey(each.workspace, each.id), each)

    def _told_workspaces(self, news: Sequence[ObjectNews]) -> None:
        for each in news:
            _note(self._workspaces, each.id, each)


def archived(reason: str) -> ItemResult:
    """What an item for an archived place is answered."""
    return ItemResult(status=Status.REJECTED, reason=Reason.ARCHIVED, message=reason)


def _note(archived: set[T], name: T, news: ObjectNews) -> None:
    if news.now is not None and news.now.archived_at is not None:
        archived.add(name)
    else:
        archived.discard(name)
