"""The way from the doctor to an engine that may be running: one HTTP request at a time, short, to its own address.

Used by the checks that look at a running engine. An answer that does not come, or comes from somebody else, is an
answer here (status 0), never an exception: what that means is the check's to say.
"""

from __future__ import annotations

import http.client
import json

from engine.access.auth import Authenticator
from engine.access.certificate import trusting_our_own
from engine.access.key_files import has_secret, signing_keys
from engine.access.roles import SYSTEM_WORKSPACE
from engine.configuration.config import Config
from engine.configuration.fields import Address, ConfigError

# How an engine that listens everywhere is reached from here.
_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  # compared with, not bound to
ANSWER_S = 2.0
# All metrics of a busy engine are half of it.
ANSWER_MAX_BYTES = 1_048_576
# The doctor's own, for this one look.
TOKEN_TTL_S = 60
DOCTOR = "doctor"


def reached_at(address: Address) -> str:
    """The host to connect to from this machine."""
    return _ANY.get(address.host, address.host)


def url_of(address: Address) -> str:
    """HOST:PORT of a URL that leads there from this machine."""
    host = reached_at(address)
    return f"[{host}]:{address.port}" if ":" in host else f"{host}:{address.port}"


def ask(config: Config, path: str, token: str = "") -> tuple[int, bytes]:
    """Status and body of the answer; (0, nothing) if there is none."""
    address = config.http_address
    if not address.port:
        return 0, b""
    connection = _connection(config, reached_at(address), address.port)
    try:
        connection.request("GET", path, headers={"Authorization": f"Bearer {token}"} if token else {})
        answer = connection.getresponse()
        return answer.status, answer.read(ANSWER_MAX_BYTES)
    except (OSError, http.client.HTTPException):
        return 0, b""
    finally:
        connection.close()


def about(config: Config) -> dict[str, object] | None:
    """What an engine at the HTTP address says of itself; None: nobody is there, or somebody else."""
    status, body = ask(config, "/api/v1/about")
    try:
        told = json.loads(body) if status == 200 else None
    except ValueError:
        return None
    return told if isinstance(told, dict) and told.get("name") == "tocsin" else None


def operators_token(config: Config) -> str:
    """A token of the engine's operator, good for a minute; empty if there is no secret here to make one from."""
    try:
        if not has_secret(config):
            return ""
        return Authenticator(signing_keys(config)).issue(SYSTEM_WORKSPACE, DOCTOR, "admin", TOKEN_TTL_S)
    except ConfigError:
        return ""  # said of the key already


def _connection(config: Config, host: str, port: int) -> http.client.HTTPConnection:
    try:
        context = trusting_our_own(config)
    except OSError:  # said of the certificate already
        context = None
    if context is None:
        return http.client.HTTPConnection(host, port, timeout=ANSWER_S)
    return http.client.HTTPSConnection(host, port, timeout=ANSWER_S, context=context)
