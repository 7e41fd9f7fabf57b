"""What is quieted, of all workspaces, in memory: silences and maintenance windows, and whom they can concern.

Owns them in memory; the store owns them for good. Synchronous, as `engine.orders`, which asks here. A channel is handed
what can concern it (by its framework); channels that have nothing of their own share one object, so that its compiled
form exists once. What concerns a framework is remembered until something changes: channels ask at every batch, and
going through 5,000 silences takes 3 ms. What is over is let go of at the next change, or when the keeper looks
(`engine.quiet.quiet_keeper`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from engine.core.agenda import NEVER
from engine.core.quieting import QuietWindow, window_of_maintenance, window_of_silence
from protocol.model import ChannelKey
from protocol.quieting import NOTHING, Maintenance, Quieting, Silence

Quiet = Silence | Maintenance
# Which of the two it is, and its id.
QuietKey = tuple[type[Quiet], str]


# Frameworks of one workspace for which the answer is remembered: as many as may have channels in use, by default. A
# pointer each, and a tuple for those with something of their own. Full, it begins anew: anybody may name a framework.
REMEMBERED_MAX = 5_000


class _Workspace:
    """What is quieted in one workspace, sorted by whom it can concern."""

    def __init__(self) -> None:
        self.known: dict[QuietKey, tuple[QuietWindow, Quiet]] = {}
        self._general = NOTHING
        self._special: list[tuple[QuietWindow, Quiet]] = []
        self._of: dict[str, Quieting] = {}

    def sort(self) -> None:
        """To be called after changes."""
        those = [self.known[key] for key in sorted(self.known, key=lambda key: (key[0].__name__, key[1]))]
        self._special = [pair for pair in those if pair[0].is_for_some]
        self._general = _quieting(one for window, one in those if not window.is_for_some)
        self._of.clear()

    def of(self, framework: str) -> Quieting:
        """What can concern this framework."""
        if not self._special:
            return self._general
        known = self._of.get(framework)
        if known is None:
            if len(self._of) >= REMEMBERED_MAX:
                self._of.clear()
            known = self._of[framework] = self._find(framework)
        return known

    def _find(self, framework: str) -> Quieting:
        more = [one for window, one in self._special if window.means_framework(framework)]
        if not more:
            return self._general
        return _quieting([*self._general.maintenance, *self._general.silences, *more])


class QuietBook:
    """What is quieted in each workspace."""

    def __init__(self) -> None:
        self._workspaces: dict[str, _Workspace] = {}

    def of(self, key: ChannelKey) -> Quieting:
        """What can concern a channel."""
        here = self._workspaces.get(key.workspace)
        return NOTHING if here is None else here.of(key.framework)

    def put(self, workspace: str, changes: Mapping[QuietKey, Quiet | None], now: int) -> None:
        """These are so from now on (None: it is no more)."""
        here = self._workspaces.setdefault(workspace, _Workspace())
        for key, one in changes.items():
            here.known.pop(key, None)
            if one is not None:
                here.known[key] = compiled(one), one
        self._drop(workspace, [key for key, (window, _) in here.known.items() if window.ends_at <= now])

    def let_go(self, now: int) -> list[str]:
        """Forgets what is over; the workspaces where there was something."""
        touched = []
        for workspace, here in list(self._workspaces.items()):
            over = [key for key, (window, _) in here.known.items() if window.ends_at <= now]
            if over:
                self._drop(workspace, over)
                touched.append(workspace)
        return touched

    def silences(self, workspace: str) -> list[Silence]:
        """Those of a workspace that are not over, as far as we have looked; in the order of their ids."""
        here = self._workspaces.get(workspace, _Workspace())
        found = [one for _, one in here.known.values() if isinstance(one, Silence)]
        return sorted(found, key=lambda silence: silence.id)

    def knows(self, workspace: str, key: QuietKey) -> bool:
        """Whether it is not over, as far as we have looked."""
        here = self._workspaces.get(workspace)
        return here is not None and key in here.known

    def workspaces(self) -> list[str]:
        """Where anything is quieted, or will be."""
        return list(self._workspaces)

    def next_change(self, workspace: str, now: int) -> int:
        """When (microseconds) something begins or ends in a workspace; NEVER."""
        known = self._workspaces[workspace].known.values()
        return min((window.at(now)[1] for window, _ in known), default=NEVER)

    def statistics(self) -> dict[str, int]:
        """How many there are of each, those that have not begun included."""
        kinds = [kind for here in self._workspaces.values() for kind, _ in here.known]
        return {"silences": kinds.count(Silence), "maintenance_windows": kinds.count(Maintenance)}

    def _drop(self, workspace: str, over: Iterable[QuietKey]) -> None:
        here = self._workspaces[workspace]
        for key in over:
            del here.known[key]
        here.sort()
        if not here.known:
            del self._workspaces[workspace]


def compiled(one: Quiet) -> QuietWindow:
    """Its window, shared by all that ask."""
    return window_of_silence(one) if isinstance(one, Silence) else window_of_maintenance(one)


def _quieting(those: Iterable[Quiet]) -> Quieting:
    those = list(those)
    return Quieting(
        silences=tuple(one for one in those if isinstance(one, Silence)),
        maintenance=tuple(one for one in those if isinstance(one, Maintenance)),
    )
