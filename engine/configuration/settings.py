"""Reads the configuration: defaults, then the TOML file, the reference's variables, ours, and the command line.

Later sources win. Every value is checked where it is read, so an error can name its source, and also a value that a
later source replaces must be a good one. What nobody knows (a key of the file, a `TOCSIN_` variable) is an error that
names the nearest setting: a misspelt limit that is silently not in force is worse than no start.
"""

from __future__ import annotations

import functools
import os
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import msgspec

from engine.configuration.bounded_file import read_bounded
from engine.configuration.config import FIELDS, Config
from engine.configuration.config_checks import CHECKS
from engine.configuration.fields import MASK, Address, ConfigError, Field, Secret, SecretUrl, check, nearest
from engine.configuration.folder import unusable_folder
from engine.configuration.store_urls import without_password

PREFIX = "TOCSIN_"
CONFIG_VARIABLE = "TOCSIN_CONFIG"
FILE_NAME = "tocsin.toml"
# A configuration is written by hand; what is larger was not meant for us.
FILE_MAX_BYTES = 1_048_576
# Read by commands (`tocsin migrate` the password) and not settings of the engine.
CLIENT_VARIABLES = frozenset({"TOCSIN_API", "TOCSIN_APP_PASSWORD", "TOCSIN_TOKEN", "TOCSIN_URL"})
# Kubernetes puts such variables into every pod beside a Service called `tocsin` or `tocsin-...`.
_SERVICE_LINK = re.compile(
    r"TOCSIN_(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)"
)


def _seconds(milliseconds: str) -> float:
    return float(milliseconds) / 1_000


# Lists of tables: `[[rules]]`.
TABLES = frozenset({"rules", "integrations", "schedules"})
# The reference's operators know these, and REDIS_HOST, REDIS_PORT, REDIS_PASSWORD, which are one setting here
# (`_reference_redis`). Its BULL_QUEUE_* and PROMETHEUS_PORT set nothing that exists here.
ALIASES: Mapping[str, tuple[str, Callable[[str], object]]] = {
    "WS_HEARTBEAT_INTERVAL": ("gateway.heartbeat_s", _seconds),
    "WS_TIMEOUT": ("gateway.timeout_s", _seconds),
    "NEXTAUTH_SECRET": ("secret", str),
}


class Setting(NamedTuple):
    """A checked value and who set it."""

    key: str
    value: Any
    source: str


def load(
    overrides: Mapping[str, object] | None = None,
    environ: Mapping[str, str] | None = None,
    file: str | Path | None = None,
) -> Config:
    """The configuration. Raises ConfigError.

    `overrides`: by key (`{"ws": "127.0.0.1:0", "gateway.heartbeat_s": 5}`), None values are left out. `environ`: the
    process's if not given. `file`: a TOML file that must exist; else that of `TOCSIN_CONFIG`, else `tocsin.toml` in the
    data folder if there is one.
    """
    environ = os.environ if environ is None else environ
    variables = [*_aliases(environ), *_variables(environ)]
    commands = list(_overrides(overrides or {}))
    settings = {s.key: s for s in [*_file(_find_file(file, environ, variables + commands)), *variables, *commands]}
    try:
        return _build({key: setting.value for key, setting in settings.items()})
    except ConfigError as fault:
        raise ConfigError(fault.key, fault.problem, _source_of(fault, settings)) from None


def _source_of(fault: ConfigError, settings: Mapping[str, Setting]) -> str:
    """Who set it; if nobody did, also who set what it does not go together with."""
    if fault.key in settings:
        return settings[fault.key].source
    others = [f"{key} by {setting.source}" for key, setting in settings.items() if key in fault.problem]
    return ", ".join(["default", *others])


