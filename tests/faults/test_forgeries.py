"""Who is not who he says, on a real engine: every bad token gets the same sentence, every foreign id does not exist."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from protocol.errors import CloseCode
from tests.support.engines import SECRET, EngineProcess
from tests.support.iso import Isolation, authenticated, dial, token_for
from tests.support.keys import handmade, jwk, signed

pytestmark = pytest.mark.alone

CLAIMS = {"sub": "eve", "workspaceId": "main", "role": "admin"}
UNKNOWN_ID = "018f0000-0000-7000-8000-00000000ffff"


def plain(header: dict[str, Any], claims: dict[str, Any], signature: bytes = b"") -> str:
    return handmade(header, json.dumps(claims).encode(), signature=signature)


def hs256(payload: bytes, **header: Any) -> str:
    """Signed with the engine's own secret: only what it says is bad."""
    return handmade({"alg": "HS256", "typ": "JWT"} | header, payload, SECRET.encode())


def bad_tokens() -> dict[str, str]:
    now = int(time.time())
    good = CLAIMS | {"exp": now + 600}
    key = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    head, body, signature = jwt.encode(good, SECRET, "HS256").split(".")
    return {
        "empty": "",
        "none": plain({"alg": "none"}, good),
        "None": plain({"alg": "None", "typ": "JWT"}, good),
        "no signature": f"{head}.{body}.",
        "cut signature": f"{head}.{body}.{signature[:-4]}",
        "another secret": jwt.encode(good, "x" * 40, "HS256"),
        "RS256 of a stranger": jwt.encode(good, key, "RS256"),
        "HS256 with a public key": plain({"alg": "HS256"}, good, public),
        "ES256": plain({"alg": "ES256"}, good, b"x" * 64),
        "a key of its own": jwt.encode(good, key, "RS256", headers={"jwk": {"kty": "oct", "k": "eA"}}),
        "jku": jwt.encode(good, key, "RS256", headers={"jku": "http://127.0.0.1:1/keys"}),
        "kid is a path": jwt.encode(good, SECRET, "HS256", headers={"kid": "../../etc/passwd"}),
        "kid is SQL": jwt.encode(good, SECRET, "HS256", headers={"kid": "' OR 1=1 --"}),
        "crit": jwt.encode(good, SECRET, "HS256", headers={"crit": ["b64"], "b64": False}),
        "no exp": jwt.encode(CLAIMS, SECRET, "HS256"),
        "exp is text": plain({"alg": "HS256"}, CLAIMS | {"exp": str(now + 600)}),
        "exp in 200 years": jwt.encode(CLAIMS | {"exp": now + 200 * 31_557_600}, SECRET, "HS256"),
        "iat in the future": jwt.encode(good | {"iat": now + 3_600}, SECRET, "HS256"),
        "no workspace": jwt.encode({"sub": "eve", "exp": now + 600}, SECRET, "HS256"),
        "two workspaces": jwt.encode(good | {"workspace": "other"}, SECRET, "HS256"),
        "workspace with a colon": jwt.encode(good | {"workspaceId": "a:b"}, SECRET, "HS256"),
        "a role that is none": jwt.encode(good | {"role": "root"}, SECRET, "HS256"),
        "channels is text": jwt.encode(good | {"channels": "*"}, SECRET, "HS256"),
        "8 kB": "x" * 8_000,
        "RS256 with the secret": hs256(json.dumps(good).encode(), alg="RS256"),
        "an EC key that it brings along": signed("ES256", good, jwk=jwk("ES256")),
        "an absurd end": hs256(b'{"sub":"eve","workspaceId":"main","exp":1' + b"0" * 400 + b"}"),
        "claims twice": hs256(b'{"sub":"eve","workspaceId":"x","workspaceId":"main","exp":%d}' % (now + 600)),
        "5,000 nested lists": hs256(b"[" * 5_000),
        "no JSON": hs256(b"\xff\xfe"),
        "not a token": "..",
        "expired": jwt.encode(CLAIMS | {"exp": 1}, SECRET, "HS256"),
    }


