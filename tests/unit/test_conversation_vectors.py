"""What a client must say, tell and answer is a promise to clients in other languages: this fails when it changes.

If a change is deliberate, write the file anew and read the difference before committing it:

    TOCSIN_RENEW_GOLDEN=1 python -m pytest tests/unit/test_conversation_vectors.py && git diff tests/golden
"""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

from tests.support.conversation_scripts import SCRIPTS, recorded
from tests.support.conversations import FILE


@pytest.fixture(scope="module")
def vectors() -> dict[str, Any]:
    """The file, conversation by conversation."""
    if "TOCSIN_RENEW_GOLDEN" in os.environ:
        FILE.write_text("".join(f"{line}\n" for line in recorded()))
    return {vector["name"]: vector for vector in map(json.loads, FILE.read_text().splitlines())}


@pytest.fixture(scope="module")
def told() -> dict[str, Any]:
    """What the Python client does now."""
    return {vector["name"]: vector for vector in map(json.loads, recorded())}


def test_every_conversation_is_in_the_file(vectors: dict[str, Any]) -> None:
    assert list(vectors) == list(SCRIPTS)


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_python_client_still_talks_like_this(name: str, vectors: dict[str, Any], told: dict[str, Any]) -> None:
    assert told[name] == vectors[name], "the client has changed; if that is meant, see this file's header"


def test_the_conversations_make_everything_happen_that_a_client_counts(vectors: dict[str, Any]) -> None:
    counted = {name for vector in vectors.values() for name, count in vector["counters"].items() if count}
    assert counted == set(next(iter(vectors.values()))["counters"])
