"""Which ids are allowed, and what a requested channel means."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from protocol.errors import BadRequest, UnknownChannel
from protocol.model import ChannelKey, DerivedKey
from protocol.names import check_id, is_id, is_workspace, parse_channel

ALLOWED = [
    "a",
    "checkout",
    "x" * 128,
    "Überwachung",
    "監視",
    "проверка 7",
    "٣٤",  # Arabic digits
    "a b",
    "a.b_c-d/e@f:g",
    "...",
    ".hidden",
    "a/..b/c.",
    "v1..2",
    "https://example.org/x",
]
REFUSED = [
    "",
    "x" * 129,
    "*",
    "alerts:*",
    "../x",
    "x/..",
    "a/../b",
    "..",
    ".",
    "./x",
    "x/./y",
    "a\nb",
    "a\n",
    "\0",
    "a\x7f",
    "a\x85b",
    "a\tb",
    "\u200b",  # zero width space
    "\u202e",  # right-to-left override
    "a\u00a0b",  # no-break space: not the space that one sees
    "\ud800",
    "a;b",
    "a'b",
    "a\\b",
    "<b>",
    "a#b",
    "%2e",
    "🔔",
]


@pytest.mark.parametrize("text", ALLOWED)
def test_this_id_is_allowed(text):
    assert is_id(text)
    assert check_id(text, "frameworkId") == text


@pytest.mark.parametrize("text", REFUSED, ids=ascii)
def test_this_id_is_refused_with_the_name_of_the_field_and_what_is_allowed(text):
    assert not is_id(text)
    with pytest.raises(BadRequest, match=r"frameworkId .* is not allowed: use 1-128 letters, digits, spaces or"):
        check_id(text, "frameworkId")


@given(st.text(max_size=130))
@example("a/..\n")
def test_an_id_is_short_printable_and_cannot_leave_its_folder(text):
    if is_id(text):
        assert 1 <= len(text) <= 128
        assert text.isprintable()
        assert not set(text) & set("*\\\"'<>&;#%?")
        assert not {".", ".."} & set(text.split("/"))
        text.encode()


def test_a_workspace_is_an_id_without_a_colon():
    assert is_workspace("acme")
    assert not is_workspace("acme:x")
    assert not is_workspace("../acme")


CHANNELS = {
    "alerts:checkout": "checkout",
    "alerts:acme:checkout": "checkout",
    "project:42": "42",
    "project:acme:42": "acme:42",
    # A framework's id may have a colon; its full name is unambiguous.
    "alerts:acme:node:9100": "node:9100",
    "alerts:acme:acme:x": "acme:x",
    "alerts:workspace": "workspace",
    "alerts:acme": "acme",
}


@pytest.mark.parametrize(("channel", "framework"), CHANNELS.items())
def test_this_channel_is_of_that_framework(channel, framework):
    assert parse_channel(channel, "acme", "ann") == ChannelKey("acme", framework)


@pytest.mark.parametrize("channel", ["workspace", "alerts:*", "alerts:acme:*"])
def test_this_channel_is_the_whole_workspace(channel):
    assert parse_channel(channel, "acme", "ann") == DerivedKey("acme")


@pytest.mark.parametrize("channel", ["user", "user:ann", "user:acme:ann"])
def test_this_channel_is_ones_own_stream(channel):
    assert parse_channel(channel, "acme", "ann") == DerivedKey("acme", "ann")


def test_another_persons_stream_answers_exactly_as_one_of_nobody():
    for channel in ("user:bob", "user:nobody"):
        with pytest.raises(UnknownChannel) as refused:
            parse_channel(channel, "acme", "ann")
        assert str(refused.value).replace(channel, "C") == (
            "there is no channel 'C'; ask for 'alerts:<framework>', 'workspace' or 'user'"
        )


@pytest.mark.parametrize(
    "channel",
    [
        "",
        "alerts",
        "alerts:",
        "alerts:acme:",
        "alerts::checkout",
        "project:",
        "project:*",
        "project",
        "user:7",
        "user:",
        "user:bob",
        "user:acme:bob",
        "user:umbrella:ann",
        "checkout",
        "Alerts:checkout",
        "alerts:../x",
        "alerts:acme:../x",
        "alerts:a*",
        "alerts:" + "x" * 129,
        "alerts:\0",
        "*",
    ],
    ids=ascii,
)
def test_there_is_no_such_channel(channel):
    with pytest.raises(UnknownChannel):
        parse_channel(channel, "acme", "ann")


@pytest.mark.parametrize("channel", ["alerts:umbrella:checkout", "alerts:umbrella:*", "alerts:acm:x", "alerts:acmee:x"])
def test_another_workspaces_channel_answers_exactly_as_one_that_does_not_exist(channel):
    with pytest.raises(UnknownChannel) as foreign:
        parse_channel(channel, "acme", "ann")
    with pytest.raises(UnknownChannel) as invalid:
        parse_channel("alerts:../x", "acme", "ann")
    assert str(foreign.value).replace(channel, "C") == str(invalid.value).replace("alerts:../x", "C")


IDS = st.text(st.characters(categories=["L", "Nd"], include_characters=" ._-/@:"), min_size=1, max_size=20).filter(
    is_id
)


@given(workspace=IDS.filter(is_workspace), framework=IDS)
def test_a_channels_full_name_leads_back_to_it(workspace, framework):
    key = ChannelKey(workspace, framework)
    assert parse_channel(key.name, workspace, "ann") == key


@given(workspace=IDS.filter(is_workspace), user=IDS)
def test_the_full_name_of_a_derived_stream_leads_back_to_it(workspace, user):
    for stream in (DerivedKey(workspace), DerivedKey(workspace, user)):
        assert parse_channel(stream.name, workspace, user) == stream


@given(mine=IDS.filter(is_workspace), other=IDS.filter(is_workspace), framework=IDS)
def test_no_full_name_of_another_workspace_leads_anywhere(mine, other, framework):
    if mine != other:
        with pytest.raises(UnknownChannel):
            parse_channel(ChannelKey(other, framework).name, mine, "ann")
