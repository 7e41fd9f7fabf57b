"""What faults of the database mean to whoever writes or asks, without a server: a transaction that ends as we say."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast

import asyncpg
import pytest

from engine.foreign import ForeignLoop
from engine.stores.postgres.commit import TRIES, PostgresCommitter
from engine.stores.postgres.connect import connected
from engine.stores.postgres.connection import PlansAge, PostgresConnection, run_on
from engine.stores.postgres.faults import cause_of
from engine.stores.postgres.readers import PostgresReaders
from engine.stores.postgres.sessions import Pace, Reachability, Sessions
from engine.stores.tables.connection import ByColumns, Connection, RowFault
from engine.stores.tables.progress import move_projects
from engine.stores.tables.rows import ALERTS, EVENTS
from engine.stores.tables.writer import JoinedJob, TheJob, tell_nobody
from engine.stores.workflows import ProjectBatch
from protocol.effects import DAMAGED, DISK_FULL
from protocol.errors import BadRequest, CommitInvalid, NotYet, StoreUnavailable


class Transactions:
    """In the place of `Sessions`: each transaction ends with the next of these, or else with what its job gives."""

    def __init__(self, *ends: Exception | None) -> None:
        self.ends = list(ends)
        self.begun: list[str] = []

    async def transact(self, begin: str, job: Callable[[Any], Any]) -> Any:
        self.begun.append(begin)
        result = job(None)
        if self.ends and (end := self.ends.pop(0)) is not None:
            raise end
        return result


def committer(changes: Transactions) -> PostgresCommitter:
    return PostgresCommitter(cast(Sessions, Transactions()), cast(Sessions, changes))


def job(result: object) -> TheJob:
    def do(_: object) -> object:
        if isinstance(result, Exception):
            raise result
        return result

    return JoinedJob(do, tell_nobody, "acme")


def caused(fault: Exception, cause: Exception) -> Exception:
    fault.__cause__ = cause
    return fault


def test_a_value_that_no_row_can_hold_is_refused_to_who_sent_it_and_the_store_lives_on() -> None:
    nul = RowFault("invalid byte sequence for encoding UTF8: 0x00")
    outcomes = asyncio.run(committer(Transactions()).run_together([job(1), job(nul), job(3)]))
    assert (outcomes[0], type(outcomes[1]), outcomes[2]) == (1, CommitInvalid, 3)


@pytest.mark.parametrize(
    "fault",
    [
        asyncpg.DeadlockDetectedError("deadlock detected"),
        caused(RowFault("twice"), asyncpg.UniqueViolationError("twice")),
        caused(CommitInvalid("a batch"), caused(RowFault("twice"), asyncpg.UniqueViolationError("twice"))),
    ],
)
def test_what_another_node_was_in_the_way_of_is_done_once_more_but_not_for_ever(fault: Exception) -> None:
    assert asyncio.run(committer(Transactions(fault)).run_together([job(1)])) == [1]
    changes = Transactions(*[fault] * (TRIES + 5))
    (outcome,) = asyncio.run(committer(changes).run_together([job(1)]))
    assert isinstance(outcome, StoreUnavailable | CommitInvalid)
    assert len(changes.begun) == TRIES


@pytest.mark.parametrize(
    "fault", [asyncpg.TargetServerAttributeNotMatched("all are standbys"), asyncpg.ProtocolError("half a message")]
)
def test_a_server_that_is_being_replaced_is_away_and_no_bug_of_ours(fault: Exception) -> None:
    assert cause_of(fault) is not None


def test_a_full_disk_is_told_from_all_else() -> None:
    full = cause_of(asyncpg.DiskFullError("could not extend file: No space left on device"))
    assert full == "its disk is full: DiskFullError (53100): could not extend file: No space left on device"
    assert not str(cause_of(asyncpg.TooManyConnectionsError("too many"))).startswith(DISK_FULL)


@pytest.mark.parametrize("fault", [asyncpg.DataCorruptedError, asyncpg.IndexCorruptedError])
def test_damaged_data_are_told_from_all_else(fault: type[Exception]) -> None:
    assert str(cause_of(fault("invalid page in block 3"))).startswith(f"{DAMAGED}: {fault.__name__}")


async def test_to_ask_for_what_no_row_can_have_is_the_askers_fault() -> None:
    asked = Transactions(RowFault("invalid byte sequence"))
    readers = PostgresReaders(cast(ForeignLoop, Here()), cast(Sessions, asked))
    with pytest.raises(BadRequest):
        await readers.read(lambda connection: connection, "acme")


class Here:
    """In the place of the foreign loop: calls are awaited where they are made."""

    is_running = True

    async def call(self, make: Callable[[], Awaitable[Any]]) -> Any:
        return await make()


class Session:
    """A session with a server that may have ended it."""

    def __init__(self) -> None:
        self.is_ended = False
        self.said: list[str] = []

    def is_closed(self) -> bool:
        return self.is_ended

    async def execute(self, sql: str, timeout: float = 0.0) -> None:
        if self.is_ended:
            raise asyncpg.InterfaceError("connection is closed")
        self.said.append(sql.partition("(")[0])

    def terminate(self) -> None:
        self.is_ended = True


def test_a_session_that_the_server_has_ended_meanwhile_costs_nobody_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[Session] = []

    async def connect(*_: object, **__: object) -> Session:
        opened.append(Session())
        return opened[-1]

    monkeypatch.setattr(asyncpg, "connect", connect)

    async def restarted() -> list[object]:
        sessions = Sessions("postgresql://db/tocsin", 1, Reachability())
        before = await sessions.transact("BEGIN", lambda _: 1)
        opened[0].is_ended = True
        return [before, await sessions.transact("BEGIN", lambda _: 2), await sessions.transact("BEGIN", lambda _: 3)]

    assert asyncio.run(restarted()) == [1, 2, 3]
    begun = ["SELECT set_config"]
    assert [session.said for session in opened] == [[*begun, "BEGIN", "COMMIT"], [*begun, *["BEGIN", "COMMIT"] * 2]]


def test_plans_are_made_anew_often_while_tables_may_be_new_and_seldom_then() -> None:
    plans = PlansAge(now=100.0)
    anew = [now - 100 for now in range(100, 3_000) if plans.are_old(now)]
    assert anew == [10, 30, 70, 150, 310, 630, 1230, 1830, 2430]


def test_the_server_is_told_before_a_transaction_that_plans_are_old(monkeypatch: pytest.MonkeyPatch) -> None:
    session = Session()

    async def connect(*_: object, **__: object) -> Session:
        return session

    monkeypatch.setattr(asyncpg, "connect", connect)

    async def transacted() -> None:
        sessions = Sessions("postgresql://db/tocsin", 1, Reachability())
        await sessions.transact("BEGIN", lambda _: 1)
        monkeypatch.setattr(PlansAge, "are_old", lambda *_: True)
        await sessions.transact("BEGIN", lambda _: 2)

    asyncio.run(transacted())
    assert session.said[1:] == ["BEGIN", "COMMIT", "DISCARD PLANS", "BEGIN", "COMMIT"]


@pytest.mark.parametrize(
    ("fault", "is_there"),
    [
        (ConnectionRefusedError(), False),
        (TimeoutError(), False),
        (asyncpg.CannotConnectNowError("the database system is starting up"), False),
        (asyncpg.TooManyConnectionsError("sorry, too many clients already"), True),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_a_server_that_cannot_be_connected_to_is_away_until_a_transaction_comes_to_its_end(
    monkeypatch: pytest.MonkeyPatch, fault: Exception, is_there: bool
) -> None:
    faults = [fault]

    async def connect(*_: object, **__: object) -> Session:
        if faults:
            raise faults.pop()
        return Session()

    monkeypatch.setattr(asyncpg, "connect", connect)

    async def try_twice() -> None:
        reach = Reachability()
        sessions = Sessions("postgresql://db/tocsin", 1, reach)
        with pytest.raises(type(fault)):
            await sessions.transact("BEGIN", lambda _: 1)
        assert reach.is_there is is_there
        await sessions.transact("BEGIN", lambda _: 2)
        assert reach.is_there

    asyncio.run(try_twice())


@pytest.mark.parametrize("others_are_answered", [False, True])
def test_a_transaction_without_an_answer_in_time_says_nothing_of_a_server_that_answers_others(
    monkeypatch: pytest.MonkeyPatch, others_are_answered: bool
) -> None:
    async def connect(*_: object, **__: object) -> Session:
        return Session()

    class Silent(Session):
        async def execute(self, sql: str, timeout: float = 0.0) -> None:
            if others_are_answered:
                await others.transact("BEGIN", lambda _: 1)
            await asyncio.Event().wait()

    reach = Reachability()
    monkeypatch.setattr(asyncpg, "connect", connect)
    others = Sessions("postgresql://db/tocsin", 1, reach)

    async def ask() -> None:
        sessions = Sessions("postgresql://db/tocsin", 1, reach, Pace(transaction_s=0.05))
        sessions._idle.append(PostgresConnection(cast(asyncpg.Connection, Silent())))
        with pytest.raises(TimeoutError):
            await sessions.transact("BEGIN", lambda _: 1)

    asyncio.run(ask())
    assert reach.is_there is others_are_answered


class Answered(list[Any]):
    def fetchone(self) -> Any:
        return self[0] if self else None

    def fetchall(self) -> list[Any]:
        return self


class MadeMeanwhile(ByColumns):
    """A workspace that another node makes between our first look for it and our second."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def execute(self, sql: str, parameters: object = ()) -> Answered:
        is_hold = sql.endswith("FOR NO KEY UPDATE")
        self.asked.append("hold" if is_hold else "look")
        if is_hold:
            return Answered([] if len(self.asked) == 1 else [(1,)])
        return Answered([(f"[1,{len(self.asked)}]", None, None, None, None, None)])

    def write_columns(self, rows: object, values: object) -> list[Any]:
        raise AssertionError("nothing was decided")


