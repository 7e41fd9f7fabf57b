"""Writes the dashboards of `deploy/grafana/`: what `docs/dashboards.py` says in few words, in Grafana's form.

    python docs/generate_dashboards.py            writes them (`make docs`)

Grafana's form takes thirty lines a panel, nearly all of them the same. A test compares the committed files with what
this would write, and another has a real Prometheus answer every query.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:  # started as a script
    sys.path.insert(0, str(ROOT))

from docs.dashboards import ALL, Dashboard, Panel  # noqa: E402

FOLDER = ROOT / "deploy" / "grafana" / "dashboards"
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
# Grafana's grid has 24 columns.
STAT_WIDTH, STAT_HEIGHT, GRAPH_WIDTH, GRAPH_HEIGHT, GRID_WIDTH = 6, 4, 12, 8, 24
SCHEMA_VERSION = 39


def render(dashboard: Dashboard) -> str:
    """The file of one."""
    return json.dumps(_whole(dashboard), indent=1, ensure_ascii=False) + "\n"


def _whole(dashboard: Dashboard) -> dict[str, Any]:
    return {
        "uid": dashboard.uid,
        "title": dashboard.title,
        "description": dashboard.says,
        "tags": ["tocsin"],
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "timezone": "browser",
        "links": [{"type": "dashboards", "tags": ["tocsin"], "title": "Tocsin", "asDropdown": True, "keepTime": True}],
        "templating": {"list": [_datasource(), _node()]},
        "panels": list(_panels(dashboard)),
    }


def _datasource() -> dict[str, Any]:
    return {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus", "refresh": 1}


def _node() -> dict[str, Any]:
    return {
        "name": "node",
        "label": "Node",
        "type": "query",
        "datasource": DATASOURCE,
        "query": {"query": "label_values(tocsin_build_info, instance)", "refId": "node"},
        "refresh": 2,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
    }


def _panels(dashboard: Dashboard) -> Iterator[dict[str, Any]]:
    x = y = height = 0
    for number, panel in enumerate(dashboard.panels, start=1):
        width = STAT_WIDTH if panel.is_stat else GRAPH_WIDTH
        if x + width > GRID_WIDTH or (height and height != (STAT_HEIGHT if panel.is_stat else GRAPH_HEIGHT)):
            x, y = 0, y + height
        height = STAT_HEIGHT if panel.is_stat else GRAPH_HEIGHT
        yield _panel(number, panel, {"x": x, "y": y, "w": width, "h": height})
        x += width


def _panel(number: int, panel: Panel, place: dict[str, int]) -> dict[str, Any]:
    steps = [{"value": value, "color": color} for value, color in panel.steps]
    defaults = {"unit": panel.unit, "min": 0, "thresholds": {"mode": "absolute", "steps": steps}}
    if panel.max is not None:
        defaults["max"] = panel.max
    return {
        "id": number,
        "type": "stat" if panel.is_stat else "timeseries",
        "title": panel.title,
        "description": panel.says,
        "gridPos": place,
        "datasource": DATASOURCE,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": _options(panel),
        "targets": [
            {"refId": chr(ord("A") + place), "datasource": DATASOURCE, "expr": query, "legendFormat": legend}
            for place, (query, legend) in enumerate(panel.asks)
        ],
    }


def _options(panel: Panel) -> dict[str, Any]:
    if panel.is_stat:
        return {"colorMode": "value", "graphMode": "area", "reduceOptions": {"calcs": ["lastNotNull"]}}
    return {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi", "sort": "desc"}}


if __name__ == "__main__":
    for each in ALL:
        (FOLDER / f"{each.uid}.json").write_text(render(each))
