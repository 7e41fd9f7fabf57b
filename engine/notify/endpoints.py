"""The shelf of endpoints: as any object's, and what is secret of one is sealed before it is kept.

What somebody writes down is checked (`endpoint_checks`), its target looked for: what must never be sent to is refused,
what does not answer is kept and marked (`unreachable`), because a receiver may be set up after us. The whole address
and the secrets go into one sealed text; shown is the address without its path. Whoever sends back what he was shown
changes neither. A secret that we made is in the answer that made it, and in no other.

How secrets are made and rotated is in `endpoint_keys`. Waits for the store, and for at most `notify.connect_s` for the
target.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from engine.input.misfits import explained
from engine.notify.apprise import why_not_here
from engine.notify.connector import Connector, TargetInvalid, TargetRefused, Unreachable
from engine.notify.endpoint_checks import checked, masked
from engine.notify.endpoint_keys import KEEP_S, new_key, note, rotated, signs
from engine.notify.health import Targets
from engine.notify.network import Whose
from engine.notify.places import Crowded
from engine.notify.ports import NO_MAIL_SERVER
from engine.notify.sealing import Confidential, KeptSecret, Sealer, Unsealable
from engine.shelf.catalogue import ShelfKit
from engine.shelf.edits import SHOWN_BESIDES, Edit, merged
from engine.shelf.kinds import Held, Kind
from engine.shelf.objects import Shelf
from engine.stores.objects import StoredObject
from protocol.endpoints import Endpoint, EndpointGiven
from protocol.errors import BadRequest, Busy, Conflict, Outdated
from protocol.limits import Limit
from protocol.model import NEVER_EXPIRES, Principal
from protocol.names import check_id
from protocol.notify import Channel

ENDPOINT = "endpoint"
# Shown with an endpoint and not written by anybody: what is sent back of it is not read.
_SHOWN = frozenset({*SHOWN_BESIDES, "secrets", "unreachable", "why_off", "health"})
# Whoever switches a target off that is gone: no person.
ENGINE = "tocsin"
_TRIES = 3


def endpoint_kind(endpoints_max: int, has_mail_server: bool) -> Kind[Endpoint]:
    """What an endpoint is as an object."""

    def unreachable(endpoint: Endpoint, _: StoredObject | None) -> str:
        # Reckoned when it is shown: with a mail server in the configuration it is right without an edit.
        return NO_MAIL_SERVER if endpoint.channel is Channel.EMAIL and not has_mail_server else endpoint.unreachable

    return Kind(
        name=ENDPOINT,
        type=Endpoint,
        objects_max=endpoints_max,
        setting="objects.endpoints_max",
        framework_of=lambda endpoint: endpoint.frameworks[0] if len(endpoint.frameworks) == 1 else None,
        reckoned={"unreachable": (str, unreachable)},
    )


@dataclass(frozen=True)
class Outside:
    """What an endpoint is held against: the way out, what keeps secrets, how targets are doing, Apprise's services.

    `trials`: the way out of what is saved or tested.
    """

    connector: Connector
    trials: Connector
    sealer: Sealer
    targets: Targets
    apprise_schemes: Sequence[str] = ()

    @property
    def ways(self) -> tuple[Connector, Connector]:
        """Both, that of sends first."""
        return self.connector, self.trials


class EndpointShelf(Shelf[Endpoint]):
    """The verbs of endpoints. All raise as `Shelf`'s; BadRequest for a target that is never sent to."""

    def __init__(self, kind: Kind[Endpoint], kit: ShelfKit, outside: Outside) -> None:
        super().__init__(kind, kit)
        self._outside = outside

    async def get(self, who: Principal, object_id: str) -> Held[Endpoint]:
        """One of them, and how its target is doing."""
        held = await super().get(who, object_id)
        place = (self.kind.workspace_of(who), held.id)
        return _with(held, {"health": self._outside.targets.shown(place, held.value.channel)})

    async def create(self, who: Principal, given: Mapping[str, Any], address: str = "") -> Held[Endpoint]:
        """Makes one; a webhook without a secret gets one, which is in this answer alone."""
        self.kind.may_change(who, None, None)
        wanted = _given({"id": self._kit.new_id()} | dict(given))
        made, once = await self._made(who, wanted, None, Confidential())
        check_id(made.id, "id")
        return _with(await self._put(Edit(who, "create", address, 0), made), once)

    async def replace(
        self, who: Principal, object_id: str, given: Mapping[str, Any], expected: int | None, address: str = ""
    ) -> Held[Endpoint]:
        """Puts another in its place; address and secret stay where nothing, or what is shown, is given."""
        before = await self.to_change(who, object_id)
        return await self._remade(who, before, _given({"id": object_id} | dict(given)), expected, address)

    async def patch(
        self, who: Principal, object_id: str, merge: Mapping[str, Any], expected: int | None, address: str = ""
    ) -> Held[Endpoint]:
        """Changes some fields; address and secret as in `replace`."""
        before = await self.to_change(who, object_id)
        shown = {name: value for name, value in msgspec.to_builtins(before.value).items() if name != "sealed"}
        written = {name: value for name, value in merge.items() if name not in _SHOWN}
        return await self._remade(who, before, _given(merged(shown, written)), expected, address)

    async def rotate(
        self, who: Principal, object_id: str, secret: str = "", keep_s: float = KEEP_S, address: str = ""
    ) -> Held[Endpoint]:
        """A new secret; a webhook's old one goes on signing for `keep_s`. One that we made is in this answer alone.

        Raises Conflict while an older one signs, unless `keep_s` is 0: that ends it.
        """
        before = await self.to_change(who, object_id)
        value, old = before.value, self.open(who.workspace, before.value)
        whole = rotated(value, old, secret, self._kit.clock(), keep_s)
        checked(value, whole, self._outside.apprise_schemes)
        edit = Edit(who, "rotate", address, before.version)
        held = await self._change(edit, before, self._sealed(who.workspace, value, whole))
        return _with(held, {} if secret else {"secret": whole.secrets[0].value})

    async def switch_off(self, workspace: str, object_id: str, why: str) -> None:
        """Switches it off, because its target is gone for good."""
        await self._by_engine(workspace, object_id, "disable", enabled=False, why_off=why)

    async def reached(self, workspace: str, object_id: str) -> None:
        """Its target answers now."""
        await self._by_engine(workspace, object_id, "change", unreachable="")

    async def _by_engine(self, workspace: str, object_id: str, verb: str, **fields: Any) -> None:
        """A change of our own; none if it is so already, or if there is no such endpoint any more."""
        who = Principal(workspace=workspace, user=ENGINE, role="admin", expires_at=NEVER_EXPIRES)
        for _ in range(_TRIES):
            before = (await self.several(who, [object_id])).get(object_id)
            # What is off already keeps the reason that it has.
            if before is None or all(
                getattr(before.value, name) == fields[name] for name in fields if name != "why_off"
            ):
                return
            value = msgspec.structs.replace(before.value, **fields)
            try:
                await self._change(Edit(who, verb, "", before.version), before, value)
            except Outdated:
                continue
            return

    def open(self, workspace: str, endpoint: Endpoint) -> Confidential:
        """What of it is secret. Raises Conflict if that cannot be opened."""
        try:
            return self._outside.sealer.open(endpoint.sealed, (workspace, endpoint.id))
        except Unsealable as fault:
            raise Conflict(str(fault)) from fault

    async def _remade(
        self, who: Principal, before: Held[Endpoint], wanted: EndpointGiven, expected: int | None, address: str
    ) -> Held[Endpoint]:
        anew = bool(wanted.secret) and not _is_as_shown(wanted.url, before.value)
        old = Confidential() if anew else self.open(who.workspace, before.value)
        made, once = await self._made(who, wanted, before.value, old)
        seen = before.version if expected is None else expected
        return _with(await self._change(Edit(who, "change", address, seen), before, made), once)

    async def _made(
        self, who: Principal, wanted: EndpointGiven, before: Endpoint | None, old: Confidential
    ) -> tuple[Endpoint, Mapping[str, Any]]:
        """The endpoint as it is kept, and what is shown of it once."""
        value = Endpoint(**_fields(wanted))
        self.permit(who, before, value)
        if before is not None and (before.channel, before.format) != (value.channel, value.format):
            # What one channel calls secret or address means nothing to another.
            old = Confidential()
        is_same = before is not None and _is_as_shown(wanted.url, before)
        if not is_same and not signs(value):
            # A token goes where the address says: who could lead it elsewhere would learn it.
            old = Confidential()
        whole, once = self._with_secret(
            wanted, value, Confidential(url=old.url if is_same else wanted.url, secrets=old.secrets)
        )
        url = checked(wanted, whole, self._outside.apprise_schemes)
        if before is not None and url == old.url and before.enabled >= wanted.enabled:
            unreachable = before.unreachable
        else:
            unreachable = await self._looked_for((who.workspace, value.id), wanted.channel, url)
        why_off = before.why_off if before is not None else ""
        value = msgspec.structs.replace(value, url=masked(value.channel, url), unreachable=unreachable, why_off=why_off)
        kept = Confidential(url=url, secrets=whole.secrets)
        if before is not None and kept == old:
            # As it was: an edit that changes nothing must not look like one, as sealing anew would make it.
            return msgspec.structs.replace(value, sealed=before.sealed, secrets=before.secrets), {}
        return self._sealed(who.workspace, value, kept), once

    def _with_secret(
        self, wanted: EndpointGiven, value: Endpoint, old: Confidential
    ) -> tuple[Confidential, Mapping[str, Any]]:
        new = wanted.secret or ("" if old.secrets or not signs(value) else new_key(value))
        if not new:
            return old, {}
        made = KeptSecret(value=new, since=self._kit.clock())
        return Confidential(url=old.url, secrets=(made,)), {} if wanted.secret else {"secret": new}

    async def _looked_for(self, whose: Whose, channel: Channel, url: str) -> str:
        """Why a target does not answer; empty: it does, or cannot be asked. Raises BadRequest for what is refused.

        Raises Busy if we cannot look.
        """
        if channel is Channel.APPRISE:
            return why_not_here()
        if not url:
            return ""
        try:
            await self._outside.trials.check(whose, url)
        except (TargetInvalid, TargetRefused) as fault:
            raise BadRequest(f"url: {fault}") from fault
        except Unreachable as fault:
            return str(fault)
        except Crowded as fault:
            self._kit.count_refusal(Limit.OUTBOUND)
            raise Busy(f"{fault}; nothing was saved, send it again in a moment", Limit.OUTBOUND) from fault
        return ""

    def _sealed(self, workspace: str, value: Endpoint, whole: Confidential) -> Endpoint:
        notes = tuple(note(each) for each in whole.secrets)
        sealed = self._outside.sealer.seal(whole, (workspace, value.id)) if whole != Confidential() else ""
        return msgspec.structs.replace(value, sealed=sealed, secrets=notes)


def _with(held: Held[Endpoint], more: Mapping[str, Any]) -> Held[Endpoint]:
    return replace(held, once={**held.once, **more})


def _given(written: Mapping[str, Any]) -> EndpointGiven:
    own = {name: value for name, value in written.items() if name not in _SHOWN}
    try:
        return msgspec.convert(own, EndpointGiven)
    except msgspec.ValidationError as fault:
        raise BadRequest(f"invalid {ENDPOINT}: {explained(EndpointGiven, own, fault)}") from fault


def _fields(wanted: EndpointGiven) -> dict[str, Any]:
    """Those that are kept as they are written."""
    return {name: getattr(wanted, name) for name in wanted.__struct_fields__ if name not in ("secret", "url")}


def _is_as_shown(url: str, before: Endpoint) -> bool:
    """Whether nothing was written, or what was shown without its path."""
    return url in ("", before.url) and not url.endswith("/")
