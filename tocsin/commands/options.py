"""Options that several commands have, and what they lead to: the configuration, and the way to a running engine."""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    import ssl

    from engine.configuration.config import Config
    from tocsin.link import Token

Command = TypeVar("Command", bound=Callable[..., Any])

DEFAULT_URL = "ws://127.0.0.1:3008"
DEFAULT_API = "http://127.0.0.1:8080"
# A fresh one is made for each connection, so this only bounds how long one connection lives.
TOKEN_TTL_S = 86_400


def filled(_: click.Context, __: click.Parameter, given: str | None) -> str | None:
    """A callback: an empty text is a script's unset variable, and must not quietly mean the default."""
    if given == "":
        raise click.BadParameter("it is empty: give it a value, or leave it out to have the default")
    return given


def configuration(command: Command) -> Command:
    """The options that say where the configuration is: `data`, `config_file`."""
    for option in (
        click.option(
            "--config", "config_file", metavar="FILE", callback=filled, help="The configuration, a TOML file."
        ),
        click.option(
            "--data", metavar="FOLDER", callback=filled, help="The engine's data folder. [TOCSIN_DATA, else ./data]"
        ),
    ):
        command = option(command)
    return command


def _as_whom(command: Command) -> Command:
    for option in (
        click.option(
            "--workspace",
            metavar="NAME",
            callback=filled,
            help="Without TOCSIN_TOKEN: the workspace to act in. [main]",
        ),
        click.option(
            "--ca",
            metavar="FILE",
            callback=filled,
            help="For TLS: the CA (PEM) that signed the engine's certificate. [the system's, or SSL_CERT_FILE]",
        ),
        # For programs that cannot set a variable; people would leave it in their shell's history.
        click.option("--token", envvar="TOCSIN_TOKEN", callback=filled, hidden=True),
    ):
        command = option(command)
    return command


def client(command: Command) -> Command:
    """The options that say which engine to talk to, and as whom: `url`, `ca`, `token`, `workspace`, `configuration`."""
    url = click.option(
        "--url",
        envvar="TOCSIN_URL",
        callback=filled,
        help=f"The engine's WebSocket. [TOCSIN_URL, else {DEFAULT_URL}]",
    )
    return configuration(url(_as_whom(command)))


def api(command: Command) -> Command:
    """The option that says where the HTTP API is: `api`."""
    return click.option(
        "--api",
        metavar="URL",
        envvar="TOCSIN_API",
        callback=filled,
        help=f"The engine's HTTP address. [TOCSIN_API, else as configured, else {DEFAULT_API}]",
    )(command)


def administrator(command: Command) -> Command:
    """As `client`, for commands that talk to the HTTP API: `api` instead of `url`."""
    return configuration(api(_as_whom(command)))


def load(data: str | None, config_file: str | None, **overrides: object) -> Config:
    """The configuration with the command line's settings on top. Raises ConfigError."""
    from engine.configuration import settings

    return settings.load({"data": data, **overrides}, file=config_file)


@dataclass(frozen=True)
class Access:
    """The way to an engine: its address, and who we are."""

    url: str
    token: Token


def access(
    url: str | None, token: str | None, workspace: str | None, data: str | None, config_file: str | None, role: str
) -> Access:
    """With a given token, or with tokens made from the engine's secret if we can read it. Raises ConfigError."""
    if token is not None:
        return Access(DEFAULT_URL if url is None else url, token)
    config = load(data, config_file)
    issue = issuer(config, workspace, role)

    async def fresh() -> str:
        return issue()

    configured = f"{config.ws_scheme}://{config.ws}" if config.ws_address.port else DEFAULT_URL
    return Access(configured if url is None else url, fresh)


def issuer(config: Config, workspace: str | None, role: str) -> Callable[[], str]:
    """Makes tokens from the engine's secret if we can read it. Raises ConfigError."""
    from engine.access.auth import Authenticator
    from engine.access.key_files import KEY_FILE, has_secret, signing_keys
    from engine.configuration.fields import ConfigError

    if not has_secret(config):
        raise ConfigError(
            "token",
            f"there is none, and no {KEY_FILE} in {config.data} to make one from: set TOCSIN_TOKEN, or TOCSIN_DATA to "
            "the engine's data folder",
        )
    authenticator, user = Authenticator(signing_keys(config)), user_name()
    name = config.workspace if workspace is None else workspace
    return lambda: authenticator.issue(name, user, role, TOKEN_TTL_S)


def trusting(ca: str | None) -> ssl.SSLContext | None:
    """A context that trusts this CA (None: the system's, by default). Raises ConfigError."""
    if ca is None:
        return None
    import ssl

    from engine.configuration.fields import ConfigError

    try:
        return ssl.create_default_context(cafile=ca)
    except OSError as fault:
        why = fault.strerror if fault.strerror and not isinstance(fault, ssl.SSLError) else "no certificate in PEM form"
        raise ConfigError("ca", f"{ca} cannot be used ({why}): name the CA's certificate, a PEM file") from fault


def user_name() -> str:
    """Who is at the keyboard, if that is a name that an engine takes."""
    from protocol.names import is_id

    try:
        name = getpass.getuser()
    except (OSError, KeyError, ImportError):
        # A container's user may have a number and no name (KeyError until Python 3.12, OSError from 3.13).
        return "operator"
    return name if is_id(name) else "operator"


def write(line: str) -> None:
    """One line on standard output, at once. Raises OutputFailed, and BrokenPipeError if the reader has gone."""
    try:
        print(line, flush=True)
    except BrokenPipeError:
        raise
    except OSError as fault:
        from tocsin.errors import OutputFailed

        # What is left in the buffer goes nowhere, or the interpreter would complain of it once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise OutputFailed(f"the output cannot be written: {fault.strerror}") from fault


def write_table(rows: Sequence[Sequence[str]]) -> None:
    """Lines whose columns are as wide as their widest text. Raises as `write`."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        write("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())
