"""Foreign systems in the configuration: what is allowed, what is shown of their secrets, and whose a key is."""

from __future__ import annotations

import hashlib
import hmac
from pathlib import Path
from typing import Any

import msgspec
import pytest

from engine.configuration.config import Config
from engine.configuration.fields import ConfigError, Secret
from engine.configuration.settings import effective, load
from engine.input.integrations import Integrations, check_signature
from engine.sections.identity import Integration
from protocol.errors import Unauthorized, UnknownChannel
from protocol.model import Principal

KEY = "0123456789abcdef0123456789abcdef"
WHO = Principal(workspace="main", user="ann", role="viewer", expires_at=0)
FILE = f"""
[[integrations]]
name = "pager"
key = "{KEY}"
framework = "shop"

[[integrations]]
name = "queues"
signature = "signed with this"
role = "editor"
mapping = {{ title = "check.name", "labels.host" = "host" }}
"""


def read(tmp_path: Path, text: str) -> Config:
    path = tmp_path / "tocsin.toml"
    path.write_text(text)
    return load(environ={}, file=path)


def test_a_file_names_them_and_what_is_shown_has_no_secret(tmp_path: Path) -> None:
    config = read(tmp_path, FILE)
    assert [(each.name, each.role, each.mapping) for each in config.integrations] == [
        ("pager", "producer", {}),
        ("queues", "editor", {"title": "check.name", "labels.host": "host"}),
    ]
    shown = effective(config)
    assert KEY not in shown
    assert "signed with this" not in shown
    assert '# key = "********"' in shown
    again = read(tmp_path, shown)
    assert [each.mapping for each in again.integrations] == [each.mapping for each in config.integrations]


@pytest.mark.parametrize(
    ("fields", "key", "complaint"),
    [
        ({"name": "a/../b"}, "integrations[0].name", "letters, digits"),
        ({"key": Secret("short")}, "integrations[0].key", "at least 16 bytes, this one has 5"),
        ({"workspace": "a:b"}, "integrations[0].workspace", "letters, digits"),
        ({"framework": "*"}, "integrations[0].framework", "letters, digits"),
        ({"role": "admin"}, "integrations[0].role", "one of"),
        ({"mapping": {"title": "{{ x }}"}}, "integrations[0].mapping", "no templates"),
    ],
)
def test_what_cannot_be_meant_is_refused(fields: dict[str, Any], key: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint) as caught:
        Config(integrations=(Integration(**{"name": "a", **fields}),))
    assert caught.value.key == key


@pytest.mark.parametrize(
    ("other", "key"),
    [(Integration(name="a"), "integrations[1].name"), (Integration(name="b", key=Secret(KEY)), "integrations[1].key")],
)
def test_two_must_differ_in_name_and_key(other: Integration, key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Config(integrations=(Integration(name="a", key=Secret(KEY)), other))
    assert caught.value.key == key
    assert KEY not in str(caught.value)


def test_they_are_tables_and_no_variable() -> None:
    with pytest.raises(ConfigError, match=r"write them as \[\[integrations\]\]"):
        load(environ={"TOCSIN_INTEGRATIONS": "a,b"})


def test_a_key_says_who_it_is() -> None:
    pager = Integration(name="pager", key=Secret(KEY))
    integrations = Integrations([pager, Integration(name="queues", workspace="other")], "main")
    assert integrations.of_key(KEY) is pager
    assert integrations.of_key(KEY[:-1]) is integrations.of_key("") is integrations.of_key("\ud800") is None
    who = integrations.principal(pager)
    assert (who.workspace, who.user, who.role) == ("main", "pager", "producer")
    assert integrations.named("pager", WHO) is pager
    theirs = msgspec.structs.replace(WHO, workspace="other")
    for name, asker in (("queues", WHO), ("pager", theirs), ("nosuch", WHO)):
        with pytest.raises(UnknownChannel, match="there is no such integration"):
            integrations.named(name, asker)


@pytest.mark.parametrize("signature", [None, "", "00", "é" * 64, "{good}x"])
def test_a_signature_must_be_that_of_the_body(signature: str | None) -> None:
    good = hmac.new(b"s", b"body", hashlib.sha256).hexdigest()
    check_signature(b"s", b"body", f" {good.upper()} ", None)
    with pytest.raises(Unauthorized):
        check_signature(b"s", b"body", signature and signature.format(good=good), None)
