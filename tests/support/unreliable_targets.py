"""All whom an engine tells in a test of kills: a webhook for each framework, one that is gone, Slack, a mail server.

On loopback, each failing in its own way, drawn from a seed (`tests.support.unreliable`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from tests.support.http_sink import Sink, a_sink
from tests.support.mail_servers import MailServer, mail_server
from tests.support.unreliable import Unreliable, title, webhook_id

FRAMEWORKS = tuple(f"f{number}" for number in range(6))
LIMITED = FRAMEWORKS[-1]


@dataclass
class Targets:
    """All of them, and who listens for them. The mails' keys are in their Message-IDs."""

    sinks: dict[str, Sink]
    seen: dict[str, Unreliable]
    mail: MailServer

    @property
    def endpoints(self) -> list[dict[str, Any]]:
        """As they are made."""
        hooks = [
            {"id": f"hook-{name}", "channel": "webhook", "url": self.sinks[f"hook-{name}"].url(), "frameworks": [name]}
            for name in FRAMEWORKS
        ]
        critical = {"min_severity": "critical"}
        return [
            *hooks,
            {"id": "gone", "channel": "webhook", "url": self.sinks["gone"].url(), **critical},
            {"id": "chat", "channel": "slack", "url": self.sinks["chat"].url("/services/T1/B1/x"), **critical},
            {"id": "mail", "channel": "email", "address": "ops@example.com", "min_severity": "error"},
        ]

    def keys(self, name: str) -> Counter[str]:
        """What a target took, by key."""
        if name == "mail":
            return Counter(mail["Message-ID"].strip("<>").partition("@")[0] for mail in self.mail.inbox.mails)
        return self.seen[name].taken


@asynccontextmanager
async def targets(seed: int, gone_after: int = 3) -> AsyncIterator[Targets]:
    """They listen until the block ends; one takes so many, and then says that it is gone."""
    names = [*(f"hook-{name}" for name in FRAMEWORKS), "gone", "chat"]
    async with AsyncExitStack() as stack:
        sinks = {name: await stack.enter_async_context(a_sink()) for name in names}
        seen = {name: Unreliable(seed + number) for number, name in enumerate([*names, "mail"])}
        mail = stack.enter_context(mail_server())
        mail.inbox.answer = lambda number: "451 try again" if seen["mail"].fails() else "250 taken"
        for name, sink in sinks.items():
            sink.usual = seen[name].flaky(title if name == "chat" else webhook_id)
        sinks[f"hook-{LIMITED}"].usual = seen[f"hook-{LIMITED}"].limited()
        sinks["gone"].usual = seen["gone"].gone(gone_after)
        yield Targets(sinks, seen, mail)
