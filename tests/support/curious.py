"""What a process is told to ask a store in tests: which workspaces there are; or to keep something: it is refused."""

from __future__ import annotations

import msgspec

from engine.stores import Store
from engine.stores.findings import Finding


async def gather(store: Store, asked: bytes) -> bytes:
    """The names; who asks says something aloud as well."""
    print("not a word of this is the answer")
    if asked == b"keep":
        await store.put_findings([Finding(workspace="a", kind="k", key="1", state="open", at=0, updated_at=0, body="")])
    return msgspec.json.encode(await store.workspaces_seen("", 10))


def compute(task: bytes) -> bytes:
    """The names, and whose process says them."""
    return b"found " + task
