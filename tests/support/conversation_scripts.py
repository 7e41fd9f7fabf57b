"""The conversations that clients in every language are held to: one function each, its name says what it is about."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from protocol import messages as m
from protocol.hints import Broadcast, BroadcastTo, Notification
from protocol.items import ItemResult
from protocol.model import AlertState, Change, EventKind, Reason, Severity, Status
from tests.support.client_server import CHANNEL, an_alert
from tests.support.conversations import Recorder, record

WEB = "alerts:web"
AT = "2026-01-01T00:00:00.000000Z"
NOBODY_KNOWS = {"type": "novel", "channel": CHANNEL, "offset": 4}
Script = Callable[[Recorder], None]
# By name: the script, and the options of the client.
SCRIPTS: dict[str, tuple[Script, dict[str, bool]]] = {}


def conversation(fresh_tokens: bool = False, received: bool = False) -> Callable[[Script], Script]:
    """Adds a script."""

    def add(script: Script) -> Script:
        options = {"fresh_tokens": fresh_tokens, "received": received}
        SCRIPTS[script.__name__.replace("_", " ")] = (script, options)
        return script

    return add


def recorded() -> Iterator[str]:
    """The lines of the file."""
    return (record(name, script, **options) for name, (script, options) in SCRIPTS.items())


def hello(expires_at: str = "2026-01-01T01:00:00.000000Z") -> m.AuthSuccess:
    return m.AuthSuccess(client_id="c1", workspace_id="acme", user_id="ann", expires_at=expires_at, ping=30.0)


def granted(ask: int, offset: int, reason: str = "fresh", epoch: str = "e1", channel: str = CHANNEL) -> m.Subscribed:
    return m.Subscribed(
        id=ask, channel=channel, epoch=epoch, offset=offset, recovered=reason == "ok", reason=reason
    )  # fmt: skip


def a_gap(first: int, last: int, prev: int, epoch: str = "e1") -> m.GapMessage:
    return m.GapMessage(
        channel=CHANNEL, epoch=epoch, prev=prev, from_=first, to=last, count=last - first + 1, reason="slow"
    )


def a_page(page: int, offset: int, *names: int, last: bool = False) -> m.Snapshot:
    alerts = [an_alert(name).data for name in names]
    return m.Snapshot(channel=CHANNEL, epoch="e1", offset=offset, alerts=alerts, page=page, last=last)


def silent(offset: int, epoch: str = "e1") -> m.PositionMessage:
    return m.PositionMessage(channel=CHANNEL, epoch=epoch, offset=offset, at=AT)


def many(offset: int, *ids: str) -> m.AlertMessage:
    change = Change(at=AT, state=AlertState.RESOLVED, by="ann", severity=Severity.ERROR)
    return m.AlertMessage(
        channel=CHANNEL, epoch="e1", offset=offset, prev=offset - 1, event=EventKind.RESOLVED, timestamp=AT, by="ann",
        alert_ids=list(ids), change=change,
    )  # fmt: skip


def follows(client: Recorder, offset: int = 3, snapshot: bool = False) -> None:
    """Connected, and has everything of one channel up to an offset."""
    client.open()
    client.hear(hello())
    client.subscribe(WEB, snapshot=snapshot)
    client.hear(granted(1, offset))


def unreadable(offset: int) -> dict[str, Any]:
    """An event with a word that only a newer server knows."""
    message = {"type": "alert", "channel": CHANNEL, "epoch": "e1", "offset": offset, "prev": offset - 1}
    return message | {"event": "transmogrified", "timestamp": AT}


@conversation()
def what_is_wanted_before_there_is_a_connection_leaves_with_auth_in_one_burst(client: Recorder) -> None:
    client.subscribe(WEB, Severity.ERROR)
    client.subscribe("workspace", snapshot=True)
    client.open()
    client.hear(hello(), granted(1, 7), granted(2, 0, channel="alerts:acme:*"))
    client.subscribe(WEB, Severity.ERROR)
    client.subscribe(WEB)
    client.subscribe(WEB)
    client.hear(granted(3, 7))


@conversation()
def a_refused_text_is_refused_for_good(client: Recorder) -> None:
    client.open("bad")
    client.subscribe(WEB)
    client.hear(m.AuthFailed(code=101, message="invalid token"))
    client.broken()


@conversation(fresh_tokens=True)
def a_refused_token_is_tried_again_with_a_fresh_one_until_the_third_in_a_row(client: Recorder) -> None:
    for number in range(2):
        client.open(f"t{number}")
        client.hear(m.AuthFailed(code=101, message="invalid token"))
        client.broken(chance=0.75)
    client.open("good")
    client.hear(hello())
    client.broken()
    for number in range(3):
        client.open(f"t{number}")
        client.hear(m.AuthFailed(code=109, message="the token has expired"))
        client.broken(chance=0.75)


@conversation(fresh_tokens=True)
def a_token_that_ends_is_renewed_on_the_same_connection_without_losing_the_place(client: Recorder) -> None:
    client.open()
    client.subscribe(WEB)
    client.hear(hello("2026-01-01T00:10:00.000000Z"), granted(1, 3), an_alert(4))
    client.wait(540)
    client.hear(hello("2026-01-01T00:20:00.000000Z"), an_alert(5), hello("2026-01-01T00:12:00.000000Z"))
    client.hear(hello("2025-12-31T00:00:00.000000Z"))
    client.broken("the server closed it: 3005 token expired", 3005)
    client.open("fresh")
    client.hear(hello(), granted(2, 6, "ok"), an_alert(6))


@conversation()
def after_a_break_everything_missed_comes_before_what_is_live(client: Recorder) -> None:
    follows(client)
    client.hear(an_alert(4))
    client.broken()
    client.open()
    # What is live must not overtake the history that was asked for.
    client.hear(hello(), an_alert(7), granted(2, 7, "ok"), an_alert(5), an_alert(6), an_alert(7), an_alert(7))
    client.hear(an_alert(8))


@conversation()
def of_another_store_everything_before_is_lost(client: Recorder) -> None:
    follows(client)
    client.broken()
    client.open()
    client.hear(hello(), granted(2, 1, "epoch_changed", epoch="e2"), an_alert(2, epoch="e2"), an_alert(9))


@conversation()
def too_far_behind_is_told_as_lost_and_goes_on_from_there(client: Recorder) -> None:
    follows(client)
    client.broken()
    client.open()
    client.hear(hello(), granted(2, 900, "trimmed"), an_alert(901))
    client.broken()
    client.open()
    client.hear(hello(), granted(3, 5, "ahead"), an_alert(6))


@conversation()
def a_gap_is_recovered_from_the_last_place(client: Recorder) -> None:
    follows(client, 0)
    client.hear(an_alert(1), an_alert(4), an_alert(5), granted(2, 5, "ok"))
    client.hear(*(an_alert(offset) for offset in range(2, 7)))


@conversation()
def filtered_messages_leave_no_gap(client: Recorder) -> None:
    client.open()
    client.hear(hello())
    client.subscribe(WEB, Severity.CRITICAL)
    client.hear(granted(1, 3), an_alert(9, prev=3), silent(20), an_alert(31, prev=15), an_alert(32, prev=31))


@conversation()
def late_duplicates_are_dropped(client: Recorder) -> None:
    follows(client)
    client.hear(an_alert(3), an_alert(4), an_alert(2), an_alert(4), silent(4), an_alert(4), an_alert(5))


@conversation()
def a_gap_of_the_servers_is_told_and_can_be_recovered_behind_what_was_shown_meanwhile(client: Recorder) -> None:
    follows(client)
    gap = a_gap(4, 6, prev=3)
    client.hear(gap, gap, an_alert(7))
    client.recover(gap)
    client.hear(granted(2, 8, "ok"), an_alert(4), an_alert(5), an_alert(6), an_alert(7), an_alert(8), an_alert(9))
    client.recover(a_gap(1, 2, prev=0, epoch="e0"))


@conversation()
def what_was_left_out_and_is_gone_by_now_is_lost_alone(client: Recorder) -> None:
    follows(client)
    gap = a_gap(4, 6, prev=3)
    client.hear(gap, an_alert(7))
    client.recover(gap)
    client.hear(granted(2, 7, "trimmed"), granted(3, 7, "ok"), an_alert(8))


@conversation()
def of_what_was_left_out_one_message_cannot_be_read(client: Recorder) -> None:
    follows(client)
    gap = a_gap(4, 7, prev=3)
    client.hear(gap, an_alert(8))
    client.recover(gap)
    for ask in (2, 3):
        client.hear(granted(ask, 8, "ok"), an_alert(4), unreadable(5), an_alert(6), an_alert(7), an_alert(8))
    client.hear(an_alert(9))


@conversation(received=True)
def what_was_left_out_counts_as_received_once_it_is_recovered(client: Recorder) -> None:
    follows(client)
    gap = a_gap(4, 5, prev=3)
    client.hear(gap, an_alert(6), silent(6))
    client.recover(gap)
    client.hear(granted(2, 6, "ok"), an_alert(4), an_alert(5), an_alert(6), silent(6))


@conversation()
def a_gap_behind_a_missing_message_is_a_gap_itself(client: Recorder) -> None:
    follows(client)
    client.hear(a_gap(6, 9, prev=5), granted(2, 9, "ok"), an_alert(4), an_alert(5), a_gap(6, 9, prev=5), an_alert(10))


@conversation()
def a_snapshot_comes_in_pages_and_its_alerts_are_not_shown_as_they_were_before(client: Recorder) -> None:
    follows(client, 7, snapshot=True)
    client.hear(a_page(0, 7, 5, 4), a_page(1, 9, 8, 2, last=True))
    client.hear(an_alert(8), many(9, "a2", "a4"), many(10, "a2", "a4"), many(11, "a8"))


@conversation()
def a_snapshot_that_breaks_off_is_asked_for_anew(client: Recorder) -> None:
    follows(client, 7, snapshot=True)
    client.hear(a_page(0, 7, 5, 4))
    client.broken()
    client.open()
    client.hear(hello(), granted(2, 8), a_page(0, 8, 5, last=True), an_alert(9))
    client.broken()
    client.open()
    client.hear(hello(), granted(3, 9, "ok"))


@conversation()
def a_snapshot_is_wanted_only_later(client: Recorder) -> None:
    follows(client)
    client.subscribe(WEB, snapshot=True)
    client.hear(granted(2, 4), a_page(0, 4, 2, last=True), an_alert(5))
    client.broken()
    client.open()
    client.hear(hello(), granted(3, 900, "trimmed"), a_page(0, 900, last=True))


@conversation(received=True)
def a_proof_of_silence_moves_the_place_and_says_what_has_arrived(client: Recorder) -> None:
    follows(client)
    client.hear(silent(8), silent(8), silent(5), silent(99, epoch="e9"), an_alert(9), silent(9))
    client.hear(a_gap(10, 12, prev=9), silent(12))
    client.broken()
    client.open()
    client.hear(hello(), granted(2, 12, "ok"), silent(13))


@conversation()
def a_bye_says_how_long_to_wait(client: Recorder) -> None:
    follows(client)
    client.wait(20)
    client.hear(m.Bye(code=3001, reason="shutdown", reconnect_after_ms=1_234))
    client.broken("the server closed it: 3001 shutdown", 3001)
    client.broken("connection refused", chance=1.0)
    client.open()
    client.hear(hello(), m.Bye(code=3001, reason="shutdown", reconnect_after_ms=86_400_000))
    client.broken("the server closed it: 3001 shutdown", 3001)


@conversation()
def pauses_grow_to_four_seconds_while_the_outage_is_young_and_to_thirty_later(client: Recorder) -> None:
    follows(client)
    client.wait(11)
    for number in range(7):
        client.broken(chance=1.0 - number / 8)
    client.wait(61)
    for _ in range(3):
        client.broken(chance=1.0)
    client.open()
    client.hear(hello())
    # It did not last: the pauses go on growing.
    client.wait(9.9)
    client.broken(chance=1.0)
    client.open()
    client.hear(hello())
    client.wait(10)
    client.broken(chance=1.0)


@conversation()
def a_broken_connection_answers_nobody_and_the_next_one_goes_on(client: Recorder) -> None:
    follows(client)
    client.request(lambda number: m.Ping(id=number))
    client.broken("nothing was heard")
    client.subscribe("alerts:other")
    client.open()
    client.hear(hello(), m.Pong(id=2), granted(3, 3, "ok"), granted(4, 0, channel="alerts:acme:other"))


@conversation()
def the_server_answers_and_refuses_requests(client: Recorder) -> None:
    follows(client)
    client.request(lambda number: m.Acknowledge(id=number, alert_id="a1", notes="looking"))
    client.request(lambda number: m.Resolve(id=number, alert_ids=["a1", "a2"]))
    client.request(lambda number: m.Read(id=number, keys=["msg_1"]))
    client.request(lambda number: m.Ping(id=number))
    acknowledged = ItemResult(status=Status.ACKNOWLEDGED, reason=Reason.ACKNOWLEDGED, alert_id="a1", offset=4)
    client.hear(m.ErrorMessage(code=111, message="too many; come again in 1 s", temporary=True, id=3))
    client.hear(m.Accepted(id=2, results=[acknowledged]), m.MarkedRead(id=4, read=1, unread=0), m.Pong(id=5))
    client.hear(m.Pong(id=5), m.Accepted(id=77, results=[]), m.ErrorMessage(code=107, message="?", temporary=False))


@conversation()
def a_refused_subscription_is_given_up(client: Recorder) -> None:
    client.open()
    client.hear(hello())
    client.subscribe("alerts:theirs")
    client.hear(m.ErrorMessage(code=102, message="there is no such channel", temporary=False, id=1))
    client.broken()
    client.open()


@conversation()
def a_channel_that_we_had_is_come_back_for_when_its_refusal_is_temporary(client: Recorder) -> None:
    follows(client)
    client.broken()
    client.open()
    client.hear(hello(), m.ErrorMessage(code=120, message="busy", temporary=True, id=2))
    client.broken()
    client.open()
    client.hear(hello(), m.ErrorMessage(code=103, message="not yours any more", temporary=False, id=3))


@conversation()
def two_names_of_one_channel_share_a_place(client: Recorder) -> None:
    follows(client)
    client.subscribe("project:web")
    client.hear(granted(2, 3), an_alert(4))
    client.unsubscribe("project:web")
    client.hear(m.Unsubscribed(channel=CHANNEL), granted(3, 5, "ok"), an_alert(5))
    client.unsubscribe(WEB)
    client.unsubscribe(WEB)
    client.hear(m.Unsubscribed(channel=CHANNEL), an_alert(6))


@conversation()
def a_name_that_is_given_up_before_its_answer_does_not_end_its_twin(client: Recorder) -> None:
    follows(client)
    client.subscribe("project:web")
    client.unsubscribe("project:web")
    client.hear(granted(2, 3), m.Unsubscribed(channel=CHANNEL), granted(3, 3, "ok"), an_alert(4))


@conversation()
def after_3500_to_3999_nobody_comes_back(client: Recorder) -> None:
    follows(client)
    client.request(lambda number: m.Ping(id=number))
    client.subscribe("alerts:other")
    client.broken("the server closed it: 3503 ended by an operator", 3503)


@conversation()
def after_every_other_close_code_the_client_comes_back(client: Recorder) -> None:
    for code in (1000, 1006, 1009, 1013, 3000, 3005, 3008, 3010, 3012, 3013, 3499, 4000):
        client.broken(f"closed: {code}", code)
    client.broken("closed: 3500", 3500)


@conversation()
def the_last_code_that_is_final(client: Recorder) -> None:
    client.broken("closed: 3999", 3999)


@conversation()
def what_cannot_be_read_is_counted_and_its_gap_is_passed_over_once_it_is_there_again(client: Recorder) -> None:
    follows(client)
    client.hear(NOBODY_KNOWS, {"no": "type"}, unreadable(4), an_alert(5), granted(2, 5, "ok"))
    client.hear(unreadable(4), an_alert(5), an_alert(6))
    client.hear({**_told(7), "data": {"id": "a7"}}, {**_told(8), "offset": "8"})


@conversation()
def fields_that_nobody_knows_are_ignored(client: Recorder) -> None:
    follows(client)
    client.hear({**_told(4), "colour": "red"}, {"type": "pong", "weather": "fine"}, {**_told(5), "by": None})
    client.hear({"type": "position", "channel": CHANNEL, "epoch": "e1", "offset": 2**53 - 1, "at": AT, "x": 1})


@conversation()
def what_is_told_beside_the_streams_is_handed_on(client: Recorder) -> None:
    follows(client)
    client.hear(Broadcast(to=BroadcastTo.WORKSPACE, target="acme", message="lunch", by="ann", at=AT))
    client.hear(
        Notification(
            channel="user:acme:ann", key="msg_1", kind="fired", alert=an_alert(1).data, text="fired: web", unread=3
        )
    )
    client.hear(an_alert(1, channel="alerts:acme:unasked"), silent(9))


def _told(offset: int) -> dict[str, Any]:
    data = {"id": f"a{offset}", "framework_id": "web", "severity": "info", "state": "active", "title": "t"}
    data |= {"triggered_at": AT, "last_seen_at": AT, "notification_sent": False, "occurrences": 1}
    data |= {"current_value": None, "threshold_value": None}
    place = {"channel": CHANNEL, "epoch": "e1", "offset": offset, "prev": offset - 1}
    return {"type": "alert", **place, "event": "fired", "timestamp": AT, "data": data}