async def answer_to(engine: EngineProcess, token: str) -> tuple[int, str]:
    """What it is told, the same each time; at the third time it is cut."""
    peer = await dial(engine)
    await peer.upgrade()
    for _ in range(3):
        await peer.say({"type": "auth", "token": token})
    answers: list[Any] = [await peer.hear() for _ in range(3)]
    assert (await peer.hear_close())[0] == CloseCode.INVALID_TOKEN
    peer.close()
    assert {answer.__class__.__name__ for answer in answers} == {"AuthFailed"}, answers
    ((code, message),) = {(answer.code, answer.message) for answer in answers}
    return code, message


async def test_every_bad_token_gets_the_same_sentence_and_is_cut_at_the_third(
    isolation: Isolation, shared_folder: Path
) -> None:
    tokens = bad_tokens()

    async def forge() -> None:
        answers = {name: await answer_to(isolation.engine, token) for name, token in tokens.items()}
        # Who had a token once is told that it has ended; that he could have read in it.
        assert answers.pop("expired")[1] == "token expired"
        assert set(answers.values()) == {(101, "invalid token")}, answers
        async with httpx.AsyncClient(base_url=isolation.engine.http, timeout=170) as http:
            for name, token in tokens.items():
                if not token:
                    continue  # no header can say that
                answer = await http.get("/api/v1/alerts", headers={"Authorization": f"Bearer {token}"})
                assert answer.status_code == 401, name

    await isolation.check(forge, counted="tocsin_auth_refused")
    assert "eyJ" not in (shared_folder / "stderr").read_text(), "no part of a token is in the log"


async def test_an_id_of_another_workspace_answers_exactly_as_one_that_does_not_exist(isolation: Isolation) -> None:
    engine = isolation.engine
    owner = await authenticated(engine, "owner")
    alert = {"framework_id": "secret-project", "dedup_key": "1", "title": "secret title", "assigned_to": "ann"}
    await owner.say({"type": "trigger", "alert": alert})
    answer: Any = await owner.hear()
    known, unknown = answer.results[0].alert_id, UNKNOWN_ID
    owner.close()
    token = token_for("eve", workspace="elsewhere")

    async def both(http: httpx.AsyncClient, method: str, path: str, **more: Any) -> None:
        answers = []
        for alert_id in (known, unknown):
            answer = await http.request(method, path.format(alert_id), **more)
            answers.append((answer.status_code, answer.text.replace(alert_id, "ID")))
        assert answers[0] == answers[1], (method, path, answers)
        assert "secret" not in answers[0][1]

    async def pry() -> None:
        async with httpx.AsyncClient(
            base_url=engine.http, headers={"Authorization": f"Bearer {token}"}, timeout=170
        ) as http:
            await both(http, "GET", "/api/v1/alerts/{}")
            await both(http, "GET", "/api/v1/alerts/{}/recipients")
            await both(http, "POST", "/api/v1/alerts/{}/acknowledge", json={})
            await both(http, "POST", "/api/v1/alerts/{}/resolve", json={})
            for path in ("/api/v1/alerts", "/api/v1/connections", "/api/v1/audit", "/api/v1/revocations"):
                assert "secret" not in (await http.get(path)).text
            clients = (await http.get("/api/v1/connections")).json()["items"]
            assert {client["user"] for client in clients} <= {"eve"}
        peer = await dial(engine)
        await peer.upgrade()
        await peer.say({"type": "auth", "token": token})
        await peer.hear()
        for kind in ("acknowledge", "resolve"):
            answers = []
            for alert_id in (known, unknown):
                await peer.say({"type": kind, "alertId": alert_id})
                results: Any = await peer.hear()
                answers.append([(r.status, r.reason, r.message) for r in results.results])
            assert answers[0] == answers[1]
        for channel in ("alerts:main:secret-project", "alerts:main:nothing-here", "user:main:ann", "user:ann"):
            await peer.say({"type": "subscribe", "channel": channel})
            refusal: Any = await peer.hear()
            assert refusal.code == 102, (channel, refusal)
        peer.close()

    await isolation.check(pry, counted="tocsin_session_errors")
