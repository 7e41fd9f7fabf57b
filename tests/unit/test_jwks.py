"""Key sets: which keys are taken, what is wrong with the others, and that no token finds a key but its own."""

import hmac
import json

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from jwt.algorithms import RSAAlgorithm

from engine.access.auth import Authenticator
from engine.access.jwks import FILE_MAX_BYTES, KEYS_MAX, parse_jwks, read_jwks
from engine.access.keys import KeyRing, secret_key
from engine.configuration.fields import ConfigError
from protocol.errors import Unauthorized
from tests.support.keys import ALGORITHMS, OCT, PEM, base64url, jwk, jwks, private_key, rsa_key, signed

NOW = 1_800_000_000
GOOD = {"sub": "ann", "workspaceId": "main", "iat": NOW, "exp": NOW + 60}


def keys_of(*members: dict) -> KeyRing:
    return KeyRing(parse_jwks(jwks(*members), "set.json").keys)


def desk_of(*members: dict) -> Authenticator:
    return Authenticator(keys_of(*members), lambda: NOW)


ALL = desk_of(*(jwk(algorithm, kid=algorithm, name=algorithm) for algorithm in ALGORITHMS))


def refused(text: str, desk: Authenticator = ALL) -> None:
    with pytest.raises(Unauthorized, match=r"^invalid token$"):
        desk.authenticate(text)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_token_of_each_kind_is_taken_with_the_key_that_it_names(algorithm):
    who = ALL.authenticate(signed(algorithm, GOOD, kid=algorithm, name=algorithm))
    assert (who.user, len(who.key)) == ("ann", 64)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_token_that_names_no_key_is_taken_if_only_one_key_has_its_algorithm(algorithm):
    assert ALL.authenticate(signed(algorithm, GOOD, name=algorithm)).user == "ann"
    two = desk_of(jwk(algorithm, kid="a", name="a"), jwk(algorithm, kid="b", name="b"))
    for name in ("a", "b"):
        assert two.authenticate(signed(algorithm, GOOD, kid=name, name=name)).user == "ann"
        refused(signed(algorithm, GOOD, name=name), two)


@pytest.mark.parametrize("named", ALGORITHMS)
@pytest.mark.parametrize("used", ALGORITHMS)
def test_no_key_verifies_with_the_algorithm_of_another(used, named):
    """Every pair: signed with one key, naming another."""
    if used == named:
        refused(signed(used, GOOD, kid=named, name="a stranger's"))
        return
    refused(signed(used, GOOD, kid=named, name=used))
    # And saying the algorithm of the key that it names, whoever signed it.
    head, _, signature = signed(used, GOOD, kid=named, name=used).split(".")
    header = base64url(json.dumps({"alg": named, "kid": named}).encode())
    refused(f"{header}.{base64url(json.dumps(GOOD).encode())}.{signature}")
    refused(f"{head}.{base64url(json.dumps(GOOD).encode())}.{signature}")


@pytest.mark.parametrize("hash_name", ["256", "384", "512"])
@pytest.mark.parametrize("form", ["pem", "der", "jwk", "n"])
def test_a_public_key_is_no_hmac_secret(form, hash_name):
    public = rsa_key().public_key()
    secret = {
        "pem": PEM,
        "der": public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        "jwk": json.dumps(jwk("RS256", "a")).encode(),
        "n": RSAAlgorithm.to_jwk(public, as_dict=True)["n"].encode(),
    }[form]
    desk = desk_of(jwk("RS256", "a"))
    for header in ({"alg": f"HS{hash_name}", "kid": "a"}, {"alg": f"HS{hash_name}"}, {"alg": "RS256", "kid": "a"}):
        text = f"{base64url(json.dumps(header).encode())}.{base64url(json.dumps(GOOD).encode())}"
        refused(f"{text}.{base64url(hmac.digest(secret, text.encode(), f'sha{hash_name}'))}", desk)


