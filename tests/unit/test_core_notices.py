"""What a notification says: the same in every form, tidy, bounded, and nobody's markup but ours."""

from __future__ import annotations

from html.parser import HTMLParser
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from slack_sdk.models.blocks import Block

from engine.core.notices.as_html import html
from engine.core.notices.as_slack import blocks as slack_blocks
from engine.core.notices.as_slack import escaped
from engine.core.notices.as_text import text
from engine.core.notices.notice import (
    BODY_MAX_CHARS,
    SUBJECT_MAX_CHARS,
    WORDS,
    Links,
    Notice,
    Style,
    line_of,
    notice_of,
    text_of,
)
from engine.core.rules.templates import Template, TemplateInvalid
from protocol.model import AlertState, Severity
from protocol.notify import Change, Outgoing, Recipient, Why
from tests.support.notices import ALERT, HOSTILE, a_message, an_alert

LINKS = Links("https://alerts.example.com/", "https://alerts.example.com/act/x.y", has_buttons=True)


class Seen(HTMLParser):
    """What a mail program makes of a document."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str | None] = []
        self.said = ""
        self.feed(document)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        assert not any(name.startswith("on") for name, _ in attrs)
        if tag == "a":
            self.links.append(dict(attrs)["href"])

    def handle_data(self, data: str) -> None:
        self.said += data + "\n"


def test_an_alert_that_fired_is_told_with_what_is_known_of_it():
    said = text(notice_of(a_message(), LINKS))
    assert said.startswith("[CRITICAL] Disk full on h1\n\nNew: critical alert in web.\n\n97 % of /var is used.\n")
    for name, value in (("Value", "97.5 (threshold 90)"), ("Since", "2026-01-31 12:00:00 UTC"), ("host", "h1")):
        assert f"\n{name + ':':10} {value}\n" in said
    assert "Acknowledge: https://alerts.example.com/act/x.y\n" in said
    assert f"Open: https://alerts.example.com/alerts/{ALERT.id}\n" in said
    assert "You get this as ada in the workspace acme." in said


def test_every_form_says_the_same():
    notice = notice_of(a_message(), LINKS)
    shown, blocks = Seen(html(notice)), str(slack_blocks(notice))
    for part in (notice.subject, notice.lead, notice.body, "97.5 (threshold 90)", "h1"):
        assert part in text(notice)
        assert part in shown.said
        assert part in blocks
    assert shown.links == [
        "https://wiki.example.com/disk?a=1&b=2",
        "https://alerts.example.com/act/x.y",
        f"https://alerts.example.com/alerts/{ALERT.id}",
    ]


@pytest.mark.parametrize("change", list(Change))
def test_every_change_has_words_of_its_own(change: Change):
    others = {notice_of(a_message(other)).lead for other in Change if other is not change}
    notice = notice_of(a_message(change, by="bob", text="Step 2."))
    assert notice.lead not in others
    assert "bob" in notice.lead or change is Change.DIGEST
    assert "Step 2." in notice.lead


def test_what_people_did_is_among_the_facts():
    alert = an_alert(
        state=AlertState.RESOLVED,
        acknowledged_by="bob",
        resolved_by="eve",
        assigned_to="cyd",
        notes="ok",
        occurrences=7,
    )
    facts = {fact.name: fact.value for fact in notice_of(a_message(Change.RESOLVED, alert)).facts}
    assert (facts["Acknowledged by"], facts["Resolved by"]) == ("bob", "eve")
    assert (facts["Assigned to"], facts["Notes"], facts["Occurrences"]) == ("cyd", "ok", "7")


def test_a_value_without_a_threshold_stands_alone_and_none_is_left_out():
    assert "Value: " in text(notice_of(a_message(Change.FIRED, an_alert(threshold_value=None))))
    assert "threshold" not in text(notice_of(a_message(Change.FIRED, an_alert(threshold_value=None))))
    assert "Value" not in text(notice_of(a_message(Change.FIRED, an_alert(current_value=None))))


@pytest.mark.parametrize(
    ("zone", "at"),
    [
        ("UTC", "2026-01-31 12:00:00 UTC"),
        ("Europe/Berlin", "2026-01-31 13:00:00 CET"),
        ("Asia/Dubai", "2026-01-31 16:00:00 UTC+04"),
    ],
)
def test_times_are_those_of_the_readers_zone(zone: str, at: str):
    style = Style(body=Template("since {{ at }}", WORDS))
    notice = notice_of(a_message(zone=zone), LINKS, style)
    assert notice.body == f"since {at}"
    assert ("Since", at, "") in notice.facts
    assert notice_of(a_message(Change.DIGEST, zone=zone)).entries[0].at == at


def test_without_links_there_are_none():
    notice = notice_of(a_message())
    assert "http" not in text(notice).replace("https://wiki.example.com/", "")
    assert Seen(html(notice)).links == ["https://wiki.example.com/disk?a=1&b=2"]
    assert "actions" not in [block["type"] for block in slack_blocks(notice)]


def test_an_endpoint_is_told_of_no_preferences():
    said = text(notice_of(a_message(recipient=Recipient(endpoint="e1"))))
    assert "Sent by Tocsin for the workspace acme." in said
    assert "preferences" not in said


def test_a_digest_counts_by_severity_and_lists_each():
    alerts = [an_alert(id=f"a{n}", severity=s, title=f"T{n}") for n, s in enumerate([*Severity, Severity.ERROR])]
    notice = notice_of(a_message(Change.DIGEST, *alerts, more=3, why=Why.DIGEST), LINKS)
    counts = "1 critical, 2 error, 1 warning, 1 info, 3 more"
    assert notice.subject == f"Digest (acme): 8 alerts: {counts}"
    assert notice.lead == f"8 alerts since the last digest ({counts})."
    assert (notice.severity, notice.alert) == (Severity.CRITICAL, None)
    for form in (text(notice), Seen(html(notice)).said, str(slack_blocks(notice))):
        assert all(f"T{n}" in form for n in range(5))
        assert "and 3 more" in form
    assert "Acknowledge" not in str(slack_blocks(notice))


def test_a_digest_of_one_alert_is_a_digest():
    notice = notice_of(a_message(Change.DIGEST))
    assert (notice.subject, len(notice.entries)) == ("Digest (acme): 1 alert: 1 critical", 1)
    assert "(https" not in text(notice)


@pytest.mark.parametrize(
    ("why", "subject", "lead"),
    [
        (Why.QUIET_HOURS, "After quiet hours (acme): 1 alert:", "1 alert came in your quiet hours ("),
        (Why.STORM, "Storm (acme): 1 alert:", "1 alert came in a storm ("),
        (None, "Digest (acme): 1 alert:", "1 alert put aside until now ("),
    ],
)
def test_what_was_put_aside_says_why(why: Why | None, subject: str, lead: str):
    notice = notice_of(a_message(Change.DIGEST, why=why))
    assert notice.subject.startswith(subject)
    assert notice.lead.startswith(lead)


def test_a_digest_lists_fifty_and_counts_the_rest():
    notice = notice_of(a_message(Change.DIGEST, *[an_alert(title=HOSTILE)] * 60, more=2), LINKS)
    assert (len(notice.entries), notice.more) == (50, 12)
    assert_slack_takes(notice)


def test_a_bulk_is_told_together():
    assert notice_of(a_message(Change.RESOLVED, ALERT, ALERT)).lead == "2 alerts resolved together (2 critical)."


def test_a_test_without_an_alert_says_that_nothing_has_happened():
    notice = notice_of(without_alerts(Change.TEST))
    assert notice.subject == "Test notification"
    assert "nothing has happened" in notice.lead
    assert notice_of(without_alerts(Change.DIGEST)).subject == "Nothing to report"
    assert_slack_takes(notice)


def without_alerts(change: Change) -> Outgoing:
    return replace(a_message(change), alerts=())


@pytest.mark.parametrize("field", ["title", "message", "framework_id", "notes", "rule_id"])
def test_what_strangers_write_is_neither_markup_nor_a_line_of_ours(field: str):
    notice = notice_of(a_message(Change.FIRED, an_alert(**{field: HOSTILE}), by=HOSTILE), LINKS)
    assert len(notice.subject) <= SUBJECT_MAX_CHARS
    assert notice.subject.isprintable()
    assert "script" not in Seen(html(notice)).tags
    assert "<!channel>" not in "".join(mrkdwn_of(slack_blocks(notice)))
    assert "\u202e" not in text(notice) and "\0" not in text(notice)
    assert_slack_takes(notice)


def test_hostile_labels_are_shown_as_text_bounded_and_counted():
    labels = {f"l{n}<b>": HOSTILE for n in range(64)}
    notice = notice_of(a_message(Change.FIRED, an_alert(labels=labels, annotations={})), LINKS)
    assert notice.facts[-1] == ("More", "44 not shown", "")
    assert "b" not in Seen(html(notice)).tags
    assert len(html(notice)) < 64_000
    assert_slack_takes(notice)


@pytest.mark.parametrize("url", ["javascript:alert(1)", "https://a.example/ x", "https://a.example/\n", "ftp://a"])
def test_only_whole_web_addresses_become_links(url: str):
    notice = notice_of(a_message(Change.FIRED, an_alert(annotations={"runbook": url})))
    assert Seen(html(notice)).links == []


@pytest.mark.parametrize(
    ("alert", "buttons"),
    [
        (ALERT, ["acknowledge", "resolve", "open"]),
        (an_alert(state=AlertState.ACKNOWLEDGED, acknowledged_by="bob"), ["resolve", "open"]),
        (an_alert(state=AlertState.RESOLVED), ["open"]),
    ],
)
def test_there_are_buttons_for_what_can_still_be_done(alert: Any, buttons: list[str]):
    (actions,) = [b for b in slack_blocks(notice_of(a_message(Change.FIRED, alert), LINKS)) if b["type"] == "actions"]
    assert [element["action_id"] for element in actions["elements"]] == buttons
    assert {element["value"] for element in actions["elements"]} == {ALERT.id}


def test_without_anybody_who_listens_there_are_no_buttons_but_a_link():
    shown = slack_blocks(notice_of(a_message(), Links("https://a.example")))
    assert "actions" not in [block["type"] for block in shown]
    assert shown[-2]["text"]["text"] == f"<https://a.example/alerts/{ALERT.id}|Open the alert>"
    assert shown[-2]["text"]["type"] == "mrkdwn"


@pytest.mark.parametrize("has_buttons", [True, False])
def test_an_address_too_long_for_slack_leads_nowhere(has_buttons: bool):
    site = "https://a.example/" + "x" * 3_000
    assert "xxx" not in str(slack_blocks(notice_of(a_message(), Links(site, has_buttons=has_buttons))))


def test_a_sender_may_have_words_of_its_own():
    style = Style(
        Template("{{ severity }} {{labels.host}}: {{ title }}", WORDS), Template("See {{ url }} ({{by}})", WORDS)
    )
    notice = notice_of(a_message(by="bob"), LINKS, style)
    assert notice.subject == "critical h1: Disk full on h1"
    assert notice.body == f"See https://alerts.example.com/alerts/{ALERT.id} (bob)"


def test_a_test_has_the_names_of_words_that_it_has_no_value_for():
    title = Template("{{ severity }} on {{ labels.host }}: {{ title }}", WORDS)
    style = Style(title, Template("{{value}} {{ url }} {{ annotations.runbook }} {{ labels.test }}", WORDS))
    nothing = an_alert(current_value=None, labels={"test": "true"}, annotations={})
    notice = notice_of(a_message(Change.TEST, nothing), LINKS, style)
    assert notice.subject == "critical on host: Disk full on h1"
    assert notice.body == "value url annotations.runbook true"


def test_a_sender_may_name_what_the_rule_says_besides():
    style = Style(body=Template("{{ annotations.runbook_url }}{{ annotations.nothing }}!", WORDS))
    alert = an_alert(annotations={"runbook_url": "https://wiki.example.com/disk"})
    assert notice_of(a_message(Change.FIRED, alert), LINKS, style).body == "https://wiki.example.com/disk!"


def test_what_a_rule_says_besides_is_in_every_form_however_much_else_there_is_to_say():
    alert = an_alert(
        state=AlertState.RESOLVED,
        rule_id="r",
        occurrences=3,
        assigned_to="ann",
        acknowledged_by="ann",
        resolved_by="bob",
        notes="fan",
        annotations={"summary": "it fills up", "runbook_url": "https://wiki.example.com/disk?a=1&b=2"},
    )
    notice = notice_of(a_message(Change.RESOLVED, alert), LINKS)
    sections = [block["fields"] for block in slack_blocks(notice) if "fields" in block]
    assert [len(fields) <= 10 for fields in sections] == [True] * 2
    said = [field["text"] for fields in sections for field in fields]
    assert "*summary*\nit fills up" in said
    assert "*runbook_url*\n<https://wiki.example.com/disk?a=1&amp;b=2>" in said
    assert_slack_takes(notice)
    assert "https://wiki.example.com/disk?a=1&b=2" in Seen(html(notice)).links
    assert "it fills up" in text(notice)


def test_every_word_of_templates_has_a_value():
    style = Style(body=Template(" ".join(f"{word}={{{{ {word} }}}}" for word in WORDS), WORDS))
    said = notice_of(a_message(by="bob"), LINKS, style).body
    alert = an_alert(current_value=None, threshold_value=None, rule_id="r", message=None)
    assert not any(f"{one}= {two}=" in said for one, two in pairwise(WORDS) if one != "rule")
    assert "rule=r" in notice_of(a_message(Change.FIRED, alert), LINKS, style).body


def test_a_title_that_comes_out_empty_is_ours():
    assert notice_of(a_message(), LINKS, Style(Template("{{labels.nothing}}", WORDS))).subject.startswith("[CRITICAL]")


def test_a_template_that_reaches_for_more_is_refused():
    with pytest.raises(TemplateInvalid, match="use title, message"):
        Template("{{ title.__class__ }}", WORDS)


def test_an_alert_without_a_title_is_called_by_its_id():
    assert notice_of(a_message(Change.FIRED, an_alert(title=" "))).subject == f"[CRITICAL] {ALERT.id}"
    assert notice_of(a_message(Change.DIGEST, an_alert(title=" "))).entries[0].title == ALERT.id


@given(st.text(max_size=400), st.integers(1, 100))
def test_a_line_is_one_line_within_its_bound(given_text: str, most: int):
    line = line_of(given_text, most)
    assert len(line) <= most
    assert line.isprintable()


@given(st.text(max_size=400), st.integers(1, 100))
def test_a_text_is_printable_within_its_bound(given_text: str, most: int):
    shown = text_of(given_text, most)
    assert len(shown) <= most
    assert all(char.isprintable() or char in "\n\t" for char in shown)


@given(st.text(alphabet="&<>ab", max_size=400), st.integers(0, 300))
def test_what_is_escaped_for_slack_has_whole_signs_within_its_bound(given_text: str, most: int):
    done = escaped(given_text, most)
    assert len(done) <= most
    plain = done.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    assert given_text.startswith(plain)
    assert "<" not in done and ">" not in done


def test_a_long_body_ends_with_dots():
    notice = notice_of(a_message(Change.FIRED, an_alert(message="x" * 10_000)))
    assert (len(notice.body), notice.body[-1]) == (BODY_MAX_CHARS, "…")


def assert_slack_takes(notice: Notice) -> None:
    made = slack_blocks(notice)
    assert len(made) <= 50
    for block in made:
        parsed = Block.parse(block)
        assert parsed is not None
        parsed.validate_json()
        for said in texts_of(block):
            assert 0 < len(said) <= 3_000


def mrkdwn_of(part: Any) -> list[str]:
    """The texts in which Slack looks for signs of its own; in `plain_text` it does not."""
    if isinstance(part, list | tuple):
        return [said for each in part for said in mrkdwn_of(each)]
    if not isinstance(part, dict):
        return []
    own = [part["text"]] if part.get("type") == "mrkdwn" else []
    return own + [said for each in part.values() for said in mrkdwn_of(each)]


def texts_of(part: Any) -> list[str]:
    if isinstance(part, list | tuple):
        return [said for each in part for said in texts_of(each)]
    if not isinstance(part, dict):
        return []
    own = [part["text"]] if isinstance(part.get("text"), str) else []
    return own + [said for each in part.values() for said in texts_of(each)]


def test_a_test_leads_to_no_alert_because_there_is_none():
    notice = notice_of(a_message(Change.TEST), Links("https://alerts.example.com/"))
    for said in (text(notice), html(notice), str(slack_blocks(notice))):
        assert "alerts.example.com" not in said


def test_a_mail_says_how_its_recipient_changes_what_he_is_told() -> None:
    assert (
        "tocsin preferences put, or /api/v1/preferences (POST makes yours, PATCH with If-Match: * changes it)"
        in notice_of(a_message()).foot
    )