def _build(values: Mapping[str, Any]) -> Config:
    sections: dict[str, dict[str, Any]] = {"": {}}
    for key, value in values.items():
        section, name = FIELDS[key].section, FIELDS[key].name
        sections.setdefault(section, {})[name] = value
        while section:  # a section is a member of the one that it stands in
            section, _, name = section.rpartition(".")
            sections.setdefault(section, {}).setdefault(name, None)
    return Config(**_members("", sections))


def _members(section: str, given: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """What was given of a section, its inner sections made whole."""
    made = {}
    for name, value in given[section].items():
        inner = f"{section}.{name}" if section else name
        made[name] = type(_section(inner))(**_members(inner, given)) if inner in given else value
    return made


def _section(name: str) -> Any:
    return functools.reduce(getattr, name.split("."), _DEFAULTS)


def _setting(field: Field, value: object, source: str, *, text: bool = False) -> Setting:
    try:
        return Setting(field.key, check(field, value, CHECKS, text=text), source)
    except ConfigError as fault:
        raise ConfigError(fault.key, fault.problem, source) from None


def _overrides(overrides: Mapping[str, object]) -> Iterator[Setting]:
    for key, value in overrides.items():
        if value is None:
            continue
        if key not in FIELDS:
            raise ConfigError(key, f"is no setting; did you mean {nearest(key, FIELDS)}?", "the command line")
        yield _from_text(FIELDS[key], value, "the command line")


def _variables(environ: Mapping[str, str]) -> Iterator[Setting]:
    """Ours. An empty variable counts as not set: that is what compose files and shells make of a missing value."""
    known = {field.variable: field for field in FIELDS.values()}
    for name in sorted(environ):
        if not name.startswith(PREFIX) or name == CONFIG_VARIABLE or name in CLIENT_VARIABLES:
            continue
        if name in known:
            if environ[name]:
                yield _from_text(known[name], environ[name], f"the variable {name}")
        elif not _is_service_link(name, environ[name]):
            raise ConfigError(name, f"is no setting; did you mean {nearest(name, known)}?", "the environment")


def _is_service_link(name: str, value: str) -> bool:
    # TOCSIN_WS_PORT=3008 is a person's mistake, TOCSIN_WS_PORT=tcp://10.0.0.1:3008 is Kubernetes'.
    return _SERVICE_LINK.fullmatch(name) is not None or (name.endswith("_PORT") and "://" in value)


def _aliases(environ: Mapping[str, str]) -> Iterator[Setting]:
    for name, (key, translate) in ALIASES.items():
        if not environ.get(name):
            continue
        source = f"the variable {name}"
        try:
            value = translate(environ[name])
        except ValueError:
            raise ConfigError(key, f"{environ[name]!r:.80} is not allowed: use milliseconds", source) from None
        yield _from_text(FIELDS[key], value, source)
    yield from _reference_redis(environ)


def _reference_redis(environ: Mapping[str, str]) -> Iterator[Setting]:
    if not (host := environ.get("REDIS_HOST")):
        return
    port = environ.get("REDIS_PORT", "")
    # Kubernetes writes `REDIS_PORT=tcp://10.0.0.1:6379` into every pod beside a Service called `redis`.
    where = Address(host, 0).url_host + ("" if "://" in port or not port else f":{port}")
    password = environ.get("REDIS_PASSWORD", "")
    login = f":{quote(password, safe='')}@" if password else ""
    yield _from_text(FIELDS["redis.url"], f"redis://{login}{where}", "the variables REDIS_HOST, REDIS_PORT")


def _from_text(field: Field, value: object, source: str) -> Setting:
    if field.key in TABLES and isinstance(value, str):
        text = f"{field.key} are tables: write them as [[{field.key}]] into {FILE_NAME}"
        raise ConfigError(field.key, text, source)
    if isinstance(field.default, tuple) and isinstance(value, str):
        value = [part.strip() for part in value.split(",") if part.strip()]
    return _setting(field, value, source, text=True)


def _find_file(given: str | Path | None, environ: Mapping[str, str], others: list[Setting]) -> Path | None:
    if given is not None:
        return Path(given)
    if environ.get(CONFIG_VARIABLE):
        return Path(environ[CONFIG_VARIABLE])
    data = {s.key: s.value for s in others}.get("data", _DEFAULTS.data)
    found: Path = data / FILE_NAME
    try:
        return found if found.exists() else None
    except OSError as fault:
        raise unusable_folder(data, fault) from fault


def _file(path: Path | None) -> Iterator[Setting]:
    if path is None:
        return
    yield from _tables(_read(path), "", path)


def _read(path: Path) -> dict[str, Any]:
    content = read_bounded(path, FILE_MAX_BYTES, "config", "TOML")
    try:
        return tomllib.loads(content.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as fault:
        # The parser's message names line and column, and no value.
        raise ConfigError("config", f"{path} is not TOML: {fault}") from None


def _tables(table: Mapping[str, Any], prefix: str, path: Path) -> Iterator[Setting]:
    sections = {field.section for field in FIELDS.values() if field.section}
    for name, value in table.items():
        key = prefix + name
        if key in FIELDS:
            yield _setting(FIELDS[key], value, f"{path}, key {key}")
        elif key in sections and isinstance(value, dict):
            yield from _tables(value, f"{key}.", path)
        elif key in sections:
            raise ConfigError(key, f"{value!r:.80} is not allowed: use a table, [{key}]", str(path))
        else:
            near = nearest(key, [*FIELDS, *sections])
            raise ConfigError(key, f"is no setting; did you mean {near}?", str(path))


def effective(config: Config) -> str:
    """The configuration as TOML text that `load` reads again: every setting under its reason, secrets masked."""
    lines = ["# The configuration in force. Each setting can also be given as TOCSIN_<SECTION>_<NAME>.", ""]
    section = ""
    # TOML: what stands below a [table] belongs to it, so the top level comes first and [[tables]] last.
    for field in sorted(FIELDS.values(), key=lambda f: (f.key in TABLES and bool(f.of(config)), bool(f.section))):
        if field.section not in ("", section):
            section = field.section
            lines += [f"# {type(_section(section)).__doc__}", f"[{section}]"]
        lines += [f"# {field.description}", *_assignment(field, field.of(config)), ""]
    return "\n".join(lines)


def _assignment(field: Field, value: Any) -> list[str]:
    if field.key in TABLES and value:
        return [line for table in value for line in _table(field.key, table)]
    if isinstance(value, SecretUrl):
        shown = value.shown
        return [f"{'' if shown.encode() == value.reveal() else '# '}{field.name} = {toml_value(shown)}"]
    if isinstance(value, Secret):
        # Commented out: a mask that is read back would be a secret that everybody knows.
        return [f'# {field.name} = "{MASK if value else ""}"']
    is_url = isinstance(value, str) and (field.key == "store" or "://" in value)
    masked = without_password(value, MASK) if is_url else value
    return [f"{'# ' if masked != value else ''}{field.name} = {toml_value(masked)}"]


def _table(name: str, table: msgspec.Struct) -> list[str]:
    lines = [f"[[{name}]]"]
    for member, value in msgspec.to_builtins(table, enc_hook=_masked).items():
        if value is None:
            continue
        is_secret = isinstance(getattr(table, member, None), Secret)
        lines.append(f"{'# ' if is_secret else ''}{member} = {toml_value(value)}")
    return lines


def _masked(value: object) -> object:
    return (MASK if value else "") if isinstance(value, Secret) else str(value)


def toml_value(value: object) -> str:
    """One value as TOML: bool, int, float, text, path, or a list of these."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, dict):
        return f"{{{', '.join(f'{toml_value(name)} = {toml_value(each)}' for name, each in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(toml_value, value))}]"
    # JSON's escapes are TOML's; DEL is the one character that TOML wants escaped besides.
    return msgspec.json.encode(str(value)).decode().replace("\x7f", "\\u007f")


_DEFAULTS = Config()
