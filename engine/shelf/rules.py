"""The rules of a workspace as objects: people's in the store, and those of the configuration file, only shown here.

What holds is in `engine.orders`, which follows the store; a rule of the configuration counts before a stored one of the
same id. A rule that cannot work is refused by the same check wherever it comes from (`engine.core.rules.check`).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence

import msgspec

from engine.configuration.config import Config
from engine.core.rules.check import RuleInvalid, check_rule
from engine.orders import StandingOrders
from engine.sections.watching import OWN_RULES
from engine.shelf.kinds import Kind, Origin
from engine.shelf.live import Listener, ObjectFigures, readable
from engine.stores.objects import ObjectNews
from protocol.errors import BadRequest
from protocol.model import ChannelKey, Principal
from protocol.rules import Rule

RULE = "rule"
Wake = Callable[[str, str | None], None]


def given_rules(config: Config) -> tuple[Rule, ...]:
    """Those that nobody stored: of the configuration, and for the engine's own figures unless it has the same."""
    if not config.watch_self:
        return config.rules
    named = {(rule.workspace or config.workspace, rule.id) for rule in config.rules}
    return (*config.rules, *(rule for rule in OWN_RULES if (rule.workspace, rule.id) not in named))


class ConfigRules:
    """The rules that nobody stored, by workspace: `engine.shelf.kinds.Unmanaged`."""

    origin = Origin.CONFIG
    advice = (
        "it is one of tocsin.toml, or the engine's own: change it there ([[rules]]) and start the engine again, "
        "or make a rule with another id"
    )

    def __init__(self, rules: Sequence[Rule], own_workspace: str) -> None:
        self._rules: dict[str, dict[str, Rule]] = {}
        for rule in sorted(rules, key=lambda rule: rule.id):
            self._rules.setdefault(rule.workspace or own_workspace, {})[rule.id] = rule

    async def page(self, workspace: str, after: str, limit: int) -> Sequence[Rule]:
        """Those behind an id, in order."""
        rules = list(self._rules.get(workspace, {}).values())
        start = bisect_right(rules, after, key=lambda rule: rule.id)
        return rules[start : start + limit]

    async def get(self, workspace: str, object_id: str) -> Rule | None:
        """One of them."""
        return self._rules.get(workspace, {}).get(object_id)


def rule_kind(configured: ConfigRules, rules_max: int) -> Kind[Rule]:
    """What a rule is as an object."""
    return Kind(
        name=RULE,
        type=Rule,
        objects_max=rules_max,
        setting="objects.rules_max",
        prepare=checked_rule,
        framework_of=lambda rule: rule.framework,
        unmanaged=configured,
    )


def checked_rule(who: Principal, rule: Rule) -> Rule:
    """A rule as it is kept: without its workspace, which is that of who makes it. Raises BadRequest."""
    if rule.workspace not in ("", who.workspace):
        raise BadRequest("workspace: it is that of your token; leave it out")
    try:
        check_rule(rule)
    except RuleInvalid as fault:
        raise BadRequest(str(fault)) from fault
    return msgspec.structs.replace(rule, workspace="")


def rule_filter(
    kinds: Sequence[str], is_enabled: bool | None, metric: str | None, text: str | None
) -> Callable[[Rule], bool]:
    """Which rules a list is to show; `text` is looked for in id, title and metric, whatever its case."""
    wanted = text.casefold() if text else ""

    def where(rule: Rule) -> bool:
        return (
            (not kinds or rule.__struct_config__.tag in kinds)
            and is_enabled in (None, rule.enabled)
            and metric in (None, rule.metric)
            and (not wanted or wanted in f"{rule.id}\n{rule.title}\n{rule.metric}".casefold())
        )

    return where


def follow_rules(orders: StandingOrders, wake: Wake, kind: Kind[Rule], figures: ObjectFigures) -> Listener:
    """Keeps the standing orders as the store has them, and wakes the channels that a change concerns."""

    def told(news: Sequence[ObjectNews]) -> None:
        concerned: set[ChannelKey] = set()
        for each in news:
            now = each.now if each.now is not None and each.now.archived_at is None else None
            rule = None if now is None else readable(kind, now, figures)
            concerned |= orders.put_rule(each.workspace, each.id, rule)
        for key in concerned:
            wake(key.workspace, key.framework)

    return told
