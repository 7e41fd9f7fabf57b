"""The engine's verbs, against a store in memory and real channels: who may, which channel, and what is answered."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actors.cell import ChannelLimits
from actors.cell_actor import ChannelKit
from actors.registry import Registry
from actors.throttle import RateLimits
from engine.access.auth import Authenticator
from engine.access.identity import Identity
from engine.access.quotas import Quotas, WiderRates
from engine.core.channel import machine_factory
from engine.core.turn import Policy
from engine.ids import IdSource
from engine.orders import StandingOrders
from engine.others import NoOthers
from engine.service import Service
from engine.stores import AlertQuery, Store, open_store
from engine.telemetry.metrics import Metrics
from protocol import messages as m
from protocol.commands import Ring
from protocol.effects import RecipientMark
from protocol.errors import (
    BadRequest,
    Busy,
    LimitReached,
    PermissionDenied,
    StoreUnavailable,
    TooManyRequests,
    Unauthorized,
    UnknownChannel,
)
from protocol.items import ItemResult, ReadingInput, TriggerInput
from protocol.model import AlertState, ChannelKey, DerivedKey, Principal, Reason, Severity, Status
from protocol.rows import SourceReport
from protocol.rules import ThresholdRule
from protocol.times import SECOND_US, rfc3339
from tests.support.actors import START_US, Answers, clock, start

SECRET = b"s" * 32
RULE = ThresholdRule(id="hot", framework="checkout", metric="cpu", threshold=90.0, severity=Severity.ERROR)
UNKNOWN_ID = "01946c2e-7d00-7000-8000-000000000000"


def who(role: str = "admin", workspace: str = "acme", channels: tuple[str, ...] | None = None) -> Principal:
    return Principal(workspace=workspace, user="ann", role=role, expires_at=2**40, channels=channels)


ANN = who()


class Switch:
    """A store that can be away, and one whose answer to `locate` can be held up."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.is_available = self.is_reachable = True
        self.located: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def locate(self, workspace: str, alert_ids: Sequence[str]) -> dict[str, ChannelKey]:
        self.located += alert_ids
        return await self._store.locate(workspace, alert_ids)


class Bench:
    """A service and what it is made of."""

    def __init__(self, store: Switch, **limits: Any) -> None:
        channels_max = limits.pop("channels_max", 100)
        policy = limits.pop("policy", Policy())
        workspace_items_per_s = limits.pop("workspace_items_per_s", 500_000.0)
        self.store = store
        self.metrics = Metrics(version="0")
        self.machine = machine_factory(policy)
        orders = StandingOrders([RULE], "acme").of
        kit = ChannelKit(store, self.machine, clock, IdSource(clock), self.metrics, ChannelLimits(**limits), orders)
        self.registry = Registry(kit, channels_max=channels_max)
        authenticator = Authenticator(SECRET, lambda: START_US // SECOND_US)
        self.token = authenticator.issue("acme", "ann", "viewer")
        wider = WiderRates(workspace_items_per_s=workspace_items_per_s)
        quotas = Quotas(RateLimits(), wider, self.metrics.refused, trio.current_time)
        identity = Identity(authenticator, clock)
        self.service = Service(store, self.registry, identity, self.metrics, clock, 10.0, quotas, NoOthers())

    def goes_away(self) -> None:
        """The store does not answer, and a channel is trying."""
        self.store.is_available = False
        self.registry.cell(ChannelKey("acme", "held")).away = "gone"

    async def ring(self, *frameworks: str, by: Principal = ANN, **fields: Any) -> list[ItemResult]:
        return await self.service.trigger(by, [a_trigger(each, **fields) for each in frameworks])

    async def rung(self, framework: str = "checkout", **fields: Any) -> str:
        """The id of a new alert."""
        ((result),) = await self.ring(framework, **fields)
        assert result.status is Status.FIRED
        return result.alert_id or ""

    def figure(self, name: str) -> float | None:
        """A metric's value, by its name with labels, as a scrape shows it."""
        lines = self.metrics.render().decode().splitlines()
        return next((float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"{name} ")), None)


def a_trigger(framework: str = "checkout", **fields: Any) -> TriggerInput:
    return TriggerInput(framework_id=framework, **{"title": "CPU is hot", **fields})


