"""Revocations: what they mean, how many there may be, that they outlive a restart, and that they cut at once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from engine.access.administration import REVOKED, Administration
from engine.access.audit import AuditTrail
from engine.access.auth import Authenticator
from engine.access.claims import RefusedFor
from engine.access.identity import Identity
from engine.access.keys import KeyRing, secret_key
from engine.access.revocation import KEPT_US, Revocations
from engine.others import NoOthers
from engine.sections.identity import Identity as Limits
from engine.stores import Store, open_store
from engine.stores.connections import Revocation, RevocationKind
from protocol.errors import (
    BadRequest,
    Busy,
    CloseCode,
    LimitReached,
    PermissionDenied,
    StoreUnavailable,
    Unauthorized,
    UnknownChannel,
)
from protocol.limits import Limit
from protocol.model import Principal
from protocol.times import SECOND_US

NOW = 1_800_000_000
SECRET = b"a secret of at least thirty-two bytes"
JTI, USER = RevocationKind.JTI, RevocationKind.USER


def a_row(kind: RevocationKind, target: str, workspace: str = "acme", at_s: int = NOW) -> Revocation:
    at = at_s * SECOND_US
    return Revocation(workspace=workspace, kind=kind, target=target, at=at, ends_at=at + KEPT_US, by="ada")


def who(user: str = "eve", role: str = "viewer", workspace: str = "acme", **more: object) -> Principal:
    return Principal(workspace=workspace, user=user, role=role, expires_at=NOW + 60, **more)


ADMIN = who("ada", "admin")


class Roster:
    """Who is connected, and who was ended how."""

    def __init__(self, *connected: Principal) -> None:
        self.connected = list(connected)
        self.ended: list[tuple[str, CloseCode, str]] = []

    def end_where(self, is_meant: Callable[[Principal], bool], code: CloseCode, reason: str) -> int:
        meant = [each for each in self.connected if is_meant(each)]
        self.ended += [(each.user, code, reason) for each in meant]
        return len(meant)


class Slow:
    """A store whose writing waits until it is let go, or that is away."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.is_away = False
        self.go = trio.Event()
        self.go.set()
        self.late: list[Callable[[], Awaitable[None]]] = []

    async def revoke(self, row: Revocation, then: Callable[[], object]) -> None:
        if self.is_away:
            raise StoreUnavailable("away")
        await self._take(partial(self._store.revoke, row, then))

    async def unrevoke(self, workspace: str, kind: RevocationKind, target: str, then: Callable[[], object]) -> None:
        await self._take(partial(self._store.unrevoke, workspace, kind, target, then))

    async def _take(self, write: Callable[[], Awaitable[None]]) -> None:
        try:
            await self.go.wait()
        except trio.Cancelled:
            # As a writer does: what it has taken is written, whoever waits for it.
            self.late.append(write)
            raise
        await write()


class Bench:
    def __init__(self, store: Store, limits: Limits | None = None) -> None:
        self.store, self.stored, self.roster = Slow(store), store, Roster()
        self.refused: list[RefusedFor] = []
        self.limits: list[Limit | None] = []
        self.now_s = NOW
        authenticator = Authenticator(SECRET, lambda: NOW, on_refused=self.refused.append)
        self.identity = Identity(authenticator, self.clock, limits)
        trail = AuditTrail(store, self.clock, 10.0)
        self.desk = Administration(
            self.store,
            self.identity,
            self.roster.end_where,
            trail,
            self.clock,
            answer_s=10.0,
            others=NoOthers(),
            count_refusal=self.limits.append,
        )  # type: ignore[arg-type]

    def clock(self) -> int:
        return self.now_s * SECOND_US

    def token(self, user: str = "eve", workspace: str = "acme", **more: object) -> str:
        return self.identity.authenticator.issue(workspace, user, "viewer", 60, **more)


@asynccontextmanager
async def a_bench(limits: Limits | None = None):
    async with open_store("memory:", clock=lambda: NOW * SECOND_US) as store:
        yield Bench(store, limits)


@pytest.fixture
async def bench():
    async with a_bench() as bench:
        yield bench


