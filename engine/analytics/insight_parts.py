"""All of insights and recommendations, made from what they stand on; the stages of the engine take it whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from actors.ports import Clock
from engine.access.audit import AuditTrail
from engine.analytics.deciding import Deciding
from engine.analytics.explainer import Explainer
from engine.analytics.insight_runs import InsightRuns
from engine.analytics.insights import InsightVerbs
from engine.analytics.standing import Standing
from engine.configuration.config import Config
from engine.shelf.shelves import Shelves
from engine.stores import Store
from engine.stores.asking import place_of
from engine.stores.readings import KeptReadings


@dataclass(frozen=True)
class Insights:
    """The job, what people ask, and what they decide."""

    runs: InsightRuns
    verbs: InsightVerbs
    deciding: Deciding
    explainer: Explainer

    def statistics(self) -> Mapping[str, int]:
        """What its parts count."""
        return {**self.runs.statistics(), **self.deciding.statistics(), **self.explainer.statistics()}


def build_insights(
    store: Store, shelves: Shelves, trail: AuditTrail, kept: KeptReadings, clock: Clock, config: Config
) -> Insights:
    """All of it. Nothing runs yet."""
    standing = Standing(shelves.rules, shelves.archived)
    verbs = InsightVerbs(store, standing)
    explainer = Explainer(config.explainer, config.notify, clock)
    runs = InsightRuns(store, place_of(config.store_url), shelves, kept, explainer, clock, config.suppression.window_s)
    return Insights(runs, verbs, Deciding(store, shelves, verbs, standing, trail, clock), explainer)