@asynccontextmanager
async def a_bench(is_running: bool = True, **limits: Any) -> AsyncIterator[Bench]:
    async with open_store("memory:", clock=clock) as store, trio.open_nursery() as nursery:
        bench = Bench(Switch(store), **limits)
        if is_running:
            await start(nursery, bench.registry.run)
        yield bench
        nursery.cancel_scope.cancel()


@pytest.fixture
async def bench():
    async with a_bench() as bench:
        yield bench


def reasons(results: Sequence[ItemResult]) -> list[Reason]:
    return [result.reason for result in results]


# Who


async def test_the_bearer_of_a_good_token_is_known_and_of_a_bad_one_is_not(bench):
    assert bench.service.authenticate(bench.token).user == "ann"
    with pytest.raises(Unauthorized):
        bench.service.authenticate("rubbish")


@pytest.mark.parametrize("role", ["viewer", "responder"])
async def test_who_may_not_trigger_is_refused_before_anything_else(bench, role):
    by = who(role)
    reading = ReadingInput(framework_id="../x", metric="cpu", value=1.0)
    with pytest.raises(PermissionDenied):
        await bench.ring("../x", by=by)
    with pytest.raises(PermissionDenied):
        await bench.service.read(by, [reading])
    with pytest.raises(PermissionDenied):
        await bench.service.report(by, [("checkout", Ring())])


@pytest.mark.parametrize("role", ["viewer", "producer"])
async def test_who_may_not_respond_is_refused(bench, role):
    for verb in (bench.service.acknowledge, bench.service.resolve):
        with pytest.raises(PermissionDenied):
            await verb(who(role), [UNKNOWN_ID], None)


async def test_an_unknown_role_may_not_even_read(bench):
    by = who("nobody")
    for read in (
        lambda: bench.service.alerts(by, AlertQuery(workspace="acme")),
        lambda: bench.service.alert(by, UNKNOWN_ID),
        lambda: bench.service.open_rows(by, None),
    ):
        with pytest.raises(PermissionDenied):
            await read()
    with pytest.raises(PermissionDenied):
        bench.service.locate(by, "workspace", None)


async def test_a_request_of_nothing_is_answered_with_nothing_and_at_once(bench, autojump_clock):
    began = trio.current_time()
    service = bench.service
    for verb in (service.trigger, service.read, service.report):
        assert await verb(ANN, []) == []
    for change in (service.acknowledge, service.resolve):
        assert await change(ANN, [], None) == []
    assert trio.current_time() == began


async def test_a_ticket_too_many_is_refused_and_counted(bench):
    with pytest.raises(LimitReached, match="32 unused tickets, limit 32"):
        for _ in range(33):
            bench.service.issue_ticket(ANN)
    assert bench.figure('tocsin_refused_total{limit="tickets_per_user"}') == 1


@pytest.mark.parametrize("text", ["\ud800", "a\0b"])
async def test_a_text_that_no_store_takes_is_nobodys_id(bench, text):
    for question in (bench.service.alert(ANN, text), bench.service.recipients(ANN, text, None, 10)):
        with pytest.raises(UnknownChannel, match="there is no such alert"):
            await question


async def test_recipients_are_shown_to_who_may_see_the_alert(bench):
    alert_id = await bench.rung()
    mark = RecipientMark(
        stream=ChannelKey("acme", "checkout"), user="bob", is_seen=True, min_severity=Severity.INFO, after=0, until=1,
        at=START_US,
    )  # fmt: skip
    await bench.store.recipient_marks([mark])
    page = await bench.service.recipients(who("viewer"), alert_id, None, 10)
    assert [(item.user, item.received_at) for item in page.items] == [("bob", rfc3339(START_US))]
    for by in (who("viewer", channels=("search",)), who(workspace="umbrella")):
        with pytest.raises(UnknownChannel):
            await bench.service.recipients(by, alert_id, None, 10)


# Which channel


@pytest.mark.parametrize(
    ("channel", "framework_id", "expected"),
    [
        (None, "checkout", ChannelKey("acme", "checkout")),
        (None, "node:9100", ChannelKey("acme", "node:9100")),
        ("alerts:checkout", None, ChannelKey("acme", "checkout")),
        ("alerts:acme:checkout", None, ChannelKey("acme", "checkout")),
        ("workspace", None, DerivedKey("acme")),
        ("user", None, DerivedKey("acme", "ann")),
    ],
)
async def test_a_channel_is_asked_for_by_name_or_framework(bench, channel, framework_id, expected):
    assert bench.service.locate(who("viewer"), channel, framework_id) == expected


