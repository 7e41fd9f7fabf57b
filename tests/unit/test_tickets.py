"""One-use tickets: good once, for a moment, for whom they were made; worth nothing else to anybody."""

from __future__ import annotations

import pytest
import trio
from msgspec.structs import replace
from trio.testing import MockClock

from engine.access.auth import Authenticator
from engine.access.claims import Expected, Refused, RefusedFor
from engine.access.identity import Identity
from engine.access.keys import KeyRing, secret_key
from engine.access.revocation import KEPT_US
from engine.access.tickets import Tickets
from engine.sections.identity import Identity as Limits
from engine.stores.connections import Revocation, RevocationKind
from protocol.errors import BadRequest, LimitReached, Unauthorized
from protocol.limits import Limit
from protocol.model import Principal
from protocol.times import SECOND_US

NOW = 1_800_000_000
WHO = Principal(workspace="acme", user="ann", role="viewer", expires_at=NOW + 600, channels=("db",), token_id="t")
BOB = Principal(workspace="acme", user="bob", role="viewer", expires_at=NOW + 600)


def test_a_ticket_stands_for_whom_it_was_made_and_only_once():
    tickets = Tickets()
    mine, his = tickets.issue(WHO, 0), tickets.issue(BOB, 0)
    assert tickets.redeem(mine, 29.9) == WHO
    assert tickets.redeem(his, 29.9) == BOB
    assert tickets.count == 0
    with pytest.raises(Refused):
        tickets.redeem(mine, 29.9)


def test_a_ticket_ends_after_its_time():
    tickets = Tickets(lifetime_s=30)
    ticket = tickets.issue(WHO, 100)
    with pytest.raises(Refused) as caught:
        tickets.redeem(ticket, 130)
    assert caught.value.reason is RefusedFor.TICKET


@pytest.mark.parametrize("text", ["", "x", "\ud800", "\0", "a" * 100_000], ids=ascii)
def test_what_is_no_ticket_is_refused(text):
    tickets = Tickets()
    tickets.issue(WHO, 0)
    with pytest.raises(Refused):
        tickets.redeem(text, 0)


def test_tickets_are_never_the_same_and_are_not_kept_as_they_are():
    tickets = Tickets(per_user_max=1_000)
    issued = {tickets.issue(WHO, 0) for _ in range(1_000)}
    assert len(issued) == 1_000
    assert {len(ticket) for ticket in issued} == {43}, "256 bits"
    assert not any(ticket in repr(vars(tickets)) for ticket in issued)


def test_a_user_with_many_unused_tickets_waits_and_others_do_not():
    tickets = Tickets(lifetime_s=30, per_user_max=2)
    first = tickets.issue(WHO, 0)
    tickets.issue(WHO, 10)
    with pytest.raises(
        LimitReached, match=r"2 unused tickets, limit 2 for a user \(identity.tickets_per_user_max\)"
    ) as caught:
        tickets.issue(WHO, 29)
    refusal = caught.value
    assert (refusal.limit, refusal.retry_after_s, refusal.temporary) == (Limit.TICKETS_PER_USER, 1, True)
    tickets.issue(BOB, 29)
    tickets.redeem(first, 29)
    tickets.issue(WHO, 29)
    assert tickets.count == 3
    tickets.issue(WHO, 40)
    assert tickets.count == 3, "what has ended takes up no room"


def test_there_is_an_end_to_the_tickets_of_all_as_well():
    tickets = Tickets(in_all_max=2)
    tickets.issue(WHO, 0)
    tickets.issue(BOB, 0)
    with pytest.raises(LimitReached, match=r"too many unused tickets, limit 2 \(identity.tickets_max\)") as caught:
        tickets.issue(WHO, 0)
    assert (caught.value.limit, caught.value.temporary) == (Limit.TICKETS, True)


def a_gate(limits: Limits | None = None) -> Identity:
    secret = b"a secret of at least thirty-two bytes"
    return Identity(Authenticator(secret, lambda: NOW), lambda: NOW * SECOND_US, limits)


async def test_the_gate_lets_a_ticket_in_once_and_says_nothing_more_to_others(autojump_clock: MockClock) -> None:
    gate = a_gate()
    issued = gate.issue_ticket(WHO)
    assert issued.expires_at == "2027-01-15T08:00:30.000000Z"
    await trio.sleep(29)
    assert gate.redeem(issued.ticket) == WHO
    for text in (issued.ticket, "rubbish"):
        with pytest.raises(Unauthorized, match=r"^invalid token$"):
            gate.redeem(text)
    late = gate.issue_ticket(WHO).ticket
    await trio.sleep(30)
    with pytest.raises(Unauthorized, match=r"^invalid token$"):
        gate.redeem(late)


async def test_a_ticket_is_worth_no_more_than_the_token_that_it_was_made_with() -> None:
    gate = a_gate()
    ended = Principal(workspace="acme", user="ann", role="viewer", expires_at=NOW)
    revoked = gate.authenticate(gate.authenticator.issue("acme", "eve", token_id="stolen"))
    tickets = [gate.issue_ticket(each).ticket for each in (ended, revoked, revoked)]
    at = NOW * SECOND_US
    row = Revocation(workspace="acme", kind=RevocationKind.JTI, target="stolen", at=at, ends_at=at + KEPT_US, by="ada")
    gate.revocations.add(row)
    for ticket in tickets[:2]:
        with pytest.raises(Unauthorized, match=r"^invalid token$"):
            gate.redeem(ticket)
    gate.revocations.load([])
    gate.authenticator.keys = KeyRing([secret_key(b"another secret of thirty-two bytes")])
    with pytest.raises(Unauthorized, match=r"^invalid token$"):
        gate.redeem(tickets[2])


async def test_a_ticket_does_not_promise_to_outlive_its_token() -> None:
    ends_soon = Principal(workspace="acme", user="ann", role="viewer", expires_at=NOW + 5)
    assert a_gate().issue_ticket(ends_soon).expires_at == "2027-01-15T08:00:05.000000Z"


async def test_a_ticket_becomes_a_token_of_the_same_bearer_which_ends_within_the_hour() -> None:
    gate = a_gate()
    first = gate.authenticate(gate.authenticator.issue("acme", "eve", "viewer", channels=["web"], token_id="first"))
    issued = gate.token_for(first)
    assert gate.authenticate(issued.token) == replace(first, expires_at=NOW + 3_600)
    assert issued.expires_at == "2027-01-15T09:00:00.000000Z"


async def test_such_a_token_does_not_outlive_the_first_one_and_is_revoked_with_it() -> None:
    gate = a_gate()
    first = gate.authenticate(gate.authenticator.issue("acme", "eve", ttl_s=5, token_id="first"))
    token = gate.token_for(first).token
    assert gate.authenticate(token).expires_at == NOW + 5
    at = NOW * SECOND_US
    row = Revocation(workspace="acme", kind=RevocationKind.JTI, target="first", at=at, ends_at=at + KEPT_US, by="ada")
    gate.revocations.add(row)
    with pytest.raises(Unauthorized, match=r"^invalid token$"):
        gate.authenticate(token)
    with pytest.raises(Unauthorized, match=r"^invalid token$"):
        gate.token_for(first)


async def test_where_only_another_issuers_tokens_are_taken_a_ticket_becomes_none() -> None:
    authenticator = Authenticator(b"a secret of at least thirty-two bytes", lambda: NOW, Expected(issuer="elsewhere"))
    gate = Identity(authenticator, lambda: NOW * SECOND_US)
    with pytest.raises(BadRequest, match=r"another issuer \(identity.issuer, identity.audience\): sign in with one"):
        gate.token_for(WHO)
