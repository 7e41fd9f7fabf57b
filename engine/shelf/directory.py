"""Frameworks, people, teams and workspaces as objects: who may change them, and what must hold.

Frameworks and teams are an editor's; people are an administrator's, but for one's own name, zone and Slack id;
workspaces are those of the engine's operator, the administrators of `system`. Frameworks that nobody has described, but
that alerts came for, are listed as `seen`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from engine.access.roles import SYSTEM_WORKSPACE, check, check_administrator
from engine.core.zones import is_zone
from engine.sections.keeping import Objects
from engine.shelf.kinds import Kind, Origin
from engine.shelf.slack_ids import SlackIds
from engine.stores import Store
from engine.stores.workflows import TrackerQuery
from protocol.directory import Framework, FrameworkKind, Rota, Team, User, Workspace
from protocol.errors import BadRequest, PermissionDenied
from protocol.model import Principal
from protocol.names import is_workspace
from protocol.times import moment_of

FRAMEWORK, USER, TEAM, WORKSPACE = "framework", "user", "team", "workspace"
# A rota is counted in days from its first; beyond these years somebody mistyped one.
ROTA_YEARS = (1970, 2200)


class SeenFrameworks:
    """Frameworks that alerts came for: `engine.shelf.kinds.Unmanaged`. Whoever describes one makes it an object.

    One that follows a workflow is a project.
    """

    origin = Origin.SEEN
    advice = ""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def page(self, workspace: str, after: str, limit: int) -> Sequence[Framework]:
        """Those behind an id, in order."""
        return await self._kinds(workspace, await self._store.frameworks_seen(workspace, after, limit))

    async def get(self, workspace: str, object_id: str) -> Framework | None:
        """One of them."""
        names = await self._store.frameworks_seen(workspace, just_before(object_id), 1)
        return (await self._kinds(workspace, names))[0] if object_id in names else None

    async def _kinds(self, workspace: str, names: Sequence[str]) -> list[Framework]:
        if not names:
            return []
        query = TrackerQuery(workspace=workspace, projects=tuple(names), limit=len(names))
        projects = {tracker.project_id for tracker in (await self._store.trackers(query)).items}
        kinds = {True: FrameworkKind.PROJECT, False: FrameworkKind.SERVICE}
        return [Framework(id=name, kind=kinds[name in projects]) for name in names]


class SeenWorkspaces:
    """Workspaces that alerts came for: `engine.shelf.kinds.Unmanaged`. They exist with their first token."""

    origin = Origin.SEEN
    advice = ""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def page(self, workspace: str, after: str, limit: int) -> Sequence[Workspace]:
        """Those behind an id, in order; whoever asks is an operator, so they are all of them."""
        return [Workspace(id=name) for name in await self._store.workspaces_seen(after, limit)]

    async def get(self, workspace: str, object_id: str) -> Workspace | None:
        """One of them."""
        names = await self._store.workspaces_seen(just_before(object_id), 1)
        return Workspace(id=object_id) if object_id in names else None


def just_before(name: str) -> str:
    """Behind the greatest text that is less than it: the names up to it are not read."""
    return name[:-1] + chr(max(ord(name[-1]) - 1, 0)) + "\U0010ffff"


def framework_kind(limits: Objects, store: Store) -> Kind[Framework]:
    """What is watched."""
    return Kind(
        name=FRAMEWORK,
        type=Framework,
        objects_max=limits.frameworks_max,
        setting="objects.frameworks_max",
        framework_of=lambda framework: framework.id,
        unmanaged=SeenFrameworks(store),
    )


def user_kind(limits: Objects, slack_ids: SlackIds) -> Kind[User]:
    """People, each with a Slack id of his own."""

    def checked(who: Principal, user: User) -> User:
        slack_ids.check(who.workspace, user)
        return checked_user(who, user)

    return Kind(
        name=USER,
        type=User,
        objects_max=limits.users_max,
        setting="objects.users_max",
        prepare=checked,
        may_change=changes_user,
    )


def team_kind(limits: Objects) -> Kind[Team]:
    """People who answer for something together."""
    return Kind(name=TEAM, type=Team, objects_max=limits.teams_max, setting="objects.teams_max", prepare=checked_team)


def workspace_kind(limits: Objects, store: Store) -> Kind[Workspace]:
    """Workspaces, kept in the operator's own."""
    return Kind(
        name=WORKSPACE,
        type=Workspace,
        objects_max=limits.workspaces_max,
        setting="objects.workspaces_max",
        prepare=checked_workspace,
        may_read=operates,
        may_change=lambda who, before, after: operates(who),
        workspace_of=lambda who: SYSTEM_WORKSPACE,
        unmanaged=SeenWorkspaces(store),
    )


def operates(who: Principal) -> None:
    """Raises PermissionDenied for anybody but an administrator of `system`."""
    check_administrator(who)
    if who.workspace != SYSTEM_WORKSPACE:
        raise PermissionDenied(f"workspaces are for administrators of the workspace {SYSTEM_WORKSPACE!r}")


def changes_user(who: Principal, before: User | None, after: User | None) -> None:
    """An administrator changes people; everybody his own name, zone and Slack id."""
    is_own = before is not None and after is not None and before.id == after.id == who.user
    if is_own and before is not None and after is not None and (before.role, before.email) == (after.role, after.email):
        check(who, "read")
    else:
        check(who, "administer")


def checked_user(_: Principal, user: User) -> User:
    """A person whose zone there is. Raises BadRequest."""
    check_zone(user.zone, "zone")
    return user


def checked_team(_: Principal, team: Team) -> Team:
    """A team whose rota can be followed. Raises BadRequest."""
    _refuse_repeated("members", team.members)
    if team.rota is not None:
        _check_rota(team.rota, team.members)
    return team


def checked_workspace(_: Principal, workspace: Workspace) -> Workspace:
    """A workspace whose name can stand in a channel's. Raises BadRequest."""
    if not is_workspace(workspace.id):
        raise BadRequest(f"id: {workspace.id!r} is no workspace's, it has a colon; for example 'acme'")
    return workspace


def check_zone(name: str, field: str) -> None:
    """Raises BadRequest if there is no such time zone."""
    if not is_zone(name):
        raise BadRequest(f"{field}: there is no time zone {name!r}; for example 'Europe/Berlin'")


def _check_rota(rota: Rota, members: Sequence[str]) -> None:
    check_zone(rota.zone, "rota.zone")
    try:
        is_known = ROTA_YEARS[0] <= date.fromisoformat(rota.starts_on).year <= ROTA_YEARS[1]
    except ValueError:
        is_known = False
    if not is_known:
        raise BadRequest(f"rota.starts_on: {rota.starts_on!r} is no day of our time; for example '2026-01-05'")
    for name in rota.order:
        if members and name not in members:
            raise BadRequest(f"rota.order: {name!r} is not one of the members; add him there, or leave him out here")
    for place, override in enumerate(rota.overrides):
        field = f"rota.overrides[{place}]"
        if not moment_of(override.start, f"{field}.start") < moment_of(override.end, f"{field}.end"):
            raise BadRequest(f"{field}.end: is not after its start; for example a day later")


def _refuse_repeated(field: str, names: Sequence[str]) -> None:
    for place, name in enumerate(names):
        if name in names[:place]:
            raise BadRequest(f"{field}: {name!r} is there twice; name each once")