@pytest.mark.parametrize(
    ("channel", "framework_id", "fault"),
    [
        (None, None, BadRequest),
        ("workspace", "checkout", BadRequest),
        (None, "../x", BadRequest),
        ("", None, UnknownChannel),
        ("alerts:umbrella:checkout", None, UnknownChannel),
        ("user:somebody else", None, UnknownChannel),
    ],
)
async def test_a_channel_that_is_not_asked_for_rightly_is_refused(bench, channel, framework_id, fault):
    with pytest.raises(fault):
        bench.service.locate(ANN, channel, framework_id)


async def test_a_token_limited_to_channels_reads_these_and_not_the_workspace(bench):
    by = who(channels=("checkout",))
    assert bench.service.locate(by, "project:checkout", None) == ChannelKey("acme", "checkout")
    for channel in ("alerts:search", "workspace", "user"):
        with pytest.raises(PermissionDenied):
            bench.service.locate(by, channel, None)


# Triggers and readings


async def test_a_trigger_fires_and_its_repetition_is_suppressed_with_the_same_alert(bench):
    (first,) = await bench.ring("checkout")
    (second,) = await bench.ring("checkout")
    assert (first.status, first.offset) == (Status.FIRED, 1)
    assert (second.status, second.alert_id) == (Status.SUPPRESSED, first.alert_id)


async def test_results_come_in_the_order_of_the_items_whatever_their_channels(bench):
    results = await bench.ring("a", "b", "a", "c")
    assert reasons(results) == [Reason.FIRED, Reason.FIRED, Reason.DUPLICATE, Reason.FIRED]
    assert results[2].alert_id == results[0].alert_id
    alert = await bench.service.alert(ANN, results[1].alert_id)
    assert alert.framework_id == "b"


async def test_one_bad_item_refuses_the_request_and_nothing_of_it_happens(bench):
    for bad in (a_trigger("../x"), a_trigger("b", rule_id="*"), a_trigger("b", title="\0")):
        with pytest.raises(BadRequest):
            await bench.service.trigger(ANN, [a_trigger("a"), bad])
    assert (await bench.service.alerts(ANN, AlertQuery(workspace="acme"))).items == []
    assert bench.figure('tocsin_triggers_total{framework_id="a"}') is None


async def test_readings_are_held_against_the_rules_of_their_frameworks(bench):
    results = await bench.service.read(
        who("producer"),
        [ReadingInput(framework_id="checkout", metric="cpu", value=value) for value in (50.0, 97.5)],
    )
    assert reasons(results) == [Reason.BELOW_THRESHOLD, Reason.FIRED]


@pytest.mark.parametrize("fields", [{"framework_id": "../x"}, {"metric": "*"}, {"at": "now"}])
async def test_a_bad_reading_refuses_the_request(bench, fields):
    good = {"framework_id": "checkout", "metric": "cpu", "value": 97.5}
    with pytest.raises(BadRequest):
        await bench.service.read(ANN, [ReadingInput(**good), ReadingInput(**good | fields)])
    assert (await bench.service.alerts(ANN, AlertQuery(workspace="acme"))).items == []


async def test_a_token_limited_to_channels_triggers_only_there(bench):
    by = who("producer", channels=("checkout",))
    assert reasons(await bench.ring("checkout", by=by)) == [Reason.FIRED]
    with pytest.raises(PermissionDenied):
        await bench.ring("checkout", "search", by=by)


async def test_the_workspace_is_the_tokens(bench):
    await bench.ring("checkout", by=who(workspace="umbrella"))
    assert reasons(await bench.ring("checkout")) == [Reason.FIRED]


def a_report(**labels: str) -> Ring:
    now = clock()
    source = SourceReport(labels=labels, annotations={}, starts_at=now, ends_at=now + 600 * SECOND_US)
    return Ring(title="Down", alert_type="Down", labels=labels, source=source)


async def test_a_source_that_sends_again_refreshes_and_is_listed_as_all_open_alerts_are(bench):
    report = ("checkout", a_report(alertname="Down"))
    assert reasons(await bench.service.report(ANN, [report])) == [Reason.FIRED]
    assert reasons(await bench.service.report(ANN, [report])) == [Reason.REFRESHED]
    await bench.service.report(ANN, [("search", a_report(alertname="Slow"))])
    await bench.rung("checkout")
    rows = (await bench.service.open_rows(who("viewer"), None)).items
    assert sorted(row.alert.framework_id for row in rows) == ["checkout", "checkout", "search"]
    (only,) = (await bench.service.open_rows(who("viewer", channels=("search",)), None)).items
    assert only.alert.framework_id == "search"


