"""The shelves of an engine: which kinds of objects there are, how many of each, and who keeps which in memory."""

from __future__ import annotations

from dataclasses import dataclass

from engine.config import Config
from engine.live import LiveObjects, ObjectFigures
from engine.objects import Shelf, ShelfKit
from engine.orders import StandingOrders
from engine.rules import RULE, ConfigRules, Wake, follow_rules, rule_kind
from protocol.rules import Rule


@dataclass(frozen=True)
class Shelves:
    """What people make and change. `live` is told of every change; it is loaded before any door opens."""

    live: LiveObjects
    figures: ObjectFigures
    rules: Shelf[Rule]


def build_shelves(kit: ShelfKit, config: Config, orders: StandingOrders, wake: Wake) -> Shelves:
    """All of them, on one store."""
    live = LiveObjects(kit.store, kit.figures)
    rules = rule_kind(ConfigRules(config.rules, config.workspace), config.objects.rules_max)
    live.follow(RULE, follow_rules(orders, wake, rules, kit.figures))
    return Shelves(live=live, figures=kit.figures, rules=Shelf(rules, kit))
