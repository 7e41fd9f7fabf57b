"""The shelves of an engine: which kinds of objects there are, how many of each, and who keeps which in memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from engine.configuration.config import Config
from engine.notify.endpoints import EndpointShelf, endpoint_kind
from engine.notify.kept_endpoints import follow_endpoints
from engine.notify.outbound import Outbound
from engine.orders import StandingOrders
from engine.quiet.quieting import expressions, follow_quiet, maintenance_kind, silence_kind
from engine.shelf.archived import ArchivedPlaces
from engine.shelf.catalogue import ShelfKit
from engine.shelf.directory import framework_kind, team_kind, user_kind, workspace_kind
from engine.shelf.known_names import (
    FOLLOWED,
    KnownNames,
    named_by_chain,
    named_by_framework,
    named_by_preference,
    named_by_rule,
)
from engine.shelf.live import LiveObjects, ObjectFigures
from engine.shelf.objects import Shelf
from engine.shelf.preferences import escalation_kind, preference_kind
from engine.shelf.rules import RULE, ConfigRules, Wake, follow_rules, given_rules, rule_kind
from engine.shelf.slack_ids import SlackIds
from engine.shelf.unreadable import say_unreadable
from engine.shelf.workflow_definitions import workflow_kind
from protocol.directory import Framework, Team, User, Workspace
from protocol.escalation import Escalation
from protocol.preferences import Preference
from protocol.quieting import Maintenance, Silence
from protocol.rules import Rule
from protocol.workflows import Workflow


@dataclass(frozen=True)
class Shelves:
    """What people make and change. `live` is told of every change; it is loaded before any door opens."""

    live: LiveObjects
    figures: ObjectFigures
    archived: ArchivedPlaces
    slack_ids: SlackIds
    rules: Shelf[Rule]
    silences: Shelf[Silence]
    maintenance: Shelf[Maintenance]
    frameworks: Shelf[Framework]
    users: Shelf[User]
    teams: Shelf[Team]
    workspaces: Shelf[Workspace]
    workflows: Shelf[Workflow]
    preferences: Shelf[Preference]
    escalations: Shelf[Escalation]
    endpoints: EndpointShelf


def build_shelves(
    kit: ShelfKit,
    config: Config,
    orders: StandingOrders,
    wake: Wake,
    quiet_changed: Callable[[str], None],
    outbound: Outbound,
) -> Shelves:
    """All of them, on one store."""
    live, names = kit.live, KnownNames()
    for named in FOLLOWED:
        live.follow(named, names.told)
    rules = rule_kind(ConfigRules(given_rules(config), config.workspace), config.objects.rules_max)
    rules = names.marking(rules, named_by_rule)
    live.follow(RULE, follow_rules(orders, wake, rules, kit.figures))
    crowd = expressions(config.objects.quiet_expressions_max)
    silences = silence_kind(kit.clock, config.objects.silences_max, crowd)
    maintenance = maintenance_kind(kit.clock, config.objects.maintenance_max, crowd)
    for quiet in (silences, maintenance):
        live.follow(quiet.name, follow_quiet(orders, quiet_changed, kit.clock, quiet, kit.figures))
    endpoints = endpoint_kind(config.objects.endpoints_max, bool(config.notify.smtp.host))
    live.follow(endpoints.name, follow_endpoints(outbound.book, endpoints, kit.figures))
    archived = ArchivedPlaces()
    archived.follow(live)
    limits = config.objects
    frameworks = names.marking(framework_kind(limits, kit.store), named_by_framework)
    workflows = workflow_kind(limits.workflows_max)
    slack_ids = SlackIds()
    users, teams, workspaces = user_kind(limits, slack_ids), team_kind(limits), workspace_kind(limits, kit.store)
    live.follow(users.name, slack_ids.follow(users, kit.figures))
    preferences = names.marking(preference_kind(limits), named_by_preference)
    escalations = names.marking(escalation_kind(limits), named_by_chain)
    for unheld in (frameworks, teams, workspaces, workflows, preferences):
        live.follow(unheld.name, say_unreadable(unheld, kit.figures))
    return Shelves(
        live=live,
        figures=kit.figures,
        archived=archived,
        slack_ids=slack_ids,
        rules=Shelf(rules, kit),
        silences=Shelf(silences, kit),
        maintenance=Shelf(maintenance, kit),
        frameworks=Shelf(frameworks, kit),
        users=Shelf(users, kit),
        teams=Shelf(teams, kit),
        workspaces=Shelf(workspaces, kit),
        workflows=Shelf(workflows, kit),
        preferences=Shelf(preferences, kit),
        escalations=Shelf(escalations, kit),
        endpoints=EndpointShelf(endpoints, kit, outbound.outside),
    )
