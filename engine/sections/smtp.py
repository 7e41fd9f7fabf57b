"""The mail server that notifications are handed to: the table `[notify.smtp]`."""

from __future__ import annotations

from typing import Annotated, Literal

from engine.configuration.fields import Secret, Section, limit, why


class Smtp(Section, frozen=True, kw_only=True):
    """The mail server that takes our e-mail, and how much of it at once. Without a host nobody is told by e-mail."""

    host: Annotated[str, why("Name or address of your mail server (a submission service); empty: no e-mail.")] = ""
    port: Annotated[int, limit(1, 65_535, "587 is submission with STARTTLS; 465 goes with security = tls.")] = 587
    security: Annotated[
        Literal["starttls", "tls", "none"],
        why("starttls: plain first, then encrypted or not at all; tls: encrypted from the start; none: never."),
    ] = "starttls"
    ca: Annotated[str, why("PEM file of the authority that signed its certificate; empty: the system's own.")] = ""
    user: Annotated[str, why("Whom we log in as; empty: we do not.")] = ""
    password: Annotated[Secret, why("That user's password.")] = Secret()
    sender: Annotated[str, why("Who our e-mail is from: alerts@example.com, or Tocsin <alerts@example.com>.")] = ""
    connect_s: Annotated[float, limit(1, 20, "A mail server near by answers in milliseconds.")] = 5.0
    answer_s: Annotated[float, limit(1, 50, "For each answer; some servers look at a message for seconds.")] = 15.0
    total_s: Annotated[float, limit(2, 55, "For a whole message; a job that sends one has 60 s.")] = 40.0
    connections_max: Annotated[int, limit(1, 32, "At once; many servers take no more than a few from one client.")] = 4
    keep_s: Annotated[float, limit(0, 240, "An unused connection is kept so long; servers end them after 5 min.")] = (
        20.0
    )
    per_connection_max: Annotated[int, limit(1, 10_000, "Messages over one connection; many servers take 100.")] = 100
    per_recipient_s: Annotated[
        float, limit(0, 3_600, "In the long run an address gets a message in so many seconds; the rest waits.")
    ] = 6.0
    per_recipient_burst: Annotated[int, limit(1, 1_000, "So many at once to an address, before it is slowed.")] = 20
