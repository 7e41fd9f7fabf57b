"""The part of the engine that writes to people: the mailer, the links in mails, and who is behind those.

`engine.parts` builds it, the tree runs its mailer, the doors serve its links.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from actors.ports import Clock
from engine.access.identity import Identity
from engine.configuration.config import Config
from engine.core.notices.notice import Style
from engine.input.integrations import Integrations
from engine.notify.action_links import ActionLinks
from engine.notify.endpoint_checks import style_of
from engine.notify.kept_endpoints import refusal
from engine.notify.leaving import LeaveLinks
from engine.notify.mailer import Mailer
from engine.notify.outbound import Outbound
from engine.notify.persons import Persons
from engine.notify.ports import Outcome, Refused, Sender
from engine.notify.renderer import NoticeRenderer
from engine.shelf.shelves import Shelves
from protocol.notify import Channel, Outgoing


@dataclass(frozen=True)
class Mail:
    """All of it. Without a mail server in the configuration there is no sender, and the ledger says so."""

    mailer: Mailer
    persons: Persons
    links: ActionLinks
    leave: LeaveLinks
    renderer: NoticeRenderer
    # Of each Slack app whose buttons act here its workspace and signing secret.
    slack_apps: Sequence[tuple[str, bytes]]
    senders: dict[Channel, Sender]


def build_mail(config: Config, identity: Identity, shelves: Shelves, outbound: Outbound, clock: Clock) -> Mail:
    """Nothing of it runs yet."""
    book, targets = outbound.book, outbound.targets
    site = config.notify.public_url
    slack_apps = Integrations(config.integrations, config.workspace).slack_apps()
    with_buttons = {workspace for workspace, _ in slack_apps}
    persons = Persons(shelves.users, shelves.slack_ids, identity.is_over)
    links = ActionLinks(lambda: identity.authenticator.keys, clock, site, config.notify.link_s)

    async def address_of(message: Outgoing) -> str | Refused | None:
        if message.recipient.endpoint is None:
            return message.address
        endpoint = book.get(message.workspace, message.recipient.endpoint)
        return refusal(endpoint) or (endpoint.address if endpoint is not None else None)

    def templates_of(message: Outgoing) -> Style:
        name = message.recipient.endpoint
        endpoint = book.get(message.workspace, name) if name is not None else None
        return style_of(endpoint) if endpoint is not None else Style()

    def note(message: Outgoing, outcome: Outcome) -> None:
        name = message.recipient.endpoint
        endpoint = book.get(message.workspace, name) if name is not None else None
        if endpoint is not None:
            health = targets.of((message.workspace, endpoint.id), Channel.EMAIL)
            health.waiting = partial(mailer.waiting, endpoint.address)
            health.note(outcome)

    mailer = Mailer(config.notify.smtp, clock, address_of, site, note)
    return Mail(
        mailer=mailer,
        persons=persons,
        links=links,
        leave=LeaveLinks(lambda: identity.authenticator.keys, site),
        renderer=NoticeRenderer(links, persons, site, templates_of, with_buttons.__contains__),
        slack_apps=slack_apps,
        senders={Channel.EMAIL: mailer} if config.notify.smtp.host else {},
    )
