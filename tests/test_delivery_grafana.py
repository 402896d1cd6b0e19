"""A rendered project's dashboards and alerts, as Grafana and Prometheus read them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_type_hints

import promql_parser
import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard
from pydantic import ConfigDict, TypeAdapter, ValidationError

from tests.combinations import FULL
from tests.delivery import read
from tests.projects import Run


@pytest.fixture(scope="session")
def grafana(run: Run) -> Path:
    return run.rendered(FULL) / "deploy/grafana"


@pytest.fixture(params=["app.json", "payments.json"])
def dashboard(request: pytest.FixtureRequest, grafana: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((grafana / request.param).read_text(encoding="utf-8"))
    return found


def test_a_dashboard_fits_grafana_s_schema(dashboard: dict[str, Any]) -> None:
    must_fit(dashboard)


@pytest.mark.parametrize(
    "fault",
    [
        {"titel": "Service"},
        {"refresh": 60},
        {"graphTooltip": 7},
        {"style": "blue"},
        {"tags": "app"},
    ],
    ids=str,
)
def test_a_fault_in_a_dashboard_is_seen(dashboard: dict[str, Any], fault: dict[str, Any]) -> None:
    with pytest.raises((AssertionError, ValidationError)):
        must_fit(dashboard | fault)


@pytest.mark.parametrize(
    "fault", [{"unit": 1}, {"decimals": "two"}, {"minimum": 0}, {"custom": {"lineWidth": "thin"}}]
)
def test_a_fault_in_a_panel_is_seen(dashboard: dict[str, Any], fault: dict[str, Any]) -> None:
    dashboard["panels"][0]["fieldConfig"]["defaults"] |= fault
    with pytest.raises((AssertionError, ValidationError)):
        must_fit(dashboard)


def test_a_dashboard_has_panels_that_ask_and_that_do_not_overlap(dashboard: dict[str, Any]) -> None:
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    (source,) = dashboard["templating"]["list"]
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        columns = range(place["x"], place["x"] + place["w"])
        cells = {(x, y) for x in columns for y in range(place["y"], place["y"] + place["h"])}
        assert columns.stop <= 24, panel["title"]
        assert not taken & cells, panel["title"]
        taken |= cells
        assert panel["datasource"]["uid"] == f"${{{source['name']}}}"
        for target in panel["targets"]:
            promql_parser.parse(target["expr"].replace("$__rate_interval", "5m"))


def test_alerts_are_rules_of_prometheus(grafana: Path) -> None:
    rules = read(grafana / "alerts.yaml")
    alerts = [alert for group in rules["groups"] for alert in group["rules"]]
    assert len({alert["alert"] for alert in alerts}) == len(alerts) > 5
    for alert in alerts:
        promql_parser.parse(alert["expr"])
        assert alert.keys() <= {"alert", "expr", "for", "labels", "annotations"}
        assert alert["labels"]["severity"] in {"critical", "warning"}
        assert alert["annotations"]["summary"]


def must_fit(dashboard: dict[str, Any]) -> None:
    """Read a dashboard into Grafana's own types and write it again: what they lack is lost."""
    register_default_plugins()
    known = Dashboard.from_json(dashboard)
    must_be_typed(known)
    must_have(json.loads(JSONEncoder().encode(known)), dashboard, dashboard["title"])


def must_be_typed(thing: object) -> None:
    """Look at each attribute of an object of Grafana's, and at theirs: has it the declared type?"""
    for name, declared in get_type_hints(type(thing)).items():
        value = getattr(thing, name)
        where = f"{type(thing).__name__}.{name}"
        allowed = TypeAdapter(declared, config=ConfigDict(arbitrary_types_allowed=True))
        assert allowed.validate_python(value) == value, where
        for each in value if isinstance(value, list) else [value]:
            if hasattr(each, "to_json"):
                must_be_typed(each)


def must_have(found: object, expected: object, where: str) -> None:
    """Look for everything that is expected; further keys, which are defaults, may be there."""
    if isinstance(expected, dict) and isinstance(found, dict):
        assert expected.keys() <= found.keys(), where
        for key in expected:
            must_have(found[key], expected[key], f"{where}.{key}")
    elif isinstance(expected, list) and isinstance(found, list):
        assert len(found) == len(expected), where
        for number, pair in enumerate(zip(found, expected, strict=True)):
            must_have(*pair, f"{where}[{number}]")
    else:
        assert found == expected, where
