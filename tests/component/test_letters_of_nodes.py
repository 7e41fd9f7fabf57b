"""What nodes tell each other beside the streams, and what becomes of what is foreign, too large or late."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock

from actors.forwarding import LetterTooLarge
from engine.access.auth import Authenticator
from engine.access.keys import KeyRing, secret_key
from engine.bus import NO_MARKS, Cause, Entries, Gap, Listener, Marks
from engine.bus.topics import NEWS, events_of, inbox_of
from engine.cache.cache import Cache
from engine.cache.memory import Memory
from engine.configuration.fields import ConfigError
from engine.nodes import news as news_of_nodes
from engine.nodes import post as post_of_nodes
from engine.nodes import questions as questions_of_nodes
from engine.nodes import relay as relay_of_nodes
from engine.nodes.keys import OurSeals
from engine.nodes.post import Post
from engine.nodes.questions import Questions
from engine.nodes.relay import Relay
from engine.stores import CommittedEvents
from protocol.codec import WireForm
from protocol.forwarding import (
    Asked,
    ForeignLetter,
    Hinted,
    NodesChanged,
    ObjectsChanged,
    Replied,
    Rung,
    Seals,
    Start,
    Told,
)
from protocol.hints import AlertsRefresh, RefreshHint
from protocol.jobs import Queue
from protocol.model import ChannelKey, DerivedKey, Severity
from tests.support.actors import Ids, Receiver, an_event, clock
from tests.support.clusters import a_cluster

SEALS = Seals([b"a key of tests, long enough"])
WEB = ChannelKey("main", "web")
REFRESH = AlertsRefresh(channel=WEB.name, data=RefreshHint(project_id=None))


@pytest.fixture(autouse=True)
def logs() -> Iterator[list]:
    with capture_logs() as entries:
        yield entries


class FakeBus:
    """Notes what is published, and says what a test wants."""

    def __init__(self) -> None:
        self.published: list[tuple[str, bytes, Mapping[str, int]]] = []
        self.listeners: dict[str, Listener] = {}

    def publish(self, topic: str, entries: Sequence[bytes], marks: Mapping[str, int] = NO_MARKS) -> None:
        self.published += [(topic, entry, marks) for entry in entries]

    def follow(self, topic: str, listener: Listener) -> Callable[[], None]:
        self.listeners[topic] = listener
        return lambda: None

    def statistics(self) -> dict[str, Any]:
        return {}

    async def run(self, status: Any) -> None:
        raise NotImplementedError

    def hear(self, topic: str, letter: Any, seals: Seals = SEALS) -> None:
        self.listeners[topic](Entries(topic, "b", [seals.close(letter, topic)]))


class Looked:
    """A registry and derived streams that note what they are told."""

    def __init__(self) -> None:
        self.heard: list[int] = []
        self.looked: list[str] = []
        self.all_looked: list[str] = []
        self.moved_on: list[ChannelKey] = []

    def trace_of(self, *_: Any) -> None:
        return None

    def hear(self, workspace: str, events: Sequence[Any], trace: Any = None) -> None:
        self.heard += [event.offset for event in events]

    def look(self, is_meant: Callable[[str], bool]) -> None:
        self.looked += [name for name in ("acme", "umbrella") if is_meant(name)]

    def moved(self, key: ChannelKey) -> None:
        self.moved_on.append(key)

    def post(self, workspace: str, events: Sequence[Any]) -> None:
        pass

    def look_all(self, is_meant: Callable[[str], bool]) -> None:
        self.all_looked += [name for name in ("acme", "umbrella") if is_meant(name)]


def a_relay() -> tuple[Relay, FakeBus, Looked]:
    bus, looked = FakeBus(), Looked()
    return Relay(Post("a", bus, SEALS), looked, looked, Cache(Memory(10, 1_000))), bus, looked  # type: ignore[arg-type]


async def test_foreign_letters_are_counted_and_dropped_and_logged_once_in_a_while(
    autojump_clock: MockClock, logs: list
) -> None:
    bus = FakeBus()
    post, seen = Post("a", bus, SEALS), list[Any]()
    post.on(NodesChanged, seen.append)
    post.follow(NEWS, lambda gap: None)
    for _ in range(5):
        bus.hear(NEWS, NodesChanged(origin="b"), Seals([b"of somebody else, long enough"]))
    await trio.sleep(11)
    bus.listeners[NEWS](Entries(NEWS, "b", [b"nonsense"]))
    bus.hear(NEWS, NodesChanged(origin="b"))
    bus.hear(NEWS, Rung(origin="b", queues=("alert",)))
    assert seen == [NodesChanged(origin="b")]
    assert post.statistics() == {"sent": 0, "received": 2, "foreign": 6, "too_large": 0}
    assert [line["so_far"] for line in logs] == [1, 6]


async def test_a_letter_that_is_too_large_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(post_of_nodes, "LETTER_MAX_BYTES", 10)
    bus = FakeBus()
    with pytest.raises(LetterTooLarge):
        Post("a", bus, SEALS).send("b", NodesChanged(origin="a"))
    assert bus.published == []


async def test_a_commit_that_is_too_large_for_a_letter_is_told_by_its_channels_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    relay, bus, _ = a_relay()
    event = an_event(7, workspace_offset=9)
    monkeypatch.setattr(post_of_nodes, "LETTER_MAX_BYTES", 200)
    # In a workflow batch: of that other channel nothing was said, only counted.
    counted = ChannelKey("acme", "counted")
    relay.committed(CommittedEvents("acme", (event,), (counted,)))
    ((topic, data, marks),) = bus.published
    assert (topic, marks) == (events_of("acme"), {"acme": 9})
    assert SEALS.open(data, topic) == Told(origin="a", workspace="acme", events=(), moved=("counted", "checkout"))
    other, heard, looked = a_relay()
    heard.listeners[topic](Entries(topic, "a", [data]))
    assert looked.all_looked == ["acme"]
    assert looked.moved_on == [counted, ChannelKey("acme", "checkout")]
    assert other.statistics()["heard"] == 0


async def test_a_mark_beyond_what_was_heard_has_that_workspace_looked_at_once() -> None:
    relay, bus, looked = a_relay()
    topic = events_of("acme")
    bus.hear(topic, Told(origin="b", workspace="acme", events=(an_event(1, workspace_offset=4),)))
    for offset in (4, 5, 5):
        bus.listeners[topic](Marks(topic, "b", {"acme": offset}))
    assert (looked.heard, looked.looked) == ([1], ["acme"])
    assert relay.statistics() == {"published": 0, "heard": 1, "gaps": 1}


async def test_a_mark_that_somebody_made_up_costs_a_look_and_hides_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay_of_nodes, "KNOWN_MAX", 2)
    _, bus, looked = a_relay()
    topic = events_of("acme")
    for offset in (1 << 62, 5, 5, 6, 7):
        bus.listeners[topic](Marks(topic, "b", {"acme": offset}))
    assert looked.looked == ["acme"] * 4


async def test_a_workspace_that_was_forgotten_costs_a_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay_of_nodes, "KNOWN_MAX", 1)
    _, bus, looked = a_relay()
    for name in ("acme", "umbrella"):
        bus.hear(events_of(name), Told(origin="b", workspace=name, events=(an_event(1, workspace_offset=1),)))
    bus.listeners[events_of("acme")](Marks(events_of("acme"), "b", {"acme": 1}))
    assert looked.looked == ["acme"]


async def test_a_gap_has_the_workspaces_of_its_topic_looked_at() -> None:
    _, bus, looked = a_relay()
    bus.listeners[events_of("umbrella")](Gap(events_of("umbrella"), Cause.HOLE))
    assert "umbrella" in looked.looked
    assert looked.all_looked == looked.looked


async def test_questions_are_asked_of_nobody_answered_by_who_can_and_given_up_in_time(
    autojump_clock: MockClock, logs: list, monkeypatch: pytest.MonkeyPatch
) -> None:
    bus = FakeBus()
    post = Post("a", bus, SEALS)
    questions = Questions(post, Ids(), clock)
    ids = Ids("q")
    questions.answer("double", lambda body: 2 * msgspec.msgpack.decode(body, type=int))
    post.follow(inbox_of("a"), lambda gap: None)

    def ask(about: str, value: Any) -> None:
        body = msgspec.Raw(msgspec.msgpack.encode(value))
        bus.hear(inbox_of("a"), Asked(origin="b", id=ids(), about=about, body=body, at=clock()))

    assert await questions.ask([], "double", 1) == {}
    ask("double", 21)
    ((topic, data, _),) = bus.published
    answer = SEALS.open(data, topic)
    assert (topic, isinstance(answer, Replied)) == (inbox_of("b"), True)
    ask("halve", 21)
    ask("double", "a word")
    assert post.foreign == 2
    # Of nobody who asked.
    bus.hear(inbox_of("a"), Replied(origin="c", id="nobody's", body=msgspec.Raw(b"\x01")))
    assert await questions.ask(["b"], "double", 1) == {}
    monkeypatch.setattr(post_of_nodes, "LETTER_MAX_BYTES", 10)
    ask("double", 1)
    assert [line["event"] for line in logs][-2:] == ["question_unanswered", "answer_too_large"]
    assert questions.statistics() == {"asked": 1, "answered": 2, "unanswered": 1}


async def test_a_question_that_is_repeated_or_old_is_not_answered(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(questions_of_nodes, "TAKEN_MAX", 1)
    bus, done = FakeBus(), list[int]()
    post = Post("a", bus, SEALS)
    Questions(post, Ids(), clock).answer("end", lambda body: done.append(msgspec.msgpack.decode(body, type=int)))
    post.follow(inbox_of("a"), lambda gap: None)

    def asked(number: int) -> Asked:
        body = msgspec.Raw(msgspec.msgpack.encode(number))
        return Asked(origin="b", id=str(number), about="end", body=body, at=clock())

    first = asked(1)
    bus.hear(inbox_of("a"), first)
    bus.hear(inbox_of("a"), first)
    await trio.sleep(1)
    second = asked(2)
    bus.hear(inbox_of("a"), second)
    # Not among those that are remembered any more.
    bus.hear(inbox_of("a"), first)
    third = asked(3)
    await trio.sleep(31)
    bus.hear(inbox_of("a"), third)
    assert (done, post.foreign) == ([1, 2], 3)


async def test_hints_reach_followers_on_other_nodes(mock_clock: MockClock) -> None:
    async with a_cluster("a", "b") as cluster:
        parts = cluster.engines["b"].engine._tree.up
        receivers = [Receiver(), Receiver()]
        channel = await parts.registry.cell(WEB).wait_audience()
        person = await parts.derived.audience(DerivedKey("main", "ann"))
        for audience, receiver in zip((channel, person), receivers, strict=True):
            audience.attach(receiver, WireForm.JSON, Severity.INFO)
        news = cluster.nodes_of("a").news
        news.hint(WEB, [REFRESH])
        news.hint(DerivedKey("main", "ann"), [REFRESH])
        news.hint(ChannelKey("main", "nobody-follows"), [REFRESH])
        await cluster.engines["a"].pass_time(0.01)
        assert [receiver.messages for receiver in receivers] == [[REFRESH], [REFRESH]]


async def test_too_many_hints_are_left_out(mock_clock: MockClock, monkeypatch: pytest.MonkeyPatch, logs: list) -> None:
    async with a_cluster("a", "b") as cluster:
        monkeypatch.setattr(post_of_nodes, "LETTER_MAX_BYTES", 10)
        cluster.nodes_of("a").news.hint(WEB, [REFRESH])
        monkeypatch.undo()
        assert [line["stream"] for line in logs if line["event"] == "hints_too_large"] == [WEB.name]


async def test_the_bell_for_jobs_that_a_node_has_no_room_for_is_rung_on_all_nodes_and_not_for_each_job(
    mock_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_cluster("a", "b") as cluster:
        rung: list[frozenset[Queue]] = []
        monkeypatch.setattr(cluster.nodes_of("b").news, "_ring_here", rung.append)
        ring = cluster.nodes_of("a").news.doorbell(lambda queues: None, lambda queue: queue is Queue.ANALYTICS)
        for queue in (Queue.ALERT, Queue.ALERT, Queue.ANALYTICS, Queue.NOTIFICATION):
            ring(frozenset([queue]))
        await cluster.engines["a"].pass_time(0.05)
        ring(frozenset([Queue.ALERT]))
        await cluster.engines["a"].pass_time(0.2)
        assert rung == [frozenset([Queue.ALERT, Queue.NOTIFICATION]), frozenset([Queue.ALERT])]


async def test_a_channel_where_something_is_due_is_started_by_its_owner(mock_clock: MockClock) -> None:
    async with a_cluster("a", "b") as cluster:
        (other,), owner = cluster.others(), cluster.owner()
        for name in (owner, other):
            cluster.nodes_of(name).news.start(ChannelKey("main", f"due-at-{name}"))
        await cluster.engines[owner].pass_time(0.01)
        registry = cluster.engines[owner].engine._tree.up.registry
        assert {cell.key.framework for cell in registry.cells()} == {"due-at-a", "due-at-b"}
        assert cluster.engines[other].engine._tree.up.registry.cells() == []


async def test_after_a_gap_the_channels_that_owe_something_are_looked_for(mock_clock: MockClock) -> None:
    async with a_cluster("a", "b") as cluster:
        (other,), owner = cluster.others(), cluster.owner()
        view, ask = cluster.views[owner], cluster.views[owner].unsettled
        asked: list[float] = []

        async def unsettled() -> Any:
            asked.append(trio.current_time())
            return [*await ask(), WEB]

        view.unsettled = unsettled  # type: ignore[attr-defined]
        cluster.cables[owner].is_cut = True
        cluster.nodes_of(other).news.start(WEB)
        await cluster.engines[owner].pass_time(0.5)
        registry = cluster.engines[owner].engine._tree.up.registry
        assert registry.cells() == []
        cluster.cables[owner].is_cut = False
        await cluster.engines[owner].pass_time(3)
        assert len(asked) == 1
        assert [cell.key for cell in registry.cells()] == [WEB]


async def test_a_channel_that_finds_no_room_is_not_started(mock_clock: MockClock, logs: list) -> None:
    async with a_cluster("a", "b") as cluster:
        owner = cluster.engines[cluster.owner()].engine._tree.up.registry
        owner._channels_max = 0
        cluster.nodes_of(cluster.others()[0]).news.start(WEB)
        await cluster.engines["a"].pass_time(0.01)
        assert [line["workspace"] for line in logs if line["event"] == "channel_not_started"] == ["main"]
        assert owner.cells() == []


async def test_past_so_many_names_all_objects_are_read(mock_clock: MockClock, monkeypatch: pytest.MonkeyPatch) -> None:
    async with a_cluster("a", "b") as cluster:
        monkeypatch.setattr(news_of_nodes, "NAMES_MAX", 3)
        there = cluster.nodes_of("b").news
        before = there.reloads
        there._heard_of_objects(ObjectsChanged(origin="a", objects=tuple(("rule", "main", str(n)) for n in range(4))))
        await cluster.engines["a"].pass_time(0.01)
        assert there.reloads == before + 1


def test_what_a_hint_is_about_is_said_in_words() -> None:
    letter = Hinted(origin="a", workspace="main", framework="web", hints=(REFRESH,))
    assert SEALS.open(SEALS.close(letter, NEWS), NEWS) == letter
    start = Start(origin="a", workspace="main", framework="web")
    assert SEALS.open(SEALS.close(start, NEWS), NEWS) == start


def test_letters_are_sealed_with_the_keys_that_are_in_force() -> None:
    old, new = (secret_key(bytes([number]) * 32) for number in (1, 2))
    here, there = (Authenticator(KeyRing([old])) for _ in "ab")
    ours, theirs = OurSeals(here), OurSeals(there)
    letter = NodesChanged(origin="a")
    assert theirs.open(ours.close(letter, NEWS), NEWS) == letter
    here.keys = KeyRing([new])
    with pytest.raises(ForeignLetter):
        theirs.open(ours.close(letter, NEWS), NEWS)
    there.keys = KeyRing([new, old])
    assert theirs.open(ours.close(letter, NEWS), NEWS) == letter
    # Without any, the last ones stay.
    here.keys = KeyRing([])
    assert theirs.open(ours.close(letter, NEWS), NEWS) == letter


def test_nodes_without_a_secret_do_not_start() -> None:
    with pytest.raises(ConfigError, match="TOCSIN_SECRET"):
        OurSeals(Authenticator(KeyRing([])))