# Acknowledge and resolve


async def test_an_alert_is_acknowledged_and_resolved_by_whom_the_token_says(bench):
    alert_id = await bench.rung()
    (seen,) = await bench.service.acknowledge(who("responder"), [alert_id], "looking")
    (over,) = await bench.service.resolve(who("responder"), [alert_id], None)
    assert (seen.status, over.status) == (Status.ACKNOWLEDGED, Status.RESOLVED)
    alert = await bench.service.alert(ANN, alert_id)
    assert (alert.state, alert.acknowledged_by, alert.resolved_by) == (AlertState.RESOLVED, "ann", "ann")


async def test_what_a_source_reported_is_acknowledged_by_what_it_reported(bench):
    alert_id = await bench.rung(dedup_key="disk-7")
    result = await bench.service.acknowledge_reported(ANN, "checkout", Ring(dedup_key="disk-7"))
    assert (result.reason, result.alert_id) == (Reason.ACKNOWLEDGED, alert_id)


async def test_resolving_what_is_over_succeeds_and_acknowledging_it_does_not(bench, autojump_clock):
    alert_id = await bench.rung()
    await bench.service.resolve(ANN, [alert_id], None)
    await trio.sleep(1_000)  # past the suppression window: the machine has forgotten the alert, the store has not
    (again,) = await bench.service.resolve(ANN, [alert_id], None)
    (late,) = await bench.service.acknowledge(ANN, [alert_id], None)
    assert (again.status, again.reason, again.alert_id) == (Status.RESOLVED, Reason.ALREADY, alert_id)
    assert (late.status, late.reason, late.alert_id) == (Status.REJECTED, Reason.ALREADY, alert_id)


async def test_unknown_foreign_and_hidden_alerts_answer_exactly_alike(bench):
    foreign = (await bench.ring("checkout", by=who(workspace="umbrella")))[0].alert_id
    hidden = await bench.rung("search")
    by = who("responder", channels=("checkout",))
    ids = [UNKNOWN_ID, foreign, hidden, "a\0b", "\ud800", "x" * 5_000]
    for verb in (bench.service.acknowledge, bench.service.resolve):
        results = await verb(by, ids, None)
        assert set(reasons(results)) == {Reason.UNKNOWN_ALERT}
        assert len({(each.status, each.message, each.offset) for each in results}) == 1
        assert [each.alert_id for each in results[:3]] == ids[:3], "what was asked about, and nothing else of it"
    for alert_id in (UNKNOWN_ID, foreign, hidden):
        with pytest.raises(UnknownChannel, match="there is no such alert"):
            await bench.service.alert(by, alert_id)
    assert not {"a\0b", "\ud800"} & set(bench.store.located), "a store is not asked for what it cannot even look up"


async def test_many_alerts_are_changed_at_once_and_answered_in_order(bench):
    first, second = await bench.rung("a"), await bench.rung("b")
    results = await bench.service.acknowledge(ANN, [second, UNKNOWN_ID, first, second], None)
    assert [result.alert_id for result in results] == [second, UNKNOWN_ID, first, second]
    assert results[1].reason is Reason.UNKNOWN_ALERT


async def test_notes_that_no_store_can_keep_are_refused(bench):
    alert_id = await bench.rung()
    with pytest.raises(BadRequest, match="notes"):
        await bench.service.acknowledge(ANN, [alert_id], "a\0b")
    assert (await bench.service.alert(ANN, alert_id)).state is AlertState.ACTIVE


# Reading


async def test_a_page_of_alerts_is_always_of_the_askers_workspace_and_channels(bench):
    for framework in ("a", "b"):
        await bench.rung(framework)
    await bench.ring("a", by=who(workspace="umbrella"))
    query = AlertQuery(workspace="umbrella", frameworks=None)
    page = await bench.service.alerts(who("viewer"), query)
    assert [alert.framework_id for alert in page.items] == ["b", "a"]
    limited = await bench.service.alerts(who("viewer", channels=("a",)), query)
    assert [alert.framework_id for alert in limited.items] == ["a"]


# The socket's form of the same verbs