def test_a_workspace_that_another_node_has_just_made_is_read_once_more_with_its_lock() -> None:
    connection = MadeMeanwhile()
    batch = ProjectBatch(workspace="acme", projects=("p",), decide=lambda _: ())
    move_projects(cast(Connection, connection), batch, "epoch", 1)
    assert connection.asked == ["hold", "look", "hold", "look"]


def test_what_is_logged_of_a_fault_quotes_no_row() -> None:
    fault = asyncpg.NotNullViolationError("null value in column state")
    fault.detail = "Failing row contains (v1.sealed-secret)"

    class Refusing:
        async def prepare(self, _: str, name: str) -> None:
            raise fault

    async def ask() -> None:
        connection = PostgresConnection(cast(asyncpg.Connection, Refusing()))
        await run_on(connection, lambda it: it.ask("SELECT 1", []))

    with pytest.raises(RowFault, match="null value") as refused:
        asyncio.run(ask())
    assert "sealed" not in str(refused.value)


def test_hosts_of_which_none_may_be_written_to_yet_are_worth_waiting_for(monkeypatch: pytest.MonkeyPatch) -> None:
    async def connect(*_: object, **__: object) -> None:
        raise asyncpg.TargetServerAttributeNotMatched("none of the hosts match the target attribute requirement")

    monkeypatch.setattr(asyncpg, "connect", connect)

    async def ask() -> None:
        async with connected("postgresql://tocsin_app:secret@one,two/tocsin?target_session_attrs=primary"):
            pass

    with pytest.raises(NotYet, match="one,two/tocsin") as refused:
        asyncio.run(ask())
    assert "secret" not in str(refused.value)


