"""What a node has heard on one topic, and so what a frame is to it: new, heard before, or beyond a hole. Pure.

Each publisher's entries are numbered, so it does not matter which carrier brought a frame, nor how often. A publisher
that was never heard must begin at 1, unless listening has just begun: carriers start a little in the past
(`CATCH_UP_S`, more than two heartbeats), so who was there before has been heard when that time is over.

A publisher is silent after three missed heartbeats: that is told once, because it may have died with things untold;
and again every `DEAF_AGAIN_S` while one of our own carriers is down, because then it may be us who cannot hear.

Frames are not sealed (what is in them is): who can write to a carrier can make numbers up. So a publisher that has not
reached its own number for as long is believed again, with a gap.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from engine.bus import Cause, Entries, Gap, Marks, Told
from engine.bus.frames import Frame

HEARTBEAT_S = 1.0
# Two heartbeats may be late: of a busy node, and on their way.
SILENT_S = 3 * HEARTBEAT_S
CATCH_UP_S = 2.5 * HEARTBEAT_S
DEAF_AGAIN_S = 2.0
# A node that is silent for so long has been replaced by others. If it was only paused, it costs one more gap.
FORGOTTEN_S = 600.0
# Far more nodes than there can be; whoever can write to the carrier could make up more.
PEERS_MAX = 1_000


@dataclass
class _Peer:
    """A publisher: the number that must come next, and when it was heard last."""

    next_seq: int
    heard_at: float
    # When a frame of it reached the number that must come next.
    level_at: float
    # Silence is no news: it said goodbye, or it was told already.
    is_quiet: bool = False
    told_at: float | None = None


class Hearing:
    """One topic, as one node hears it."""

    def __init__(self, topic: str) -> None:
        self._topic = topic
        self._peers: dict[str, _Peer] = {}
        self._began_at: float | None = None
        self.repeated = 0

    @property
    def has_begun(self) -> bool:
        """Whether a carrier stands on this topic."""
        return self._began_at is not None

    def begin(self, now: float) -> Iterator[Told]:
        """The first carrier stands here: nothing is missed from now on."""
        self._began_at = now
        yield Gap(self._topic, Cause.STARTED)

    def hear(self, frame: Frame, now: float) -> Iterator[Told]:
        """What a frame of another node means to whoever listens."""
        peer = self._peers.get(frame.node)
        if peer is None:
            if len(self._peers) >= PEERS_MAX:
                del self._peers[min(self._peers, key=lambda node: self._peers[node].heard_at)]
            peer = self._peers[frame.node] = _Peer(frame.seq if self._is_new(now) else 1, now, now)
        peer.heard_at, peer.is_quiet, peer.told_at = now, frame.is_last, None
        if frame.seq + len(frame.entries) >= peer.next_seq:
            peer.level_at = now
        elif now - peer.level_at > SILENT_S:
            # Somebody else has made numbers up for it, and what it has said since was taken for repeated.
            peer.next_seq, peer.level_at = frame.seq, now
            yield Gap(self._topic, Cause.HOLE, frame.node)
        if frame.seq > peer.next_seq:
            yield Gap(self._topic, Cause.HOLE, frame.node)
        fresh = frame.entries[max(0, peer.next_seq - frame.seq) :]
        self.repeated += len(frame.entries) - len(fresh)
        peer.next_seq = max(peer.next_seq, frame.seq + len(frame.entries))
        if fresh:
            yield Entries(self._topic, frame.node, fresh)
        if frame.marks:
            yield Marks(self._topic, frame.node, frame.marks)

    def listen(self, now: float, is_deaf: bool) -> Iterator[Told]:
        """Who has fallen silent, several at once as one. `is_deaf`: one of our own carriers is down."""
        silent: list[str] = []
        for node, peer in list(self._peers.items()):
            silent_s = now - peer.heard_at
            if silent_s > FORGOTTEN_S:
                del self._peers[node]
            elif silent_s > SILENT_S and self._is_worth_telling(peer, now, is_deaf):
                peer.is_quiet, peer.told_at = True, now
                silent.append(node)
        if silent:
            yield Gap(self._topic, Cause.SILENT, silent[0] if len(silent) == 1 else "")

    def age_s(self, now: float) -> float:
        """How long the one that should have been heard longest ago is silent; 0 if nobody should."""
        return max((now - peer.heard_at for peer in self._peers.values() if not peer.is_quiet), default=0.0)

    def _is_new(self, now: float) -> bool:
        return self._began_at is None or now - self._began_at < CATCH_UP_S

    def _is_worth_telling(self, peer: _Peer, now: float, is_deaf: bool) -> bool:
        if not peer.is_quiet:
            return True
        return is_deaf and peer.told_at is not None and now - peer.told_at >= DEAF_AGAIN_S