@pytest.mark.parametrize(
    "algorithm",
    ["none", "None", "nOnE", "rs256", "Rs256", "RS256 ", "PS256", "ES256K", "RS1", "", "HS256", None, ["RS256"]],
)
@pytest.mark.parametrize("signature", ["", "AA", "own"])
def test_no_other_name_of_an_algorithm_leads_to_a_key(algorithm, signature):
    header = base64url(json.dumps({"alg": algorithm, "kid": "a"}).encode())
    own = signed("RS256", GOOD, kid="a").rpartition(".")[2]
    refused(
        f"{header}.{base64url(json.dumps(GOOD).encode())}.{own if signature == 'own' else signature}",
        desk_of(jwk("RS256", "a")),
    )


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA", "HS256"])
def test_a_key_that_a_token_brings_along_is_not_used(algorithm):
    desk = desk_of(jwk(algorithm, "a"))
    for header in ({"jwk": jwk(algorithm, "a", name="evil")}, {"jku": "https://evil.example/set"}, {"x5c": ["MII="]}):
        refused(signed(algorithm, GOOD, kid="a", name="evil", **header), desk)
        assert desk.authenticate(signed(algorithm, GOOD, kid="a", **header)).user == "ann"


@pytest.mark.parametrize("header", [{"crit": ["exp"]}, {"b64": True}, {"crit": []}, {"typ": "at+jwt"}], ids=str)
def test_a_header_that_asks_for_more_than_a_plain_jwt_is_refused(header):
    if "b64" in header:  # PyJWT leaves it out when it writes
        parts = ({"alg": "HS256", "kid": "a"} | header, GOOD)
        text = ".".join(base64url(json.dumps(part).encode()) for part in parts)
        refused(f"{text}.{base64url(hmac.digest(OCT, text.encode(), 'sha256'))}", desk_of(jwk("HS256", "a")))
    else:
        refused(signed("RS256", GOOD, kid="a", **header), desk_of(jwk("RS256", "a")))


def test_secrets_and_a_key_set_work_side_by_side():
    ring = KeyRing([secret_key(b"s" * 32), *keys_of(jwk("RS256", "a"), jwk("HS256", "b")).keys])
    desk = Authenticator(ring, lambda: NOW)
    for text in (
        desk.issue("main", "ann"),
        signed("RS256", GOOD),
        signed("RS256", GOOD, kid="a"),
        signed("HS256", GOOD),
    ):
        assert desk.authenticate(text).user == "ann"
    assert ring.signing is not None
    assert ring.signing.source == "secret"


def test_a_key_has_the_algorithm_of_its_type_if_it_says_none():
    def without_alg(algorithm: str) -> dict:
        return {name: value for name, value in jwk(algorithm, algorithm).items() if name != "alg"}

    found = keys_of(*map(without_alg, ("RS512", "ES256", "ES384", "ES512", "EdDSA", "HS512")))
    assert [key.algorithms for key in found.keys] == [
        ("RS256",),
        ("ES256",),
        ("ES384",),
        ("ES512",),
        ("EdDSA",),
        ("HS256",),
    ]


def test_a_named_key_is_found_only_for_its_own_algorithm():
    ring = keys_of(jwk("RS256", "a"), jwk("ES256", "b"))
    assert [key.kid for key in ring.find("RS256", "a")] == ["a"]
    for algorithm, kid in (
        ("ES256", "a"),
        ("HS256", "a"),
        ("RS256", "c"),
        ("RS256", 5),
        (["RS256"], "a"),
        (None, None),
    ):
        assert ring.find(algorithm, kid) == ()


def test_another_key_of_the_same_name_is_another_key():
    assert keys_of(jwk("ES256", "a")).ids != keys_of(jwk("ES256", "a", name="new")).ids
    assert keys_of(jwk("ES256", "a")).ids == keys_of(jwk("ES256", "renamed")).ids


