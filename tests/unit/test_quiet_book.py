"""What is quieted, by whom it can concern: asked at every batch, so the answer is kept until something changes."""

from __future__ import annotations

import pytest

from engine.orders import StandingOrders
from engine.quiet import quiet_book
from engine.quiet.quiet_book import Quiet, QuietBook, QuietKey
from protocol.model import ChannelKey
from protocol.quieting import Matcher, Silence

WEB, API, SHOP = (ChannelKey("acme", name) for name in ("web", "api", "shop"))


def silences(*names: str, framework: str | None = None) -> dict[QuietKey, Quiet | None]:
    label, value = ("host", "h1") if framework is None else ("framework_id", framework)
    return {
        (Silence, name): Silence(
            id=name,
            matchers=(Matcher(name=label, value=value),),
            starts_at="2026-01-01T00:00:00Z",
            ends_at="2099-01-01T00:00:00Z",
            comment="x",
        )
        for name in names
    }


def test_what_concerns_a_framework_is_gone_through_once() -> None:
    book = QuietBook()
    book.put("acme", silences("all") | silences("web", framework="web"), 0)
    assert [silence.id for silence in book.of(WEB).silences] == ["all", "web"]
    assert book.of(WEB) is book.of(WEB)


def test_frameworks_with_nothing_of_their_own_share_one_answer() -> None:
    book = QuietBook()
    book.put("acme", silences("all") | silences("web", framework="web"), 0)
    assert [silence.id for silence in book.of(API).silences] == ["all"]
    assert book.of(API) is book.of(SHOP)


def test_what_is_remembered_holds_until_something_changes() -> None:
    orders = StandingOrders((), "")
    orders.put_quiet("acme", silences("web", framework="web"), 0)
    before = orders.of(WEB)
    assert orders.of(WEB) is before
    orders.put_quiet("acme", silences("another", framework="web"), 0)
    assert [silence.id for silence in orders.of(WEB).quieting.silences] == ["another", "web"]
    orders.put_quiet("acme", {(Silence, "web"): None}, 0)
    assert [silence.id for silence in orders.of(WEB).quieting.silences] == ["another"]


def test_no_more_frameworks_are_remembered_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quiet_book, "REMEMBERED_MAX", 2)
    book = QuietBook()
    book.put("acme", silences("web", framework="web"), 0)
    first = book.of(WEB)
    book.of(API)
    book.of(SHOP)
    assert book.of(WEB) is not first
    assert book.of(WEB) == first
