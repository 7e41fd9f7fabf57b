"""What is kept of one alert's ledger says the same as its lines."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from engine.core.routing import heard
from engine.notify.told import Told
from protocol.notify import Change, Channel, Delivery, DeliveryState, Recipient, Why

RECIPIENTS = [Recipient(user="ann"), Recipient(user="bob"), Recipient(endpoint="pager"), Recipient(team="web")]
LINES = st.lists(
    st.builds(
        Delivery,
        key=st.sampled_from("abcdef"),
        workspace=st.just("acme"),
        alert_id=st.just("a1"),
        channel=st.sampled_from([Channel.EMAIL, Channel.WEBHOOK]),
        recipient=st.sampled_from(RECIPIENTS),
        version=st.just("1"),
        change=st.sampled_from(Change),
        state=st.sampled_from(DeliveryState),
        why=st.sampled_from([None, Why.STORM, Why.DIGEST]),
        due=st.sampled_from([None, 1]),
        at=st.just(0),
        updated_at=st.just(0),
    )
)


@given(stored=LINES, added=LINES)
def test_lines_that_come_one_by_one_say_what_they_say_together(stored: list[Delivery], added: list[Delivery]) -> None:
    kept = Told(stored)
    for line in added:
        kept.add(line)
    lines = stored + added
    assert kept.known == heard(lines)
    assert kept.keys == {line.key for line in lines}
    assert kept.names == {line.recipient.name for line in lines}
    assert list(kept.users) == list(dict.fromkeys(line.recipient.user for line in lines if line.recipient.user))
    assert kept.by_chains == [line for line in lines if line.change in (Change.ESCALATED, Change.REMINDER)]
