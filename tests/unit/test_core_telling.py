"""What became of a delivery, in a sentence."""

from __future__ import annotations

import pytest

from engine.core.telling import explained, explained_silence
from protocol.jobs import Job, JobError, JobState, Queue
from protocol.model import QuietedBy
from protocol.notify import Change, Channel, DeliveryState, Recipient, Why
from tests.support.alerts import PLAIN_ALERT, an_alert
from tests.support.deliveries import a_delivery
from tests.support.stores import NOW

STATES = [DeliveryState.SUPPRESSED, DeliveryState.FAILED]


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (a_delivery(), "On its way."),
        (a_delivery(attempts=2, cause="429"), "To be tried again, after 2 attempts without success (429)."),
        (a_delivery(held_since=NOW, cause="429"), "It waits for its target (429)."),
        # With a digest whose time has come, and which was not taken.
        (a_delivery(due=0, why=Why.DIGEST, attempts=1), "To be tried again, after 1 attempt without success."),
        (
            a_delivery(due=0, why=Why.DIGEST),
            "Put aside until 1970-01-01T00:00:00.000000Z: it goes with the recipient's next digest.",
        ),
        (a_delivery(state=DeliveryState.SENT), "Handed on; whether it arrived is not known."),
        (a_delivery(state=DeliveryState.SENT, channel=Channel.IN_APP), "It is in the recipient's list."),
        (
            a_delivery(state=DeliveryState.SUPPRESSED, why=Why.NO_ADDRESS, channel=Channel.SLACK),
            "Not told: no Slack id is known of this user (slack_id).",
        ),
        (
            a_delivery(state=DeliveryState.SUPPRESSED, why=Why.NO_SENDER, channel=Channel.EMAIL),
            "Not told: no mail server is configured (notify.smtp.host).",
        ),
        (a_delivery(state=DeliveryState.SUPPRESSED), "Not told: nobody said why."),
        (a_delivery(state=DeliveryState.DELIVERED), "The target has taken it."),
        (a_delivery(state=DeliveryState.ACKNOWLEDGED), "The recipient has acknowledged the alert."),
        (a_delivery(state=DeliveryState.READ), "The recipient has read it."),
        (
            a_delivery(state=DeliveryState.SUPPRESSED, why=Why.NOT_TOLD),
            "Not told: the recipient had not been told that it began.",
        ),
        # Its storm may not have been told of yet.
        (
            a_delivery(state=DeliveryState.SUPPRESSED, why=Why.STORM),
            "Not told: it is told with the others of its storm.",
        ),
        (
            a_delivery(state=DeliveryState.FAILED, why=Why.REFUSED, cause="404: no such hook"),
            "Failed: the target refused it (404: no such hook).",
        ),
        # A line of another version of this program.
        (a_delivery(state=DeliveryState.FAILED, why=Why.STORM), "Failed: storm."),
        (a_delivery(state=DeliveryState.FAILED), "Failed: nobody said why."),
    ],
)
def test_each_line_is_explained(line: object, sentence: str) -> None:
    assert explained(line) == sentence  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["user", "team", "endpoint"])
def test_a_name_behind_which_there_is_nobody_is_called_what_it_was_meant_for(kind: str) -> None:
    line = a_delivery(state=DeliveryState.SUPPRESSED, why=Why.UNKNOWN, recipient=Recipient(**{kind: "ghost"}))
    assert explained(line) == f"Not told: there is no {kind} of this name."


def test_what_is_behind_another_message_says_behind_which() -> None:
    assert explained(a_delivery(), a_delivery(change=Change.RAISED)) == "It waits for the message before it (raised)."


@pytest.mark.parametrize("why", list(Why))
def test_each_reason_is_a_sentence_in_one_state_at_least(why: Why) -> None:
    sentences = [explained(a_delivery(state=state, why=why)) for state in STATES]
    sentences.append(explained(a_delivery(due=NOW, why=why)))
    assert any(not sentence.endswith(f": {why.value}.") for sentence in sentences)


def test_an_alert_without_a_line_is_explained_too() -> None:
    until = "2026-01-01T00:00:00Z"
    quiet = an_alert(quieted_by=QuietedBy.SILENCED, quieted_ref="s1", quieted_until=until)
    assert explained_silence(quiet, True) == f"Nobody was told: it does not ring (silenced s1 until {until})."
    flapping = an_alert(quieted_by=QuietedBy.FLAPPING)
    assert explained_silence(flapping, True) == "Nobody was told: it does not ring (flapping)."
    assert "no endpoint in this workspace" in explained_silence(PLAIN_ALERT, False)
    assert "concerns no endpoint" in explained_silence(PLAIN_ALERT, True)


@pytest.mark.parametrize(
    ("state", "is_paused", "cause", "sentence"),
    [
        (JobState.WAITING, False, "", "Nobody was told yet: job 7 is about to decide who is."),
        (JobState.DELAYED, False, "disk full", "Nobody was told yet: job 7 is about to decide who is (disk full)."),
        (
            JobState.WAITING,
            True,
            "",
            "Nobody was told yet: the queue notification is paused, and who is told is decided when it goes on.",
        ),
        (
            JobState.CANCELLED,
            True,
            "",
            "Nobody was told: job 7, which was to decide who is, was cancelled; tocsin jobs retry 7 does it again.",
        ),
        (
            JobState.FAILED,
            False,
            "full",
            "Nobody was told: job 7, which was to decide who is, failed (full); tocsin jobs retry 7 does it again.",
        ),
    ],
)
def test_an_alert_that_nobody_has_routed_is_not_one_that_concerns_nobody(
    state: JobState, is_paused: bool, cause: str, sentence: str
) -> None:
    errors = (JobError(at=NOW, attempt=1, cause=cause),) if cause else ()
    job = Job(
        **{"id": 7, "queue": Queue.NOTIFICATION, "kind": "route", "state": state, "workspace": "acme", "args": "{}"},
        **{"framework": "web", "prio": 1, "run_at": NOW, "attempt": 1, "attempts_max": 5, "errors": errors},
        **{"created_at": NOW, "updated_at": NOW},
    )
    assert explained_silence(PLAIN_ALERT, True, job, is_paused) == sentence
