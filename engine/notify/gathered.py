"""What several jobs ask of the store at the same moment is asked with one read.

Jobs that were claimed together begin together and ask much the same: who owns a framework, what was told of an alert.
Whoever asks first for a workspace asks for all who join him before he gets his turn again; nobody waits for a read that
is under way, because it may not have seen what he asks about. If the one who asks for all is cancelled the others
begin anew. A store that is away is so for everybody; whatever else goes wrong may be one row that cannot be read, and
then each asks alone: strangers pay for it with a read, and not with an attempt of their job.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import TypeVar

import trio

from engine.stores.deliveries import Known, Wanted
from protocol.errors import StoreUnavailable

# Of so many alerts with a question: with a thousand endpoints that are 50,000 lines of the ledger.
ALERTS_AT_ONCE = 50
T = TypeVar("T")
Ask = Callable[[str, Wanted], Awaitable[Known]]


class _Read:
    """One read that is to be made, for those who joined."""

    def __init__(self) -> None:
        self.wanted: list[Wanted] = []
        self.over = trio.Event()
        self.known: Known | None = None
        self.fault: StoreUnavailable | None = None
        # Something here cannot be asked with the others.
        self.is_spoilt = False

    def takes(self, wanted: Wanted) -> bool:
        """Whether this may be asked with the others."""
        return sum(len(each.alert_ids) for each in (*self.wanted, wanted)) <= ALERTS_AT_ONCE


class Gathered:
    """Asks the store for whoever asks at the same moment, one workspace at a time."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        # The read that can still be joined.
        self._next: dict[str, _Read] = {}

    async def known_of(self, workspace: str, wanted: Wanted) -> Known:
        """What is asked for, as it is now or later, and nothing besides. Raises what the store raises."""
        known: Known | None = None
        while known is None:
            read = self._next.get(workspace)
            if read is None or not read.takes(wanted):
                read = await self._lead(workspace, wanted)
            else:
                read.wanted.append(wanted)
                await read.over.wait()
            if read.fault is not None:
                raise read.fault
            known = await self._ask(workspace, wanted) if read.is_spoilt else read.known
        return _part(known, wanted)

    async def _lead(self, workspace: str, wanted: Wanted) -> _Read:
        read = self._next[workspace] = _Read()
        read.wanted.append(wanted)
        try:
            # All that were claimed together have their turn.
            await trio.lowlevel.checkpoint()
            self._close(workspace, read)
            read.known = await self._ask(workspace, _joined(read.wanted))
        except StoreUnavailable as fault:
            read.fault = fault
        except Exception:
            if len(read.wanted) == 1:
                raise
            read.is_spoilt = True
        finally:
            self._close(workspace, read)
            read.over.set()
        return read

    def _close(self, workspace: str, read: _Read) -> None:
        if self._next.get(workspace) is read:
            del self._next[workspace]


def _joined(wanted: Sequence[Wanted]) -> Wanted:
    objects: dict[str, dict[str, None]] = {}
    for each in wanted:
        for kind, names in each.objects.items():
            objects.setdefault(kind, {}).update(dict.fromkeys(names))
    return Wanted(_once(each.alert_ids for each in wanted), _once(each.versions for each in wanted), objects)


def _once(lists: Iterable[Iterable[str]]) -> list[str]:
    return list(dict.fromkeys(name for names in lists for name in names))


def _part(known: Known, wanted: Wanted) -> Known:
    return Known(
        _those(known.alerts, wanted.alert_ids),
        _those(known.lines, wanted.alert_ids),
        {kind: _those(known.objects.get(kind, {}), names) for kind, names in wanted.objects.items()},
    )


def _those(found: Mapping[str, T], names: Iterable[str]) -> dict[str, T]:
    return {name: found[name] for name in names if name in found}
