"""Ports and descriptors: can an engine listen here, for as many as it may; and if ours runs, how it is."""

from __future__ import annotations

import errno
import os
import resource
import socket
from collections.abc import Iterator

from engine.configuration.config import Config
from engine.configuration.fields import Address
from engine.doctor import asking
from engine.doctor.findings import Finding, Level
from engine.doctor.store import file_of, is_in_use

# The database, logs, listeners, libraries.
DESCRIPTORS_BESIDE = 100


def descriptors(config: Config) -> Iterator[Finding]:
    """How many files this user's processes may open, against the connections that are allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = config.gateway.connections_max + config.api.connections_max + DESCRIPTORS_BESIDE
    if soft == resource.RLIM_INFINITY or soft >= needed:
        yield Finding("files", Level.OK, f"{soft} may be open, {needed} are needed at most")
        return
    text = f"{soft} may be open, {needed} are needed for gateway.connections_max = {config.gateway.connections_max}"
    if hard == resource.RLIM_INFINITY or hard >= needed:
        yield Finding("files", Level.WARNING, text, f"ulimit -n {needed} or LimitNOFILE={needed}")
        return
    # A shell cannot go past the hard limit; whoever starts the engine can.
    fitting = max(hard - config.api.connections_max - DESCRIPTORS_BESIDE, 1)
    advice = f"LimitNOFILE={needed} in its unit, or ulimit -n {hard} (the hard limit) and connections_max = {fitting}"
    yield Finding("files", Level.WARNING, text, advice)


def ports(config: Config) -> Iterator[Finding]:
    """Free, or in use by the engine of this data folder, which is then asked how it is."""
    about, data_in_use = asking.about(config), _is_data_in_use(config)
    is_served = {"http": about is not None, "ws": about is not None and _port(about) == config.ws_address.port}
    for name, address in (("ws", config.ws_address), ("http", config.http_address)):
        where = f"{name} {address.url_host}:{address.port}"
        if is_served[name] and data_in_use is False:
            advice = f"use a free port ({_variable(name)}), or end that engine, or look with its data folder (--data)"
            yield Finding("ports", Level.FAIL, f"{where} is served by an engine with another store", advice)
        elif is_served[name]:
            yield Finding("ports", Level.OK, f"{where} is served by a running engine")
        elif problem := _cannot_listen(address):
            advice = f"use a free port ({_variable(name)}), or end the program that has it"
            yield Finding("ports", Level.FAIL, f"{where}: {problem}", advice)
        else:
            yield Finding("ports", Level.OK, f"{where} is free")
    if about is not None and data_in_use is not False:
        yield from _health(config, about)
    elif data_in_use:
        advice = "a second one cannot start with it: end that one, or say where it listens: --api, or TOCSIN_API"
        yield Finding("engine", Level.FAIL, "one uses this store, and does not answer at the HTTP address", advice)
    elif data_in_use is None:
        text = f"none answers at {config.http_address.url_host}:{config.http_address.port} (`tocsin nodes`: elsewhere)"
        yield Finding("engine", Level.OK, text)
    else:
        yield Finding("engine", Level.OK, "none runs with this store")


def _variable(door: str) -> str:
    """What says to an engine where a door is: clients, and the doctor who looks at one, go by TOCSIN_API."""
    return f"TOCSIN_{door.upper()}=HOST:PORT"


def runs_here(config: Config) -> bool:
    """Whether an engine answers at the HTTP address, and not one that is known to have another store."""
    return asking.about(config) is not None and _is_data_in_use(config) is not False


def _is_data_in_use(config: Config) -> bool | None:
    """Whether an engine holds the store of this configuration; None: a store without a file tells nobody."""
    path = file_of(config)
    return None if path is None else path.exists() and is_in_use(path)


def _health(config: Config, about: dict[str, object]) -> Iterator[Finding]:
    version = about.get("version")
    for path, meaning, advice in (
        ("/healthz", "its loop turns", "restart it"),
        ("/readyz", "it can acknowledge", "look into its log: the store is away, full or locked"),
    ):
        status, _ = asking.ask(config, path)
        if status == 200:
            yield Finding("engine", Level.OK, f"version {version}: {meaning}")
        else:
            yield Finding(
                "engine", Level.FAIL, f"{path} answers {status or 'nothing'}: not true that {meaning}", advice
            )


def _port(about: dict[str, object]) -> int:
    port = str(about.get("ws")).rpartition(":")[2]
    return int(port) if port.isdecimal() else 0


def _cannot_listen(address: Address) -> str:
    """Why nothing can listen there; empty if it can."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address.host, address.port))
            probe.listen()
        except OSError as fault:
            is_taken = fault.errno == errno.EADDRINUSE
            return "another program has it" if is_taken else os.strerror(fault.errno or 0)
    return ""
