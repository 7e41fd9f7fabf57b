"""What changes beside the streams and should be known on all nodes: objects, revocations, hints, the bell for jobs.

Owns: what others have changed and we have not read yet, and the queues whose bell we are to ring elsewhere. The bus
calls us with names; a task reads what they mean from the store, one after the other, and tells whoever keeps it in
memory. After a gap of the bus all of it is read. Waits for the store. If it crashes it is started again and reads
everything.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

import structlog
import trio

from actors.bell import Bell
from actors.derived import DerivedStreams
from actors.forwarding import LetterTooLarge
from actors.patience import answered
from actors.registry import Registry
from actors.roster import EndWhere
from actors.supervisor import Started
from engine.access.administration import REVOKED
from engine.access.identity import Identity
from engine.bus import Gap
from engine.bus.topics import NEWS
from engine.nodes.post import Post
from engine.nodes.receipts import Receipts
from engine.shelf.live import LiveObjects
from engine.stores import Store
from engine.stores.connections import Revocation
from engine.stores.jobs import Doorbell
from engine.stores.objects import ObjectNews
from protocol.errors import Busy, CloseCode
from protocol.forwarding import Confirmed, Hinted, ObjectsChanged, RevocationsChanged, Rung, Start
from protocol.hints import Hint
from protocol.jobs import Queue
from protocol.model import ChannelKey, DerivedKey, StreamKey

log = structlog.get_logger()

# The bell for jobs is rung elsewhere so often at most: whoever made them is the first to look, and polls come anyway.
RING_EVERY_S = 0.1
# Names that wait to be read; past it all objects are read instead.
NAMES_MAX = 10_000
# Of one letter, so that it is never too large: names have at most 128 characters each.
NAMES_TOGETHER = 1_000
# Letters of one node that wait to be confirmed; who sent more has given up, and counts them.
CONFIRMED_MAX = 1_000


class News:
    """Both directions of it."""

    def __init__(
        self,
        post: Post,
        receipts: Receipts,
        store: Store,
        live: LiveObjects,
        identity: Identity,
        end_where: EndWhere,
        registry: Registry,
        derived: DerivedStreams,
    ) -> None:
        self._post = post
        self._receipts = receipts
        self._store = store
        self._live = live
        self._identity = identity
        self._end_where = end_where
        self._registry = registry
        self._derived = derived
        self._bell = Bell()
        self._names: set[tuple[str, str, str]] = set()
        self._must_reload = self._must_renew = self._has_run = False
        # Ids of letters that are confirmed when what they tell is read, by who sent them.
        self._to_confirm: defaultdict[str, list[str]] = defaultdict(list)
        self._queues: set[Queue] = set()
        self._ring_here: Doorbell = lambda queues: None
        self._rings = Bell()
        # Told when we may not have heard that channels of ours are to be started.
        self.others_started: Callable[[], None] = lambda: None
        self.heard = self.reloads = 0
        self.caught_up = receipts.caught_up
        live.share(self._objects_changed, self.caught_up)
        post.on(ObjectsChanged, self._heard_of_objects)
        post.on(RevocationsChanged, self._heard_of_revocations)
        post.on(Rung, self._heard_the_bell)
        post.on(Hinted, self._heard_hints)
        post.on(Start, self._heard_start)

    def follow(self) -> None:
        """Listens from now on."""
        self._post.follow(NEWS, self._missed)

    def statistics(self) -> dict[str, int]:
        """News heard, and how often everything was read anew."""
        return {"heard": self.heard, "reloads": self.reloads}

    def doorbell(self, ring_here: Doorbell, has_room: Callable[[Queue], bool]) -> Doorbell:
        """Rings here; where this node has no room, elsewhere. If all came for each job, most would come for nothing."""
        self._ring_here = ring_here

        def ring(queues: frozenset[Queue]) -> None:
            ring_here(queues)
            self.ring_elsewhere(frozenset(queue for queue in queues if not has_room(queue)))

        return ring

    def ring_elsewhere(self, queues: frozenset[Queue]) -> None:
        """Tells other nodes in a moment that there is more in these queues than this one can do."""
        if queues:
            self._queues |= queues
            self._rings.ring()

    def revocations_changed(self) -> None:
        """Something was revoked here, or is not any more."""
        self._post.news(RevocationsChanged(origin=self._post.node, id=self._receipts.expect()))

    def hint(self, stream: StreamKey, hints: Sequence[Hint]) -> None:
        """Tells whoever follows a stream on another node something beside it."""
        framework = stream.framework if isinstance(stream, ChannelKey) else None
        user = stream.user if isinstance(stream, DerivedKey) else None
        letter = Hinted(
            origin=self._post.node, workspace=stream.workspace, framework=framework, user=user, hints=tuple(hints)
        )
        try:
            self._post.news(letter)
        except LetterTooLarge:
            # Nobody relies on hints, and so many say no more than one.
            log.info("hints_too_large", stream=stream.name)

    def start(self, key: ChannelKey) -> None:
        """Something is due in this channel: whoever owns it has it run. Raises Busy."""
        if self._registry.is_ours(key.workspace):
            self._registry.cell(key)
        else:
            self._post.news(Start(origin=self._post.node, workspace=key.workspace, framework=key.framework))

    async def run(self, status: Started) -> None:
        """Reads what others have changed, and rings their bells, for ever."""
        # Whoever crashed had something in hand. The first time the bus says so itself when it begins to listen.
        self._must_reload |= self._has_run
        self._must_renew |= self._has_run
        self._has_run = True
        self._bell.ring()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._ring_for_ever)
            status.started()
            while True:
                await self._bell.event.wait()
                self._bell.clear()
                await self._read()

    async def _read(self) -> None:
        read, self._to_confirm = self._to_confirm, defaultdict(list)
        await self._read_news()
        for origin, ids in read.items():
            self._post.send(origin, Confirmed(origin=self._post.node, ids=tuple(ids)))

    async def _read_news(self) -> None:
        if self._must_renew:
            self._must_renew = False
            revocations = self._identity.revocations
            asked_at, rows = -1, list[Revocation]()
            # What changed here meanwhile is newer than what we were told: once more.
            while asked_at != revocations.changes:
                asked_at = revocations.changes
                rows = await answered(self._store.revocations, "the revocations")
            revocations.renew(rows, revocations.known)
            self._end_where(revocations.covers, CloseCode.INVALID_TOKEN, REVOKED)
        if self._must_reload:
            self._must_reload = False
            self._names.clear()
            self.reloads += 1
            await self._live.reload()
        names, self._names = self._names, set()
        await self._live.renew(names)

    async def _ring_for_ever(self) -> None:
        while True:
            await self._rings.event.wait()
            self._rings.clear()
            queues, self._queues = self._queues, set()
            self._post.news(Rung(origin=self._post.node, queues=tuple(queue.value for queue in queues)))
            await trio.sleep(RING_EVERY_S)

    def _objects_changed(self, news: Sequence[ObjectNews]) -> None:
        for first in range(0, len(news), NAMES_TOGETHER):
            some = news[first : first + NAMES_TOGETHER]
            names = tuple([(each.kind, each.workspace, each.id) for each in some])
            self._post.news(ObjectsChanged(origin=self._post.node, objects=names, id=self._receipts.expect()))

    def _heard_of_objects(self, letter: ObjectsChanged) -> None:
        self.heard += 1
        self._names.update(letter.objects)
        if len(self._names) > NAMES_MAX:
            self._must_reload = True
            self._names.clear()
        self._read_soon(letter)

    def _heard_of_revocations(self, letter: RevocationsChanged) -> None:
        self.heard += 1
        self._must_renew = True
        self._read_soon(letter)

    def _read_soon(self, letter: ObjectsChanged | RevocationsChanged) -> None:
        if letter.id and len(self._to_confirm[letter.origin]) < CONFIRMED_MAX:
            self._to_confirm[letter.origin].append(letter.id)
        self._bell.ring()

    def _heard_the_bell(self, letter: Rung) -> None:
        self.heard += 1
        known = {queue.value: queue for queue in Queue}
        self._ring_here(frozenset(known[name] for name in letter.queues if name in known))

    def _heard_hints(self, letter: Hinted) -> None:
        self.heard += 1
        if letter.framework is not None:
            audience = self._registry.audience(ChannelKey(letter.workspace, letter.framework))
        else:
            audience = self._derived.find(DerivedKey(letter.workspace, letter.user))
        if audience is not None:
            audience.hint(letter.hints)

    def _heard_start(self, letter: Start) -> None:
        self.heard += 1
        if self._registry.is_ours(letter.workspace):
            try:
                self._registry.cell(ChannelKey(letter.workspace, letter.framework))
            except Busy as fault:
                log.warning("channel_not_started", workspace=letter.workspace, cause=fault.message)

    def _missed(self, gap: Gap) -> None:
        self._must_reload = self._must_renew = True
        self._bell.ring()
        self.others_started()
