"""A mailer, and a mail server on loopback."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import trio
from msgspec.structs import replace

from engine.core.notices.as_html import html
from engine.core.notices.as_text import text
from engine.core.notices.notice import Links, notice_of
from engine.notify.addresses import Mailbox
from engine.notify.mailer import Mailer
from engine.sections.smtp import Smtp
from protocol.notify import Outgoing, Rendered
from tests.support.mail_servers import SENDER
from tests.support.notices import a_message

NOW = a_message().at
BOX = Mailbox("alerts@tocsin.example", "Tocsin")


def rendered(message: Outgoing) -> Outgoing:
    notice = notice_of(message, Links("https://alerts.example.com", "https://alerts.example.com/act/x.y"))
    return replace(message, rendered=Rendered(subject=notice.subject, text=text(notice), html=html(notice)))


MAIL = rendered(a_message())


async def own_address(message: Outgoing) -> str | None:
    return message.address


@asynccontextmanager
async def mailing(config: Smtp, **more: Any) -> AsyncIterator[Mailer]:
    more.setdefault("address_of", own_address)
    mailer = Mailer(config, lambda: NOW, site="https://alerts.example.com", **more)
    async with trio.open_nursery() as nursery:
        await nursery.start(lambda task_status: mailer.run(task_status))
        yield mailer
        nursery.cancel_scope.cancel()


def of(port: int, **more: Any) -> Smtp:
    return Smtp(host="127.0.0.1", port=port, security="none", sender=SENDER, **more)