def revoked(bench: Bench, token: str) -> None:
    with pytest.raises(Unauthorized, match=r"^invalid token$"):
        bench.identity.authenticate(token)
    assert bench.refused[-1] is RefusedFor.REVOKED


async def test_a_revoked_token_is_refused_and_others_of_its_user_are_not(bench: Bench) -> None:
    stolen, other = bench.token(token_id="stolen"), bench.token()
    assert bench.identity.authenticate(stolen).token_id == "stolen"
    await bench.desk.revoke(ADMIN, JTI, "stolen", None)
    revoked(bench, stolen)
    assert bench.identity.authenticate(other).user == "eve"


async def test_a_revoked_users_tokens_until_now_are_refused_and_later_ones_are_not(bench: Bench) -> None:
    await bench.desk.revoke(ADMIN, USER, "eve", "left the company")
    revoked(bench, bench.token())
    covers = bench.identity.revocations.covers
    assert covers(who(issued_at=NOW - 1))
    assert covers(who(issued_at=NOW)), "the second of the revocation itself"
    assert not covers(who(issued_at=NOW + 1))
    assert covers(who(issued_at=None)), "without a time it counts as old"
    assert not covers(who("bob", issued_at=NOW - 1))


async def test_a_revocation_means_nothing_in_another_workspace(bench: Bench) -> None:
    tokens = [bench.token(workspace=workspace, token_id="the same") for workspace in ("acme", "umbrella")]
    for kind, target in ((JTI, "the same"), (USER, "eve")):
        await bench.desk.revoke(who("ada", "admin", "umbrella"), kind, target, None)
    assert bench.identity.authenticate(tokens[0]).workspace == "acme"
    revoked(bench, tokens[1])
    assert bench.desk.revocations(ADMIN, None, 10).items == []
    with pytest.raises(UnknownChannel, match="there is no such revocation"):
        await bench.desk.unrevoke(ADMIN, USER, "eve")


async def test_who_is_connected_with_what_is_revoked_is_cut_at_once(bench: Bench) -> None:
    bench.roster.connected = [
        who(token_id="stolen"),
        who("bob", token_id="stolen too"),
        who("eve", workspace="umbrella"),
    ]
    done = await bench.desk.revoke(ADMIN, USER, "eve", None)
    assert done.disconnected == 1
    assert bench.roster.ended == [("eve", CloseCode.INVALID_TOKEN, REVOKED)]


async def test_while_the_store_is_away_nothing_is_revoked_at_all(bench: Bench) -> None:
    bench.store.is_away = True
    bench.roster.connected = [who()]
    with pytest.raises(StoreUnavailable):
        await bench.desk.revoke(ADMIN, USER, "eve", None)
    assert bench.identity.authenticate(bench.token()).user == "eve"
    assert bench.roster.ended == []


async def test_a_revocation_that_may_yet_be_stored_counts_in_any_case(bench: Bench, autojump_clock: MockClock) -> None:
    bench.store.go = trio.Event()
    bench.roster.connected = [who()]
    with pytest.raises(Busy, match="in force at this node, but not stored within 10 s"):
        await bench.desk.revoke(ADMIN, USER, "eve", None)
    revoked(bench, bench.token())
    assert len(bench.roster.ended) == 1


