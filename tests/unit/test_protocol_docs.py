"""`docs/protocol.md` names everything that the code can say on the wire, and nothing that it cannot."""

import inspect
import re
from enum import Enum
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from docs.generate_protocol import OBJECTS, TEMPLATE, WORDS, render
from engine.access.auth import ROLE_MAY
from engine.core.identity import identity_of
from engine.http import problems
from engine.http.bodies import AlertList
from protocol import errors
from protocol import messages as m
from protocol.codec import WireForm
from protocol.commands import Ring
from protocol.effects import AlertRecipient
from protocol.errors import CloseCode, TocsinError
from protocol.items import ItemResult, ReadingInput, TriggerInput
from protocol.model import Alert, Suppressed

PAGE = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text()
NUMBER = re.compile(r"\b\d{3}\b")
MESSAGES = get_args(m.ClientMessage) + get_args(m.ServerMessage)
# By number; of several with one number the plainest.
ERRORS = {
    each.code: each
    for each in sorted(vars(errors).values(), key=lambda each: -getattr(each, "http_status", 0))
    if inspect.isclass(each) and issubclass(each, TocsinError)
}


def section(title: str) -> str:
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found, f"there is no section {title!r}"
    return found[1]


def rows(title: str) -> list[list[str]]:
    """The cells of a section's table, without its head."""
    lines = [line for line in section(title).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


@pytest.mark.parametrize("title", ["Messages of the client", "Messages of the server"])
def test_each_message_type_is_in_its_table_and_no_other(title):
    documented = {name for row in rows(title) for name in re.findall(r"`(\w+)`", row[0])}
    kinds = get_args(m.ClientMessage if "client" in title else m.ServerMessage)
    assert documented == {kind.__struct_config__.tag for kind in kinds}


@pytest.mark.parametrize("kind", MESSAGES, ids=lambda kind: kind.__struct_config__.tag)
def test_each_field_of_a_message_is_in_its_row(kind):
    tag = kind.__struct_config__.tag
    title = "Messages of the client" if kind in get_args(m.ClientMessage) else "Messages of the server"
    (row,) = (row for row in rows(title) if f"`{tag}`" in row[0])
    missing = [
        field.encode_name
        for field in msgspec.inspect.type_info(kind).fields
        if field.encode_name != "id" and not re.search(rf"`{field.encode_name}\b", row[1])
    ]
    assert not missing


@pytest.mark.parametrize("kind", [TriggerInput, ReadingInput, ItemResult], ids=lambda kind: kind.__name__)
def test_each_field_of_an_item_is_named(kind):
    text = section("Messages of the client") + section("Messages of the server")
    assert all(f"`{field.encode_name}`" in text for field in msgspec.inspect.type_info(kind).fields)


@pytest.mark.parametrize("words", WORDS, ids=lambda words: words.__name__)
def test_each_word_of_a_field_is_named(words: type[Enum]):
    (row,) = (row for row in rows("Words") if row[0] == words.__name__)
    assert re.findall("`([^`]+)`", row[1]) == [word.value for word in words]


def test_the_page_is_what_the_code_and_its_template_make():
    assert render(TEMPLATE.read_text()) == PAGE, "stale: run `make docs`"


def test_a_mark_that_means_nothing_is_found():
    with pytest.raises(KeyError, match="nonsense"):
        render("<!-- generated: nonsense -->")


@pytest.mark.parametrize("kind", [*MESSAGES, *OBJECTS], ids=lambda kind: kind.__name__)
def test_each_field_has_its_line_with_its_type_and_what_its_absence_means(kind):
    tag = kind.__struct_config__.tag
    title = kind.__name__ if tag is None else f"`{tag}`"
    found = re.search(rf"^### {re.escape(title)}\n(.*?)(?=^##|\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found
    documented = re.findall(r"^\| `(\w+)` \| [^|]+ \| [^|]+ \|$", found[1], re.MULTILINE)
    fields = [field.encode_name for field in msgspec.inspect.type_info(kind).fields]
    assert documented == [name for name in fields if tag is None or name != "id"]


def test_types_are_said_with_their_limits():
    limited = section("Fields")
    assert "| `alerts` | list of TriggerInput, 1 to 1,000 of them | - |" in limited
    assert "| `offset` | integer of 0 to 9,007,199,254,740,991 | must be there |" in limited
    assert "| `minSeverity` | `info` `warning` `error` `critical` | `info` |" in limited
    assert "| `current_value` | finite number or `null` | must be there |" in limited
    assert "| `event` | EventKind | must be there |" in limited
    assert (
        "| `labels` | map of text of 0 to 1,024 characters to text of 0 to 1,024 characters, at most 64 | `{}` |"
        in limited
    )


def test_each_close_code_has_its_row_and_no_other():
    assert [int(row[0]) for row in rows("Close codes")] == sorted(CloseCode)


def test_each_error_has_its_row_with_its_status_and_whether_to_try_again():
    documented = {int(code): (int(status[:3]), again == "yes") for code, _, status, again in rows("Errors")}
    assert documented == {code: (kind.http_status, kind.temporary) for code, kind in ERRORS.items()}


def test_each_status_that_http_sends_with_an_error_is_in_its_row():
    documented = {
        int(code): {int(number) for number in NUMBER.findall(status)} for code, _, status, _ in rows("Errors")
    }
    sent = {code: {kind.http_status} for code, kind in ERRORS.items()}
    for kind in (*vars(problems).values(), *vars(errors).values()):
        if inspect.isclass(kind) and issubclass(kind, TocsinError):
            sent[kind.code].add(kind.http_status)
    # What the framework refuses by itself: too big a body, a wrong method.
    sent[errors.LimitReached.code].add(413)
    sent[errors.BadRequest.code].add(405)
    assert documented == sent


def test_a_status_that_is_temporary_against_its_row_is_named_there():
    (again,) = (again for code, _, _, again in rows("Errors") if int(code) == errors.BadRequest.code)
    kinds = [problems.Conflict, problems.UnsupportedMedia, problems.BodyTooSlow]
    assert NUMBER.findall(again) == [str(kind.http_status) for kind in kinds if kind.temporary]


@pytest.mark.parametrize(
    "kind", [Alert, Suppressed, ItemResult, AlertList, AlertRecipient], ids=lambda kind: kind.__name__
)
def test_each_field_that_is_null_without_a_value_is_named_as_such(kind):
    found = re.search(r"`null` without a value: (.*?)\.", section("Connecting"), re.DOTALL)
    assert found
    null = {
        field.encode_name
        for field in msgspec.inspect.type_info(kind).fields
        if getattr(field.type, "includes_none", False) and (field.required or not kind.__struct_config__.omit_defaults)
    }
    assert null
    assert null <= set(re.findall(r"`(\w+)`", found[1]))


def test_what_makes_two_triggers_the_same_alert_is_documented_in_the_order_that_decides():
    found = re.search(
        r"^Two triggers are the same alert.*?\n\n", section("Messages of the client"), re.MULTILINE | re.DOTALL
    )
    assert found
    order = [name for name in re.findall(r"`(\w+)`", found[0]) if name != "severity"]
    assert order == ["step_id", "dedup_key", "rule_id", "alertname", "title", "alert_type"]
    for place, name in enumerate(order):
        one, other, different = (dict.fromkeys(order[place:], word) for word in ("same", "other", "different"))
        other[name] = "same"
        if name == "rule_id":
            other["alertname"] = "same"  # below a rule it is a label like all the others
        assert identity_of("web", a_ring(**one)) == identity_of("web", a_ring(**other))
        assert identity_of("web", a_ring(**one)) != identity_of("web", a_ring(**different))


def a_ring(alertname: str = "", **fields: str) -> Ring:
    """With a label `severity` that never makes a difference."""
    return Ring(**fields, labels={"alertname": alertname, "severity": fields.get("title", "")})


def test_each_reason_of_a_recovery_has_its_row():
    # The other outcome, `ok`, is in the text: it needs no explanation of why not.
    assert [row[0].strip("`") for row in rows("Recovery")] == ["fresh", "epoch_changed", "trimmed", "ahead"]


def test_each_subprotocol_and_each_role_has_its_row():
    assert all(f"`{form.subprotocol}`" in section("Connecting") for form in WireForm)
    assert [row[0].strip("`") for row in rows("Tokens")] == list(ROLE_MAY)