def test_a_private_key_verifies_as_its_public_half_and_its_owner_is_told():
    private = RSAAlgorithm.to_jwk(private_key("RS256"), as_dict=True) | {"kid": "a", "key_ops": ["sign", "verify"]}
    found = parse_jwks(jwks(private), "set.json")
    assert Authenticator(KeyRing(found.keys), lambda: NOW).authenticate(signed("RS256", GOOD, kid="a")).user == "ann"
    assert "PrivateKey" not in type(found.keys[0].material).__name__
    assert found.notes == ("keys[0] holds a private key, which nothing here needs: leave out all but the public half",)


def test_keys_for_other_uses_are_left_out_and_named():
    found = parse_jwks(
        jwks(
            jwk("RS256", "e", use="enc"),
            jwk("ES256", "s", key_ops=["sign"]),
            jwk("EdDSA", "a", use="sig", key_ops=["verify"]),
        ),
        "set.json",
    )
    assert [key.kid for key in found.keys] == ["a"]
    assert found.notes == (
        "keys[0] is not used: its `use` is 'enc'",
        "keys[1] is not used: its `key_ops` lack 'verify'",
    )


def without(member: str, algorithm: str = "RS256") -> dict:
    return {name: value for name, value in jwk(algorithm, "a").items() if name != member}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "it is not JSON"),
        (b"\xff", "it is not JSON"),
        (b"[" * 100_000, "it is not JSON, or a name|nested too deep"),
        (b"[]", "it is no key set"),
        (b'{"keys": []}', "with at least one key"),
        (b'{"keys": {}}', "it is no key set"),
        (b'{"keys": [], "keys": []}', "a name occurs twice"),
        (b'{"keys": [7]}', r"keys\[0\] is no object"),
        (jwks(*[jwk("EdDSA", str(n)) for n in range(KEYS_MAX + 1)]), "it has 65 keys, limit 64"),
        (jwks(jwk("RS256", "a"), jwk("ES256", "a")), "two keys have the kid 'a'"),
        (jwks(jwk("RS256"), jwk("ES256")), "two keys have no kid"),
        (jwks(jwk("RS256"), jwk("ES256", "a")), "with several keys each needs one"),
        (jwks(jwk("RS256", "a", use="enc")), "none of its keys is for verifying"),
        (jwks(jwk("RS256", "a", use=5)), r"keys\[0\]: `use` is a text"),
        (jwks(jwk("RS256", "a", key_ops="verify")), r"keys\[0\]: `use` is a text"),
        (jwks(jwk("RS256", "a"), jwk("ES256", "k" * 129)), r"keys\[1\]: its kid is not allowed"),
        (jwks(jwk("RS256", "a\n")), r"keys\[0\]: its kid is not allowed"),
        (jwks(jwk("RS256", "a", kty="DSA")), r"keys\[0\]: its kty is 'DSA'; known are RSA, EC, OKP, oct"),
        (jwks(jwk("RS256", "a", kty=["RSA"])), r"keys\[0\]: its kty is"),
        (jwks(without("kty")), r"keys\[0\]: its kty is 'None'"),
        (jwks(jwk("RS256", "a", alg="HS256")), "its alg is 'HS256'; for this key use RS256 or RS384 or RS512"),
        (jwks(jwk("RS256", "a", alg="PS256")), "its alg is 'PS256'"),
        (jwks(jwk("RS256", "a", alg=None)), "its alg is 'None'"),
        (jwks(jwk("RS256", "a", alg=["RS256"])), "its alg is"),
        (jwks(jwk("ES256", "a", alg="ES384")), "for this key use ES256"),
        (jwks(jwk("ES256", "a", alg="RS256")), "for this key use ES256"),
        (jwks(jwk("EdDSA", "a", alg="ES256")), "for this key use EdDSA"),
        (jwks(jwk("HS256", "a", alg="RS256")), "for this key use HS256 or HS384 or HS512"),
        (jwks(jwk("ES256", "a", crv="secp256k1")), "its crv is 'secp256k1'; use P-256"),
        (jwks(jwk("ES256", "a", crv="P-384")), "it is no EC key"),
        (jwks(jwk("EdDSA", "a", crv="Ed448")), "use Ed25519"),
        (jwks(jwk("EdDSA", "a", crv=["Ed25519"])), "use Ed25519"),
        (jwks(jwk("EdDSA", "a", x="AA")), "it is no OKP key: it needs x"),
        (jwks(without("n")), "it is no RSA key: it needs n and e"),
        (jwks(jwk("RS256", "a", e="AA")), "it is no RSA key"),
        (jwks(jwk("RS256", "a", n=7)), "it is no RSA key"),
        (jwks(jwk("ES256", "a", x="AAAA")), "it is no EC key: it needs x and y"),
        (jwks(jwk("HS256", "a", k=base64url(b"x" * 31))), "a secret of 31 bytes; use at least 32"),
        (jwks(without("k", "HS256")), "it is no oct key"),
        (jwks(jwk("HS256", "a", k=base64url(PEM))), "this is a public or private key"),
        (jwks(RSAAlgorithm.to_jwk(rsa_key(1_024).public_key(), as_dict=True)), "an RSA key of 1024 bits; use 2048"),
    ],
    # Keys are made anew each time: a name must not depend on them.
    ids=lambda value: "" if isinstance(value, bytes) else repr(value),
)  # fmt: skip
def test_a_set_that_cannot_be_used_says_where_and_why(content, said, tmp_path):
    (tmp_path / "set.json").write_bytes(content)
    with pytest.raises(ConfigError, match=said) as caught:
        read_jwks(tmp_path / "set.json")
    assert str(caught.value).startswith(f"identity.jwks: {tmp_path / 'set.json'}: ")
    assert base64url(b"x" * 31) not in str(caught.value)


