"""Reads the keys again when their files change, or when somebody asks for it (SIGHUP), while the engine runs.

Owns: what the files looked like when they were last read. Replaces the keys as a whole; who is connected with a key
that is gone is cut then, so taking a key away works within seconds. A change that cannot be used (a file half written,
a key that is too weak, no file any more) is an error in the log and a count, and the keys from before stay in force.
Waits for the disk in threads, never on the loop. If it crashes its supervisor starts it again; until then keys stay.

Decided against: file notifications (inotify does not see changes on network file systems and in mounted secrets, where
a link is exchanged), and reading at each token (a door must not wait for a disk).
"""

from __future__ import annotations

from functools import partial

import structlog
import trio

from actors.roster import EndWhere
from actors.supervisor import Started
from engine.access.identity import Identity
from engine.access.key_files import key_paths, load_keys, stamps
from engine.configuration.config import Config
from engine.configuration.fields import ConfigError
from protocol.errors import CloseCode

# A key that was stolen is of no use a moment after it was taken away; looking at two files costs 20 µs of a thread.
CHECK_EVERY_S = 2.0
KEY_GONE = "the key of this token is not valid any more"
log = structlog.get_logger()


class KeyWatch:
    """Keeps an identity's keys as the files say."""

    def __init__(self, config: Config, identity: Identity, end_where: EndWhere) -> None:
        self._config = config
        self._identity = identity
        self._end_where = end_where
        self._paths = key_paths(config)
        # Nothing yet: the first look reads again what was read at the start, in case it has changed since.
        self._seen: tuple[object, ...] | None = None
        # The watch and a signal may both ask: one reads and assigns after the other, or what a slow disk gave to the
        # first would replace what the second has read since, and a key that was taken away would be back.
        self._turn = trio.Lock()
        self.changes = 0
        self.failures = 0

    async def run(self, status: Started) -> None:
        """Looks now and then, for ever."""
        status.started()
        if not self._paths:
            await trio.sleep_forever()
        while True:
            await self.look()
            await trio.sleep(CHECK_EVERY_S)

    async def look(self) -> None:
        """Reads the keys if a file looks different from when it was last read."""
        seen = await trio.to_thread.run_sync(stamps, self._paths)
        if seen != self._seen:
            # First: files that cannot be used are complained about once, not at every look.
            self._seen = seen
            await self.reload()

    async def reload(self) -> bool:
        """Reads all keys now; whether they could be used."""
        async with self._turn:
            return await self._reload()

    async def _reload(self) -> bool:
        try:
            keys = await trio.to_thread.run_sync(partial(load_keys, self._config, make=False))
            if not keys.ring.keys:
                raise ConfigError("secret", "the key file is gone; put it back")
        except ConfigError as fault:
            self.failures += 1
            log.error("keys_not_reloaded", error=str(fault), still="the keys from before are in force")
            return False
        before = self._identity.authenticator.keys
        self._identity.authenticator.keys = keys.ring
        if keys.ring.ids != before.ids:
            self.changes += 1
            ended = self._end_where(self._identity.is_over, CloseCode.INVALID_TOKEN, KEY_GONE)
            log.info("keys_changed", keys=[repr(key) for key in keys.ring.keys], disconnected=ended)
        if keys.notes:
            log.warning("key_set", notes=list(keys.notes))
        return True

    def statistics(self) -> dict[str, int]:
        """Keys now; changes of them, and files that could not be used, since the start."""
        return {
            "keys": len(self._identity.authenticator.keys.keys),
            "key_changes": self.changes,
            "key_reloads_failed": self.failures,
        }
