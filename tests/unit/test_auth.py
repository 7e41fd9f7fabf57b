"""Tokens: which are good, which are not, and that the bad ones learn nothing."""

import base64
import hmac
import json

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.access.auth import LIFETIME_MAX_S, ROLE_MAY, Authenticator
from engine.access.claims import Expected, RefusedFor
from engine.access.keys import KeyRing, secret_key
from protocol.errors import BadRequest, TokenExpired, Unauthorized
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


def raw_header(header: dict, payload: object = GOOD, secret: bytes = SECRET) -> str:
    """Signed with HS256 whatever the header says; PyJWT would not write some of these."""
    signed = unsigned(header, payload).rpartition(".")[0]
    signature = hmac.digest(secret, signed.encode(), "sha256")
    return f"{signed}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def refused(text: str) -> None:
    with pytest.raises(Unauthorized) as caught:
        desk.authenticate(text)
    assert str(caught.value) == "invalid token"


def test_an_issued_token_says_who_issued_it_to_whom():
    issued = desk.issue("main", "ann", role="producer", ttl_s=30, channels=["db", "web 1"])
    who = desk.authenticate(issued)
    assert (who.workspace, who.user, who.role, who.expires_at) == ("main", "ann", "producer", NOW + 30)
    assert (who.channels, who.issued_at, who.key) == (("db", "web 1"), NOW, secret_key(SECRET).id)


def test_each_issued_token_has_an_id_of_its_own_or_the_one_asked_for():
    ids = {desk.authenticate(desk.issue("main", "ann")).token_id for _ in range(3)}
    assert len(ids) == 3
    assert all(len(token_id) == 22 for token_id in ids)
    assert desk.authenticate(desk.issue("main", "ann", token_id="for the build")).token_id == "for the build"


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
    key = secret_key(SECRET).id
    assert who == Principal(workspace="w", user="bob", role="viewer", expires_at=NOW + 1, key=key)


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
        {"jti": 7},
        {"jti": ""},
        {"jti": "a\nb"},
        {"jti": "j" * 257},
        {"iat": NOW - LIFETIME_MAX_S - 1, "exp": NOW + 1},
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
    for header in ({"jwk": jwk}, {"jku": "https://evil.example/keys"}, {"x5u": "https://e"}, {"x5c": ["MII="]}):
        refused(raw(json.dumps(GOOD).encode(), header, secret=evil))
        assert desk.authenticate(raw(json.dumps(GOOD).encode(), header)).user == "ann"


@pytest.mark.parametrize(
    "kid", ["../../dev/null", "' OR 1=1 --", "/proc/self/environ", "", "\0", "k" * 4_000, 5, None, ["a"]]
)
def test_a_key_id_is_looked_up_and_leads_nowhere_else(kid):
    refused(raw_header({"alg": "HS256", "kid": kid}))
    assert desk.authenticate(raw(json.dumps(GOOD).encode(), {"kid": secret_key(SECRET).kid})).user == "ann"


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


@given(st.dictionaries(st.sampled_from([*GOOD, "userId", "workspace", "nbf", "channels"]), json_values))
def test_any_signed_claims_make_a_principal_or_a_refusal(claims):
    try:
        who = desk.authenticate(raw(json.dumps(GOOD | claims).encode()))
    except (Unauthorized, TokenExpired):
        return
    assert who.role in ROLE_MAY
    assert NOW < who.expires_at <= NOW + LIFETIME_MAX_S


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
        ({"token_id": "a\tb"}, "jti 'a\\tb' is not allowed"),
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


def test_operators_see_why_somebody_was_not_let_in_and_the_bearer_does_not():
    seen: list[RefusedFor] = []
    counting = Authenticator(SECRET, lambda: NOW, on_refused=seen.append)
    for text in (
        "junk",
        raw(json.dumps(GOOD).encode(), {"kid": "unheard of"}),
        raw(json.dumps(GOOD).encode(), secret=b"another secret of thirty-two bytes"),
        token(role="king"),
    ):
        with pytest.raises(Unauthorized, match=r"^invalid token$"):
            counting.authenticate(text)
    with pytest.raises(TokenExpired):
        counting.authenticate(token(exp=NOW))
    assert [reason.value for reason in seen] == ["malformed", "unknown_key", "signature", "claims", "expired"]


@pytest.mark.parametrize("audience", ["tocsin", ["other", "tocsin"]])
def test_a_token_for_the_configured_issuer_and_audience_is_taken(audience):
    strict = Authenticator(SECRET, lambda: NOW, Expected("https://id.example", "tocsin"))
    assert strict.authenticate(token(iss="https://id.example", aud=audience)).user == "ann"


@pytest.mark.parametrize(
    "claims",
    [
        {},
        {"iss": "https://id.example"},
        {"iss": "https://id.example/", "aud": "tocsin"},
        {"iss": "https://ID.example", "aud": "tocsin"},
        {"iss": ["https://id.example"], "aud": "tocsin"},
        {"iss": "https://id.example", "aud": "tocsin2"},
        {"iss": "https://id.example", "aud": []},
        {"iss": "https://id.example", "aud": {"tocsin": 1}},
        {"iss": "https://id.example", "aud": [["tocsin"]]},
        {"iss": None, "aud": None},
    ],
    ids=str,
)
def test_a_token_for_somebody_else_is_refused(claims):
    strict = Authenticator(SECRET, lambda: NOW, Expected("https://id.example", "tocsin"))
    with pytest.raises(Unauthorized, match=r"^invalid token$"):
        strict.authenticate(token(**claims))


def test_an_issuer_or_audience_that_nobody_configured_is_not_looked_at():
    assert desk.authenticate(token(iss="anybody", aud="anything")).user == "ann"


def test_during_a_rotation_tokens_of_the_old_and_the_new_secret_are_taken():
    new = b"the new secret of thirty-two bytes"
    both = Authenticator(KeyRing([secret_key(new), secret_key(SECRET)]), lambda: NOW)
    assert both.authenticate(desk.issue("main", "ann")).key == secret_key(SECRET).id
    assert both.authenticate(token()).key == secret_key(SECRET).id, "also without a kid"
    assert both.authenticate(both.issue("main", "ann")).key == secret_key(new).id
    refused(both.issue("main", "ann"))
