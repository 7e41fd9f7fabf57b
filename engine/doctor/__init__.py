"""Looks whether an engine can run here, and says what to do where it cannot. Changes nothing but a nameless test file.

Each check is a function from what it looks at to findings; the order of `examine` is that in which a person would mend
things. It works beside a running engine and before the first start. A check that itself fails is a finding too, and
hides no other. The store is only read: nothing is migrated, made, or locked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

from engine.configuration import settings
from engine.configuration.config import Config
from engine.configuration.fields import ConfigError
from engine.doctor import clock, data, figures, installation, mail, network, redis_server, store, tls
from engine.doctor.findings import Finding, Level

__all__ = ("Finding", "Level", "examine")


def examine(overrides: Mapping[str, object], file: str | Path | None = None) -> list[Finding]:
    """Everything that can be looked at from outside a running engine. Never raises."""
    found = [*_safely("python", installation.python), *_safely("packages", installation.packages)]
    try:
        config = settings.load(overrides, file=file)
    except ConfigError as fault:
        return [*found, Finding("configuration", Level.FAIL, str(fault), "mend it; the rest depends on it")]
    found.append(Finding("configuration", Level.OK, "every setting is known and allowed"))
    for name, check in _checks(config):
        found += _safely(name, check)
    return found


Check = Callable[[], Iterator[Finding]]


def _checks(config: Config) -> list[tuple[str, Check]]:
    return [
        ("data", partial(data.folder, config)),
        ("key", partial(data.keys, config)),
        ("store", partial(store.state, config)),
        ("redis", partial(redis_server.server, config)),
        ("clock", partial(clock.sanity, config)),
        ("tls", partial(tls.certificate, config)),
        ("mail", partial(mail.server, config)),
        ("files", partial(network.descriptors, config)),
        ("engine", partial(network.ports, config)),
        ("figures", partial(figures.state, config)),
    ]


def _safely(name: str, check: Check) -> list[Finding]:
    found: list[Finding] = []
    try:
        found.extend(check())
    except Exception as fault:
        # Boundary: what no check has thought of is told, and must not hide what the others find.
        told = f"the check itself failed: {type(fault).__name__}: {fault}"
        found.append(Finding(name, Level.FAIL, told, "report it, with this line"))
    return found
