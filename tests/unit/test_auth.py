"""Tokens: which are good, which are not, and that the bad ones learn nothing. Roles: who may do what."""

import base64
import json
import multiprocessing
import os
import stat
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import jwt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.auth import (
    KEY_FILE,
    LIFETIME_MAX_S,
    ROLE_MAY,
    Authenticator,
    check,
    load_or_make_secret,
    may,
    signing_secret,
)
from engine.config import Config, ConfigError, Secret
from protocol.errors import BadRequest, PermissionDenied, TokenExpired, Unauthorized
from protocol.model import Principal

SECRET = b"a secret of at least thirty-two bytes"
NOW = 1_800_000_000
GOOD = {"sub": "ann", "workspaceId": "main", "role": "editor", "iat": NOW, "exp": NOW + 60}
desk = Authenticator(SECRET, clock=lambda: NOW)


def raw(payload: bytes, header: dict | None = None, secret: bytes = SECRET, algorithm: str = "HS256") -> str:
    return jwt.PyJWS().encode(payload, secret, algorithm=algorithm, headers=header)


def token(without: str = "", **claims: object) -> str:
    return raw(json.dumps({k: v for k, v in (GOOD | claims).items() if k != without}).encode())


def unsigned(header: object, payload: object = GOOD, signature: bytes = b"") -> str:
    parts = (json.dumps(header).encode(), json.dumps(payload).encode(), signature)
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


def refused(text: str) -> None:
    with pytest.raises(Unauthorized) as caught:
        desk.authenticate(text)
    assert str(caught.value) == "invalid token"


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def principal(role: str) -> Principal:
    return Principal(workspace="main", user="ann", role=role, expires_at=NOW)


def test_an_issued_token_says_who_issued_it_to_whom():
    issued = desk.issue("main", "ann", role="producer", ttl_s=30, channels=["db", "web 1"])
    assert desk.authenticate(issued) == Principal(
        workspace="main", user="ann", role="producer", expires_at=NOW + 30, channels=("db", "web 1")
    )


def test_the_bare_token_is_an_admins_for_a_day_and_all_channels():
    who = desk.authenticate(desk.issue("main", "ann"))
    assert (who.role, who.expires_at, who.channels) == ("admin", NOW + 86_400, None)


def test_the_default_clock_is_the_wall_clock():
    ours = Authenticator(SECRET)
    assert ours.authenticate(ours.issue("main", "ann", ttl_s=60)).user == "ann"


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
def test_the_three_hmac_algorithms_are_taken(algorithm):
    assert desk.authenticate(raw(json.dumps(GOOD).encode(), algorithm=algorithm)).user == "ann"


def test_the_references_claim_names_are_taken():
    who = desk.authenticate(raw(json.dumps({"userId": "bob", "workspace": "w", "exp": NOW + 1}).encode()))
    assert who == Principal(workspace="w", user="bob", role="viewer", expires_at=NOW + 1)


def test_two_names_of_one_claim_must_agree():
    assert desk.authenticate(token(userId="ann", workspace="main")).user == "ann"
    refused(token(userId="eve"))
    refused(token(workspace="other"))


def test_an_empty_channel_list_allows_no_channel():
    assert desk.authenticate(token(channels=[])).channels == ()


def test_an_expired_token_is_told_so_at_the_second():
    with pytest.raises(TokenExpired, match="token expired"):
        desk.authenticate(token(exp=NOW))
    assert desk.authenticate(token(exp=NOW + 1)).expires_at == NOW + 1


def test_only_a_token_good_in_all_else_learns_that_it_expired():
    refused(token(exp=NOW - 1, role="king"))
    refused(raw(json.dumps(GOOD | {"exp": NOW - 1}).encode(), secret=b"another secret of thirty-two bytes"))


@pytest.mark.parametrize(
    "claims",
    [
        {"without": "exp"},
        {"exp": str(NOW + 60)},
        {"exp": NOW + 60.5},
        {"exp": True},
        {"exp": None},
        {"exp": -1},
        {"exp": 10**400},
        {"exp": NOW + LIFETIME_MAX_S + 1},
        {"iat": NOW + 61},
        {"iat": "now"},
        {"iat": False},
        {"nbf": NOW + 61},
        {"nbf": [NOW]},
        {"without": "sub"},
        {"sub": ""},
        {"sub": 7},
        {"sub": "a" * 129},
        {"sub": "../x"},
        {"sub": "a\nb"},
        {"without": "workspaceId"},
        {"workspaceId": "a:b"},
        {"workspaceId": None},
        {"workspaceId": "*"},
        {"role": "king"},
        {"role": None},
        {"role": ["admin"]},
        {"channels": "db"},
        {"channels": ["*"]},
        {"channels": [1]},
    ],
    ids=str,
)
def test_a_signed_token_with_a_claim_that_cannot_be_is_refused(claims):
    refused(token(**claims))


