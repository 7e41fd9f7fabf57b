"""Keys of every kind for tests, made once, and tokens that are signed with them."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from engine.access.key_files import signing_keys
from engine.configuration.config import Config

OCT = b"an oct key of at least thirty-two bytes, sixty-four for the longest"
CURVES = {"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1(), "ES512": ec.SECP521R1()}
ALGORITHMS = ("HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "EdDSA")


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@cache
def rsa_key(bits: int = 2_048, name: str = "") -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65_537, bits)


@cache
def private_key(algorithm: str, name: str = "") -> Any:
    """The key that signs with an algorithm; another one for each name."""
    if algorithm.startswith("HS"):
        return OCT + name.encode()
    if algorithm.startswith("RS"):
        return rsa_key(name=name)
    return ed25519.Ed25519PrivateKey.generate() if algorithm == "EdDSA" else ec.generate_private_key(CURVES[algorithm])


def jwk(algorithm: str, kid: str | None = None, name: str = "", **more: Any) -> dict[str, Any]:
    """The half of that key that verifies, as a member of a JWKS."""
    key = private_key(algorithm, name)
    if isinstance(key, bytes):
        found: dict[str, Any] = {"kty": "oct", "k": base64url(key)}
    else:
        writer = {"R": RSAAlgorithm, "E": OKPAlgorithm if algorithm == "EdDSA" else ECAlgorithm}[algorithm[0]]
        found = writer.to_jwk(key.public_key(), as_dict=True)
        found.pop("key_ops", None)
    return found | {"alg": algorithm} | ({} if kid is None else {"kid": kid}) | more


def jwks(*keys: Mapping[str, Any]) -> bytes:
    return json.dumps({"keys": list(keys)}).encode()


def signed(algorithm: str, claims: object, kid: str | None = None, name: str = "", **header: Any) -> str:
    """A token signed with that key."""
    header |= {} if kid is None else {"kid": kid}
    key = private_key(algorithm, name)
    return jwt.PyJWS().encode(json.dumps(claims).encode(), key, algorithm=algorithm, headers=header)


def handmade(header: Mapping[str, Any], payload: bytes, secret: bytes = b"", signature: bytes | None = None) -> str:
    """A token put together by hand: whatever its header says, signed as HS256 is, or with this signature."""
    text = f"{base64url(json.dumps(header).encode())}.{base64url(payload)}"
    return f"{text}.{base64url(hmac.digest(secret, text.encode(), 'sha256') if signature is None else signature)}"


PEM = rsa_key().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def secret_of(data_folder: Path) -> bytes:
    """The secret that signs in this data folder; made if there is none."""
    return signing_keys(Config(data=data_folder)).keys[0].material