async def submitted(bench: Bench, request: m.ClientMessage, by: Principal = ANN) -> list[ItemResult]:
    answers = Answers()
    await bench.service.submit(by, request, answers)
    await wait_all_tasks_blocked()
    (results,) = answers.all
    return list(results)


async def test_every_request_of_a_socket_is_answered_by_callback(bench):
    (fired,) = await submitted(bench, m.Trigger(alert=a_trigger("a")))
    both = await submitted(bench, m.Trigger(alerts=[a_trigger("b"), a_trigger("a")]))
    assert reasons([fired, *both]) == [Reason.FIRED, Reason.FIRED, Reason.DUPLICATE]
    reading = m.Reading(readings=[ReadingInput(framework_id="checkout", metric="cpu", value=91.0)])
    assert reasons(await submitted(bench, reading)) == [Reason.FIRED]
    assert reasons(await submitted(bench, m.Acknowledge(alert_id=fired.alert_id))) == [Reason.ACKNOWLEDGED]
    ids = [fired.alert_id, both[0].alert_id]
    assert reasons(await submitted(bench, m.Resolve(alert_ids=ids))) == [Reason.RESOLVED] * 2


@pytest.mark.parametrize(
    "request_",
    [
        m.Trigger(),
        m.Trigger(alert=a_trigger(), alerts=[a_trigger()]),
        m.Acknowledge(),
        m.Acknowledge(alert_id="a", alert_ids=["a"]),
        m.Resolve(),
        m.Ping(),
        m.Auth(token="t"),
        m.Subscribe(channel="workspace"),
    ],
    ids=repr,
)
async def test_a_request_that_says_nothing_or_two_things_is_refused(bench, request_):
    with pytest.raises(BadRequest):
        await bench.service.submit(ANN, request_, Answers())


# Limits and faults


async def test_the_service_is_ready_while_the_store_is(bench):
    assert bench.service.is_ready
    bench.goes_away()
    assert not bench.service.is_ready


async def test_why_nothing_can_be_acked_is_said_in_words_that_tell_nobody_too_much(bench):
    assert bench.service.why_unready == ""
    bench.goes_away()
    assert bench.service.why_unready == "it takes no writes"
    bench.store.is_reachable = False
    assert bench.service.why_unready == "its server does not answer"
    bench.registry.cell(ChannelKey("acme", "held")).away = "its disk is full: could not extend /srv/secret/12"
    assert bench.service.why_unready == "its disk is full"
    with pytest.raises(StoreUnavailable, match=r"the store is away \(its disk is full\); nothing was stored"):
        await bench.ring("never used")


async def test_a_store_whose_last_commit_failed_is_tried_by_the_next_request_if_no_channel_tries_it(bench):
    # The channel that was told "unavailable" has crashed since, or was parked: without a try it would stay so for ever.
    bench.store.is_available = False
    assert bench.service.is_ready
    [result] = await bench.ring("checkout")
    assert result.status is Status.FIRED


async def test_the_service_is_not_ready_while_the_stores_server_does_not_answer_though_nobody_has_tried(bench):
    bench.store.is_reachable = False
    assert not bench.service.is_ready
    with pytest.raises(StoreUnavailable):
        await bench.ring("never used")
    bench.store.is_reachable = True
    assert bench.service.is_ready


async def test_while_the_store_is_away_every_change_is_refused_at_once(bench):
    alert_id = await bench.rung()
    bench.goes_away()
    for verb in (
        lambda: bench.ring("checkout"),
        lambda: bench.service.read(ANN, [ReadingInput(framework_id="a", metric="cpu", value=1.0)]),
        lambda: bench.service.report(ANN, [("a", Ring())]),
        lambda: bench.service.acknowledge(ANN, [alert_id], None),
        lambda: bench.service.resolve(ANN, [alert_id], None),
    ):
        with pytest.raises(StoreUnavailable):
            await verb()


async def test_a_full_channel_refuses_the_whole_request_if_it_is_the_only_one(autojump_clock):
    async with a_bench(is_running=False, mailbox_max=2) as bench:
        with pytest.raises(Busy, match="limit 2"):
            await bench.ring("a", "a", "a")
        assert [len(cell.mailbox) for cell in bench.registry.cells()] == [0]