def test_a_file_that_is_no_set_is_not_read_to_its_end(tmp_path):
    (tmp_path / "large").write_bytes(b" " * (FILE_MAX_BYTES + 1))
    with pytest.raises(ConfigError, match="is larger than 262144 bytes"):
        read_jwks(tmp_path / "large")
    with pytest.raises(ConfigError, match="cannot be read: No such file or directory; name a readable JWKS file"):
        read_jwks(tmp_path / "missing")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
members = ["kty", "kid", "alg", "use", "key_ops", "crv", "x", "y", "n", "e", "k", "d"]


@given(st.sampled_from(ALGORITHMS), st.dictionaries(st.sampled_from(members), json_values, max_size=3))
def test_any_key_is_taken_or_refused_with_a_sentence(algorithm, changes):
    try:
        found = parse_jwks(jwks(jwk(algorithm, "a") | changes), "set.json")
    except ValueError as fault:
        assert not isinstance(fault, UnicodeError)
        return
    assert len(found.keys) == 1


@given(st.sampled_from(ALGORITHMS), st.integers(0, 1_000), st.integers(1, 255))
def test_no_changed_byte_of_a_token_of_any_kind_is_overlooked(algorithm, at, change):
    whole = signed(algorithm, GOOD, kid=algorithm, name=algorithm)
    text = bytearray(whole.encode())
    text[at % len(text)] ^= change
    with pytest.raises(Unauthorized):
        ALL.authenticate(text.decode("latin-1"))


headers = st.dictionaries(
    st.sampled_from(["alg", "kid", "typ", "jwk", "jku", "x5c", "b64", "cty"]), json_values | st.sampled_from(ALGORITHMS)
)


@given(st.sampled_from(ALGORITHMS), headers, st.binary(max_size=80), st.binary(max_size=80))
def test_any_header_payload_and_signature_is_refused_and_raises_nothing_else(algorithm, header, payload, signature):
    text = json.dumps({"alg": algorithm, "kid": algorithm} | header).encode()
    refused(".".join(map(base64url, (text, payload, signature))))
