"""Commands round a running engine: tokens, configuration, benchmarks. Migrations are in `store.py`."""

from __future__ import annotations

import sys

import click

from tocsin.commands import options

ROLES = ("viewer", "responder", "producer", "editor", "admin")


@click.command(short_help="Prints a token for a client.")
@click.option("--workspace", metavar="NAME", callback=options.filled, help="The workspace that it opens. [main]")
@click.option("--user", metavar="NAME", callback=options.filled, help="Whose it is. [yours]")
@click.option("--role", type=click.Choice(ROLES), default="admin", show_default=True, help="What it allows.")
@click.option("--ttl", type=click.IntRange(min=1), default=86_400, show_default=True, help="Seconds until it ends.")
@click.option(
    "--channel", "channels", multiple=True, metavar="NAME", help="Only this framework; repeat for more. [all]"
)
@click.option("--jti", "token_id", callback=options.filled, help="Its id, to revoke it by. [a random one]")
@options.configuration
def token(
    role: str,
    ttl: int,
    channels: tuple[str, ...],
    token_id: str | None,
    data: str | None,
    config_file: str | None,
    workspace: str | None,
    user: str | None,
) -> None:
    """Prints a token, alone on its line.

    It is signed with the configured secret: TOCSIN_SECRET, or the key file in the data folder, which is made if there
    is none yet (the engine's first start would make it too).
    """
    from engine.access.auth import Authenticator
    from engine.access.key_files import KEY_FILE, has_secret, signing_keys
    from protocol.errors import BadRequest

    config = options.load(data, config_file)
    is_new = not has_secret(config)
    authenticator = Authenticator(signing_keys(config))
    if is_new and has_secret(config):
        click.echo(f"tocsin: made a new key file, {config.data / KEY_FILE}", err=True)
    try:
        text = authenticator.issue(
            config.workspace if workspace is None else workspace,
            options.user_name() if user is None else user,
            role,
            ttl,
            channels or None,
            token_id,
        )
    except BadRequest as fault:
        raise click.UsageError(fault.message) from fault
    options.write(text)


@click.command(short_help="Prints the configuration in force.")
@options.configuration
def config(data: str | None, config_file: str | None) -> None:
    """Prints the configuration in force as TOML: every setting under its reason, secrets masked."""
    from engine.configuration.settings import effective

    options.write(effective(options.load(data, config_file)))


@click.command(
    short_help="Measures this machine: `tocsin bench fanout`.",
    add_help_option=False,
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def bench(arguments: tuple[str, ...]) -> None:
    """Runs a load benchmark: `tocsin bench fanout --clients 1000 --verify`; `tocsin bench --help` lists them."""
    from benchmarks import main

    sys.exit(main(list(arguments)))