async def test_a_full_channel_beside_others_answers_its_items_busy(autojump_clock):
    async with a_bench(is_running=False, mailbox_max=2) as bench, trio.open_nursery() as nursery:
        results: list[ItemResult] = []

        async def ring() -> None:
            results.extend(await bench.ring("a", "b", "a", "a"))

        nursery.start_soon(ring)
        await wait_all_tasks_blocked()
        await start(nursery, bench.registry.run)
        await wait_all_tasks_blocked()
        assert reasons(results) == [Reason.BUSY, Reason.FIRED, Reason.BUSY, Reason.BUSY]
        assert "limit 2" in results[0].message
        assert bench.figure('tocsin_refused_total{limit="channel_mailbox"}') == 1, "once, however many items it had"
        nursery.cancel_scope.cancel()


async def test_a_full_channel_answers_changes_busy_and_other_channels_do_theirs(autojump_clock):
    async with a_bench(mailbox_max=2) as bench:
        ids = [(await bench.rung(dedup_key=key)) for key in "abc"]
        ids.append(await bench.rung("search"))
        results = await bench.service.acknowledge(ANN, ids, None)
        assert reasons(results) == [Reason.BUSY, Reason.BUSY, Reason.BUSY, Reason.ACKNOWLEDGED]
        assert bench.figure('tocsin_refused_total{limit="channel_mailbox"}') == 1


async def test_what_a_channel_has_no_room_for_is_counted_under_the_limit_that_it_met(autojump_clock):
    async with a_bench(policy=Policy(windows_max=1)) as bench:
        await bench.rung(dedup_key="a")
        assert reasons(await bench.ring("checkout", dedup_key="b")) == [Reason.BUSY]
        assert bench.figure('tocsin_refused_total{limit="channel_windows"}') == 1


async def test_what_one_commit_has_no_room_for_is_answered_after_the_next_one(autojump_clock):
    async with a_bench(policy=Policy(events_max=1)) as bench:
        results = await bench.service.trigger(ANN, [a_trigger("checkout", dedup_key=key) for key in "abc"])
        assert reasons(results) == [Reason.FIRED] * 3
        assert [result.offset for result in results] == [1, 2, 3]


async def test_past_the_limit_of_channels_a_request_is_refused_and_nothing_of_it_happens(autojump_clock):
    async with a_bench(channels_max=2, idle_s=1.0) as bench:
        ids = [await bench.rung(framework) for framework in "ab"]
        await trio.sleep(1_000)  # both are retired
        await bench.rung("c")
        with pytest.raises(Busy):
            await bench.service.resolve(ANN, ids, None)
        with pytest.raises(Busy):
            await bench.ring("a", "b")
        await trio.sleep(1_000)
        assert {(await bench.service.alert(ANN, each)).state for each in ids} == {AlertState.ACTIVE}


async def test_no_answer_in_time_is_busy_and_says_that_it_may_yet_be_stored(autojump_clock):
    async with a_bench(is_running=False) as bench:
        began = trio.current_time()
        with pytest.raises(Busy, match="it may yet be stored"):
            await bench.ring("checkout")
        assert trio.current_time() - began == 10.0


async def test_what_happened_is_counted(bench):
    await bench.ring("checkout", "checkout", alert_type="cpu")
    assert bench.figure('alert_triggers_total{framework_id="checkout",alert_type="cpu"}') == 2
    assert bench.figure("alerts_processed_total") == 2
    assert bench.figure("alert_processing_errors_total") == 0


async def test_a_channel_that_is_parked_counts_as_an_error_of_ours(bench):
    bench.registry.cell(ChannelKey("acme", "checkout")).park()
    assert reasons(await bench.ring("checkout")) == [Reason.FAILED]
    assert bench.figure("alert_processing_errors_total") == 1


async def test_a_workspace_has_so_many_items_a_second_over_all_doors_and_nothing_is_done_of_more() -> None:
    async with a_bench(workspace_items_per_s=3.0) as bench:
        answers = Answers()
        await bench.service.trigger(ANN, [a_trigger("checkout")] * 2)
        with pytest.raises(TooManyRequests, match="workspace_items_per_s: 3 a second, 3 at once"):
            await bench.service.submit(ANN, m.Trigger(alerts=[a_trigger("search")] * 2), answers)
        with pytest.raises(TooManyRequests):
            await bench.service.resolve(ANN, ["a", "b"], None)
        assert answers.all == []
        assert bench.figure('tocsin_refused_total{limit="workspace_items_per_s"}') == 2
