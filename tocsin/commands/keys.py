"""`tocsin keys`: which keys tokens are verified with, and a new secret in the place of the old without an outage."""

from __future__ import annotations

import click

from tocsin.commands import options


@click.group(short_help="Shows the keys of the tokens; makes a new secret.")
def keys() -> None:
    """The keys that tokens are signed and verified with. No secret is ever shown."""


@keys.command("list", short_help="Shows the keys in force.")
@options.configuration
def list_keys(data: str | None, config_file: str | None) -> None:
    """Shows the keys that this configuration leads to, one a line: name (kid), algorithms, where it is from."""
    from engine.access.key_files import load_keys

    found = load_keys(options.load(data, config_file), make=False)
    for key in found.ring.keys:
        signs = "  signs" if key is found.ring.signing else ""
        options.write(f"{key.kid or '(no kid)'}  {'/'.join(key.algorithms)}  {key.source}{signs}")
    for note in found.notes:
        click.echo(f"tocsin: {note}", err=True)
    if not found.ring.keys:
        click.echo("tocsin: there are none yet; the engine's first start makes a key file", err=True)


@keys.command(short_help="Makes a new secret; the old one goes on verifying.")
@click.option(
    "--keep",
    type=click.IntRange(0, 7),
    default=1,
    show_default=True,
    help="How many of the older secrets still verify; with 0 all tokens end and their bearers are cut.",
)
@options.configuration
def rotate(keep: int, data: str | None, config_file: str | None) -> None:
    """Puts a new secret before those in the key file of the data folder.

    A running engine takes it within seconds. New tokens are signed with it; tokens of the old secret are good until
    they end, or until the next rotation drops their secret.
    """
    from engine.access.key_files import KEY_FILE
    from engine.access.key_files import rotate as rotate_file

    config = options.load(data, config_file)
    if config.secret:
        raise click.UsageError(
            "the secret is configured, not in a key file: put a new one there, move the old one to "
            "identity.previous_secrets (TOCSIN_IDENTITY_PREVIOUS_SECRETS), and restart"
        )
    found = rotate_file(config.data, keep)
    options.write(f"{config.data / KEY_FILE}: {found[0].kid} signs; {len(found) - 1} older still verify")