def test_clocks_may_differ_by_a_minute():
    assert desk.authenticate(token(iat=NOW + 60, nbf=NOW + 60)).user == "ann"


def test_the_longest_lifetime_is_taken():
    assert desk.authenticate(desk.issue("main", "ann", ttl_s=LIFETIME_MAX_S)).expires_at == NOW + LIFETIME_MAX_S


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"[]",
        b"null",
        b"\xff\xfe",
        b'{"sub":"ann","sub":"eve","workspaceId":"main","exp":1800000060}',
        b'{"sub":"ann","workspaceId":"main","exp":1800000060,"x":{"a":1,"a":2}}',
        b'{"sub":"ann","workspaceId":"main","exp":Infinity}',
        b'{"sub":"ann","workspaceId":"main","exp":1800000060,"x":NaN}',
        b"[" * 5_000,
        b'{"exp":' + b"9" * 5_000 + b"}",
        b'{"sub":"\\ud800","workspaceId":"main","exp":1800000060}',
    ],
    ids=lambda payload: repr(payload[:40]),
)
def test_a_signed_payload_that_is_no_plain_object_is_refused(payload):
    refused(raw(payload))


@pytest.mark.parametrize(
    "header",
    [{"typ": "at+jwt"}, {"typ": 5}, {"crit": ["exp"], "exp": 1}, {"b64": False, "crit": ["b64"]}],
    ids=str,
)
def test_a_signed_token_with_a_header_that_asks_for_more_is_refused(header):
    refused(raw(json.dumps(GOOD).encode(), header))


def test_a_type_is_compared_without_case_and_may_be_left_out():
    assert desk.authenticate(raw(json.dumps(GOOD).encode(), {"typ": "jwt"})).user == "ann"
    assert desk.authenticate(raw(json.dumps(GOOD).encode(), {"typ": None})).user == "ann"


def test_keys_that_a_token_brings_along_are_not_used():
    evil = b"a key of the forger, thirty-two bytes"
    jwk = {"kty": "oct", "k": base64.urlsafe_b64encode(evil).decode()}
    for header in ({"jwk": jwk}, {"jku": "https://evil.example/keys"}, {"kid": "../../dev/null"}, {"x5u": "https://e"}):
        refused(raw(json.dumps(GOOD).encode(), header, secret=evil))
        assert desk.authenticate(raw(json.dumps(GOOD).encode(), header)).user == "ann"


@pytest.mark.parametrize(
    "algorithm", ["none", "None", "NONE", "", "RS256", "ES256", "EdDSA", "HS1", None, 5, ["HS256"]]
)
def test_no_other_algorithm_leads_anywhere(algorithm):
    refused(unsigned({"alg": algorithm, "typ": "JWT"}))
    refused(unsigned({"alg": algorithm, "typ": "JWT"}, signature=b"x" * 32))


def test_a_signature_of_an_empty_key_is_refused():
    refused(raw(json.dumps(GOOD).encode(), secret=b"\0" * 32))


@pytest.mark.parametrize(
    "text",
    ["", ".", "..", "...", "a.b.c", "é.é.é", "\ud800", "eyJ.eyJ.x", "Bearer x", "=.=.=", "\0" * 100],
    ids=ascii,
)
def test_what_is_no_token_at_all_is_refused(text):
    refused(text)


def test_a_token_is_measured_before_it_is_read(monkeypatch):
    monkeypatch.setattr(desk, "_signatures", None)
    refused("a" * 8_193)
    refused("a" * 1_000_000)


def test_a_deeply_nested_header_is_refused():
    text = base64.urlsafe_b64encode(b'{"alg":"HS256","a":' + b"[" * 5_000).rstrip(b"=").decode()
    refused(f"{text}.e30.x")


@settings(deadline=None)  # a shared machine may pause anywhere
@given(st.text(max_size=200) | st.lists(st.binary(max_size=60), min_size=3, max_size=3))
def test_any_text_is_refused_and_raises_nothing_else(parts):
    text = parts if isinstance(parts, str) else ".".join(base64.urlsafe_b64encode(p).decode() for p in parts)
    with pytest.raises(Unauthorized):
        desk.authenticate(text)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(deadline=None)  # a shared machine may pause anywhere
@given(st.dictionaries(st.sampled_from([*GOOD, "userId", "workspace", "nbf", "channels"]), json_values))
def test_any_signed_claims_make_a_principal_or_a_refusal(claims):
    try:
        who = desk.authenticate(raw(json.dumps(GOOD | claims).encode()))
    except (Unauthorized, TokenExpired):
        return
    assert who.role in ROLE_MAY
    assert NOW < who.expires_at <= NOW + LIFETIME_MAX_S


