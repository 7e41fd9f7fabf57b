"""What foreign systems say, in our words: pure converters, a file for each form."""

from __future__ import annotations

from enum import Enum


class Form(Enum):
    """The foreign forms: the metric's label, and where an alert belongs that says nothing of it."""

    ALERTMANAGER = "alertmanager"
    GRAFANA = "grafana"
    PAGERDUTY = "pagerduty"
    CLOUDEVENTS = "cloudevents"
    ALERTA = "alerta"
    JSON = "json"
