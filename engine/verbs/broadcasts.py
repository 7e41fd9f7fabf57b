"""An operator's word to whoever is connected now: to a client, a framework, a workspace, a user or a project.

Ephemeral: told once to sockets and event streams, on no stream, kept nowhere but as a line of the audit trail (whom it
went to, not what it said). Who is not connected does not hear it; what must be heard is an alert. The names of another
workspace mean nobody here. Reads what the roster has at this moment; only the record waits, for the store.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from actors.frames import Frame, Frames
from actors.peer import Peer
from actors.ports import Clock
from actors.roster import Roster
from engine.access.audit import AuditTrail
from engine.access.roles import check
from engine.input.commands import check_text
from engine.others import Others
from protocol.codec import WireForm, form_of, frame_message
from protocol.errors import BadRequest, PermissionDenied, UnknownChannel
from protocol.fields import TEXT_MAX_CHARS
from protocol.hints import Broadcast, BroadcastTo
from protocol.model import ChannelKey, DerivedKey, Principal
from protocol.names import check_id
from protocol.times import rfc3339

IsMeant = Callable[[Peer], bool]


class Broadcasts:
    """Sends them."""

    def __init__(self, roster: Roster, trail: AuditTrail, clock: Clock, others: Others) -> None:
        self._roster = roster
        self._trail = trail
        self._clock = clock
        self._others = others

    async def send(self, who: Principal, to: BroadcastTo, target: str, message: str, address: str = "") -> int:
        """Tells it to everybody who is meant; how many there were. Raises UnknownChannel, StoreUnavailable."""
        check(who, "broadcast")
        if who.channels is not None:
            raise PermissionDenied("this token is limited to channels, and a broadcast is not")
        _check_message(message)
        await self._check_target(who, to, target)
        await self._trail.record(who, "broadcast", f"{to.value} {target}", address)
        word = Broadcast(to=to, target=target, message=message, by=who.user, at=rfc3339(self._clock()))
        elsewhere = await self._others.say(who.workspace, word)
        return self.tell(who.workspace, word) + elsewhere

    def tell(self, workspace: str, word: Broadcast) -> int:
        """Tells it to everybody on this node who is meant; how many there were."""
        is_meant = _MEANT[word.to](workspace, word.target)
        meant = [each for each in self._roster.connections() if _is_there(each, workspace) and is_meant(each)]
        frames = {form: Frames((Frame(frame_message(word, form)),)) for form in WireForm}
        for each in meant:
            each.tell(frames[form_of(each.subprotocol)])
        return len(meant)

    async def _check_target(self, who: Principal, to: BroadcastTo, target: str) -> None:
        if to is BroadcastTo.CLIENT:
            found = self._roster.find(target)
            is_there = found is not None and _is_there(found, who.workspace)
            if not is_there and not await self._others.has(who.workspace, target):
                raise UnknownChannel("there is no such connection")
        if to is BroadcastTo.WORKSPACE and target != who.workspace:
            raise UnknownChannel("there is no such workspace")
        if to in (BroadcastTo.FRAMEWORK, BroadcastTo.PROJECT, BroadcastTo.USER):
            check_id(target, "id")


def _to_client(_: str, target: str) -> IsMeant:
    return lambda peer: peer.client_id == target


def _to_everybody(_: str, __: str) -> IsMeant:
    return lambda peer: True


def _to_user(_: str, target: str) -> IsMeant:
    return lambda peer: peer.principal is not None and peer.principal.user == target


def _to_followers(workspace: str, target: str) -> IsMeant:
    """Who follows a framework: by its channel, or with everything in the workspace."""
    streams = {ChannelKey(workspace, target).name, DerivedKey(workspace).name}
    return lambda peer: peer.follows(streams)


# A project is a framework of kind `project`.
_MEANT: Mapping[BroadcastTo, Callable[[str, str], IsMeant]] = {
    BroadcastTo.CLIENT: _to_client,
    BroadcastTo.FRAMEWORK: _to_followers,
    BroadcastTo.WORKSPACE: _to_everybody,
    BroadcastTo.USER: _to_user,
    BroadcastTo.PROJECT: _to_followers,
}


def _is_there(peer: Peer, workspace: str) -> bool:
    return peer.principal is not None and peer.principal.workspace == workspace and peer.ending is None


def _check_message(message: str) -> None:
    if not message or len(message) > TEXT_MAX_CHARS:
        raise BadRequest(f"message: {len(message)} characters; use 1 to {TEXT_MAX_CHARS}")
    check_text(message, "message")