async def test_what_is_stored_after_the_answer_was_given_is_told_to_other_nodes_then(
    bench: Bench, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[int] = []
    monkeypatch.setattr(NoOthers, "revocations_changed", lambda others: told.append(round(trio.current_time())))
    began = round(trio.current_time())
    bench.store.go = trio.Event()
    with pytest.raises(Busy):
        await bench.desk.revoke(ADMIN, USER, "eve", None)
    assert told == []
    await trio.sleep(5)
    await bench.store.late.pop()()
    with pytest.raises(Busy):
        await bench.desk.unrevoke(ADMIN, USER, "eve")
    revoked(bench, bench.token())
    await trio.sleep(5)
    await bench.store.late.pop()()
    assert told == [began + 15, began + 30]
    assert bench.identity.authenticate(bench.token()).user == "eve"


async def test_a_revocation_that_is_stored_late_does_not_undo_one_that_was_sent_again(
    bench: Bench, autojump_clock: MockClock
) -> None:
    bench.store.go = trio.Event()
    bench.now_s = NOW - 5
    with pytest.raises(Busy):
        await bench.desk.revoke(ADMIN, USER, "eve", None)
    token = bench.token()
    bench.now_s = NOW
    with pytest.raises(Busy):
        await bench.desk.revoke(ADMIN, USER, "eve", None)
    await bench.store.late[0]()
    revoked(bench, token)


async def test_an_administrator_who_goes_away_meanwhile_leaves_no_half_of_a_revocation(bench: Bench) -> None:
    bench.store.go = trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(bench.desk.revoke, ADMIN, USER, "eve", None)
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
        bench.store.go.set()
    revoked(bench, bench.token())
    assert [row.target for row in await bench.stored.revocations()] == ["eve"]


async def test_what_is_revoked_is_shown_page_by_page_and_can_be_taken_back(bench: Bench) -> None:
    for kind, target in ((USER, "eve"), (JTI, "b"), (JTI, "a")):
        await bench.desk.revoke(ADMIN, kind, target, "lost")
    page = bench.desk.revocations(ADMIN, None, 2)
    assert [(row.kind, row.target, row.by, row.reason) for row in page.items] == [
        (JTI, "a", "ada", "lost"),
        (JTI, "b", "ada", "lost"),
    ]
    last = bench.desk.revocations(ADMIN, page.next_cursor, 2)
    assert ([row.target for row in last.items], last.next_cursor) == (["eve"], None)
    await bench.desk.unrevoke(ADMIN, USER, "eve")
    assert bench.identity.authenticate(bench.token()).user == "eve"
    assert len(await bench.stored.revocations()) == 2


async def test_taking_back_what_the_store_does_not_take_back_changes_nothing(
    bench: Bench, autojump_clock: MockClock
) -> None:
    await bench.desk.revoke(ADMIN, USER, "eve", None)
    bench.store.go = trio.Event()
    with pytest.raises(Busy, match="still in force"):
        await bench.desk.unrevoke(ADMIN, USER, "eve")
    revoked(bench, bench.token())


@pytest.mark.parametrize(
    "by", [who("bob", "editor"), who("bob", "viewer"), who("ada", "admin", channels=("db",))], ids=str
)
async def test_only_an_administrator_of_the_whole_workspace_revokes(bench: Bench, by: Principal) -> None:
    with pytest.raises(PermissionDenied):
        await bench.desk.revoke(by, USER, "eve", None)
    with pytest.raises(PermissionDenied):
        bench.desk.revocations(by, None, 10)
    with pytest.raises(PermissionDenied):
        await bench.desk.unrevoke(by, USER, "eve")


@pytest.mark.parametrize(
    ("kind", "target"), [(USER, ""), (USER, "*"), (USER, "x" * 129), (JTI, ""), (JTI, "a\0"), (JTI, "j" * 257)]
)
async def test_what_no_token_can_have_cannot_be_revoked(bench: Bench, kind: RevocationKind, target: str) -> None:
    with pytest.raises(BadRequest, match="is not allowed"):
        await bench.desk.revoke(ADMIN, kind, target, None)
    with pytest.raises(BadRequest, match="reason contains the NUL character"):
        await bench.desk.revoke(ADMIN, USER, "eve", "\0")


async def test_a_cursor_that_no_page_gave_is_refused(bench: Bench) -> None:
    with pytest.raises(BadRequest, match="use the next_cursor of the page before"):
        bench.desk.revocations(ADMIN, "user:eve", 10)


async def test_a_workspace_that_has_too_many_is_told_and_others_have_theirs() -> None:
    async with a_bench(Limits(revocations_per_workspace_max=2, revocations_max=3)) as bench:
        for target in ("a", "b", "a"):
            await bench.desk.revoke(ADMIN, JTI, target, None)
        said = r"2 revocations, limit 2 \(identity.revocations_per_workspace_max\): revoke users"
        with pytest.raises(LimitReached, match=said):
            await bench.desk.revoke(ADMIN, JTI, "c", None)
        other = who("ada", "admin", "umbrella")
        await bench.desk.revoke(other, JTI, "c", None)
        with pytest.raises(
            LimitReached, match=r"^no room for another revocation, limit 3 \(identity.revocations_max\)"
        ):
            await bench.desk.revoke(other, JTI, "d", None)
        assert bench.limits == [Limit.REVOCATIONS_PER_WORKSPACE, Limit.REVOCATIONS]


def test_revocations_that_have_ended_make_room() -> None:
    revocations = Revocations(per_workspace_max=1)
    revocations.add(a_row(JTI, "old"))
    ends_at = NOW * SECOND_US + KEPT_US
    revocations.check_room("acme", JTI, "new", ends_at)
    revocations.load([a_row(JTI, "old")])
    with pytest.raises(LimitReached):
        revocations.check_room("acme", JTI, "new", ends_at - 1)


def test_revocations_that_have_ended_leave_nothing_behind() -> None:
    revocations = Revocations()
    for number in range(100):
        revocations.add(a_row(USER, "eve", f"w{number}", at_s=NOW + number % 7))
    revocations.check_room("acme", USER, "eve", (NOW + 7) * SECOND_US + KEPT_US)
    assert revocations.count == 0
    assert not revocations._by_workspace, "not even an empty place for each workspace"


def test_a_revocation_that_is_said_again_ends_later_and_those_around_it_do_not() -> None:
    revocations = Revocations(per_workspace_max=2)
    for target, at_s in (("again", NOW), ("once", NOW + 1), ("again", NOW + 2)):
        revocations.add(a_row(JTI, target, at_s=at_s))
    assert revocations.count == 2
    revocations.check_room("acme", JTI, "new", (NOW + 1) * SECOND_US + KEPT_US)
    assert [row.target for row in revocations.page("acme", None, 9).items] == ["again"]
    revocations.remove("acme", JTI, "again")
    revocations.remove("acme", JTI, "again")
    assert revocations.count == 0


def test_revocations_are_forgotten_in_the_order_of_their_ends_whatever_order_the_store_gave() -> None:
    revocations = Revocations()
    revocations.load([a_row(JTI, "late", at_s=NOW + 9), a_row(JTI, "early")])
    revocations.check_room("acme", JTI, "new", NOW * SECOND_US + KEPT_US)
    assert [row.target for row in revocations.page("acme", None, 9).items] == ["late"]


async def test_revocations_outlive_the_process_and_end_by_themselves(tmp_path: Path) -> None:
    now = NOW * SECOND_US
    rows, told = [a_row(JTI, "a"), a_row(USER, "eve"), a_row(USER, "eve", workspace="umbrella")], list[str]()
    async with open_store(f"{tmp_path}/db", clock=lambda: now) as store:
        for row in (*rows, a_row(JTI, "taken back")):
            await store.revoke(row, lambda: told.append("kept"))
        await store.revoke(a_row(USER, "eve", at_s=NOW + 5), lambda: told.append("kept"))
        await store.unrevoke("acme", JTI, "taken back", lambda: told.append("gone"))
    assert told == ["kept"] * 5 + ["gone"]
    async with open_store(f"{tmp_path}/db", clock=lambda: now) as store:
        assert await store.revocations() == [rows[0], rows[2], a_row(USER, "eve", at_s=NOW + 5)]
        await store.trim(now + KEPT_US)
        assert [row.at for row in await store.revocations()] == [(NOW + 5) * SECOND_US]


async def test_who_came_with_a_key_that_is_gone_may_not_stay(bench: Bench) -> None:
    here = bench.identity.authenticate(bench.token())
    assert not bench.identity.is_over(here)
    bench.identity.authenticator.keys = KeyRing([secret_key(b"another secret of thirty-two bytes")])
    assert bench.identity.is_over(here)
    assert not bench.identity.is_over(who()), "an embedding program came with none"


def test_what_counts_and_may_not_be_stored_yet_is_not_forgotten_because_the_store_does_not_know_it() -> None:
    revocations = Revocations()
    revocations.add(a_row(USER, "eve"), is_stored=False)
    revocations.add(a_row(USER, "taken back elsewhere"))
    revocations.renew([], revocations.known)
    assert [row.target for row in revocations.page("acme", None, 10).items] == ["eve"]
    revocations.renew([a_row(USER, "eve")], revocations.known)
    revocations.renew([], revocations.known)
    assert revocations.count == 0