class Answering:
    """In the place of asyncpg's session: counts what is prepared, and gives no rows."""

    def __init__(self) -> None:
        self.said: list[str] = []

    async def prepare(self, text: str, name: str) -> Answering:
        self.said.append(text)
        return self

    async def fetch(self, *_: object) -> list[Any]:
        return []

    def get_statusmsg(self) -> str:
        return "INSERT 0 1"


def test_a_group_writes_its_alerts_and_its_events_with_one_statement() -> None:
    session = Answering()

    def write(connection: PostgresConnection) -> None:
        with connection.together():
            ALERTS.run(connection, ["a"] * ALERTS.width)
            EVENTS.run(connection, ["b"] * EVENTS.width)

    asyncio.run(run_on(PostgresConnection(cast(asyncpg.Connection, session)), write))
    assert len(session.said) == 1


def test_a_session_that_is_out_of_date_again_when_it_is_new_is_a_fault_of_the_server(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opened: list[Session] = []

    async def connect(*_: object, **__: object) -> Session:
        opened.append(Session())
        return opened[-1]

    monkeypatch.setattr(asyncpg, "connect", connect)

    def job(_: object) -> None:
        raise asyncpg.ProtocolError("unexpected message")

    with pytest.raises(asyncpg.ProtocolError, match="unexpected message"):
        asyncio.run(Sessions("postgresql://db/tocsin", 1, Reachability()).transact("BEGIN", job))
    assert [session.is_ended for session in opened] == [True, True]