@settings(deadline=None)  # a shared machine may pause anywhere
@given(st.integers(0, 400), st.integers(1, 255))
def test_no_changed_byte_is_overlooked(at, change):
    text = bytearray(token().encode())
    at %= len(text)
    text[at] ^= change
    changed = text.decode("latin-1")
    try:
        who = desk.authenticate(changed)
    except Unauthorized:
        return
    # The last character of a base64 part has bits that mean nothing.
    assert who == desk.authenticate(token())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"workspace": "a:b"}, "workspace 'a:b' is not allowed"),
        ({"user": ""}, "user '' is not allowed"),
        ({"role": "king"}, "use one of viewer, responder, producer, editor, admin"),
        ({"ttl_s": 0}, "a lifetime of 0 s is not allowed"),
        ({"ttl_s": LIFETIME_MAX_S + 1}, "366 days"),
        ({"channels": ["*"]}, "channel '*' is not allowed"),
        ({"channels": ["c" * 100 + str(n) for n in range(100)]}, "fewer channels"),
    ],
)
def test_a_token_that_would_be_refused_is_not_issued(arguments, said):
    with pytest.raises(BadRequest) as caught:
        desk.issue(**({"workspace": "main", "user": "ann"} | arguments))
    assert said in str(caught.value)


def test_a_short_secret_makes_no_authenticator():
    with pytest.raises(ValueError, match="at least 32 bytes, this one 31"):
        Authenticator(b"x" * 31)


def test_the_secret_does_not_show():
    assert "secret of" not in repr(desk)


def test_the_roles_may_what_the_table_says():
    rights = {
        role: "".join(verb[0] for verb in ("read", "trigger", "respond") if may(principal(role), verb))
        for role in ROLE_MAY
    }
    assert rights == {"viewer": "r", "responder": "rr", "producer": "rt", "editor": "rtr", "admin": "rtr"}
    assert [role for role in ROLE_MAY if may(principal(role), "administer")] == ["admin"]
    assert not may(principal("unheard of"), "read")


def test_a_refusal_says_which_roles_may():
    check(principal("producer"), "trigger")
    with pytest.raises(PermissionDenied, match="the role 'viewer' may not trigger; these may: producer, editor, admin"):
        check(principal("viewer"), "trigger")


def test_the_first_start_makes_a_key_file_that_only_its_owner_reads(tmp_path):
    folder = tmp_path / "new" / "data"
    secret = load_or_make_secret(folder)
    path = folder / KEY_FILE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert (len(secret), path.read_bytes()) == (64, secret + b"\n")
    assert load_or_make_secret(folder) == secret
    assert names(folder) == [KEY_FILE]


def test_of_two_processes_that_start_together_both_use_the_same_key(tmp_path):
    with ProcessPoolExecutor(4, mp_context=multiprocessing.get_context("forkserver")) as pool:
        secrets = set(pool.map(load_or_make_secret, [tmp_path] * 8))
    assert len(secrets) == 1
    assert names(tmp_path) == [KEY_FILE]


def test_a_process_that_comes_second_takes_the_firsts_key(tmp_path, monkeypatch):
    first = b"the key that another process made at the same moment"

    def link(draft, path):
        path.write_bytes(first)
        raise FileExistsError

    monkeypatch.setattr(os, "link", link)
    assert load_or_make_secret(tmp_path) == first
    assert names(tmp_path) == [KEY_FILE]


def test_a_short_key_file_is_refused_with_a_remedy_and_kept(tmp_path):
    (tmp_path / KEY_FILE).write_bytes(b"short\n")
    with pytest.raises(ConfigError, match="holds 5 bytes, at least 32 are needed: restore it, or remove it"):
        load_or_make_secret(tmp_path)
    assert (tmp_path / KEY_FILE).read_bytes() == b"short\n"


def test_a_key_file_that_cannot_be_read_or_made_is_refused_with_a_remedy(tmp_path):
    (tmp_path / KEY_FILE).mkdir()
    with pytest.raises(ConfigError, match="cannot be used: Is a directory; make it readable, or set TOCSIN_SECRET"):
        load_or_make_secret(tmp_path)


@pytest.mark.parametrize("below", ["file", "file/data"])
def test_a_data_folder_that_cannot_take_a_key_file_is_to_blame_and_not_the_secret(tmp_path, below):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"^data: '.*' cannot be used \(it is not a folder\): use a folder"):
        load_or_make_secret(tmp_path / below)


def test_the_configured_secret_comes_before_the_key_file(tmp_path):
    assert signing_secret(Config(data=tmp_path, secret=Secret("s" * 32))) == b"s" * 32
    assert names(tmp_path) == []
    assert signing_secret(Config(data=tmp_path)) == (tmp_path / KEY_FILE).read_bytes().strip()
