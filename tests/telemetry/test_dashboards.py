"""The dashboard and the rules for alerts ask for numbers that there are, under their labels."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from boardsync.telemetry import names
from boardsync.telemetry.names import Histogram

DOCS = Path(__file__).parents[2] / "docs"
DASHBOARD = DOCS / "grafana" / "boardsync.json"
RULES = DOCS / "prometheus" / "alerts.yml"
RULES_TESTS = DOCS / "prometheus" / "alerts.test.yml"
PROMETHEUS_OWN = {"up"}
NAME = re.compile(r"\b(?:boardsync|process)_[a-z_]+\b|\bup\b(?=\{)")
GROUPING = re.compile(r"\b(?:by|on) \(([a-z_, ]+)\)")
LABELS = re.compile(r"([a-z_]+)(?:=~|!~|!=|=)\"")
ADDED = {"instance", "job", "le"}
"""Labels that Prometheus, and the form of a histogram, add."""


def exported() -> set[str]:
    """Return every name that an answer to /metrics can hold."""
    found = {one.name for one in names.ALL if not isinstance(one, Histogram)}
    for one in names.ALL:
        if isinstance(one, Histogram):
            found |= {f"{one.name}_{part}" for part in ("bucket", "sum", "count")}
    return found | PROMETHEUS_OWN


def dashboard() -> Any:
    return json.loads(DASHBOARD.read_text(encoding="utf-8"))


def rules() -> list[Any]:
    loaded = YAML(typ="safe").load(RULES.read_text(encoding="utf-8"))
    return [rule for group in loaded["groups"] for rule in group["rules"]]


def asked() -> Iterator[str]:
    """Yield every expression of the dashboard and of the rules."""
    for panel in dashboard()["panels"]:
        for target in panel.get("targets", []):
            yield target["expr"]
    for variable in dashboard()["templating"]["list"]:
        yield variable.get("definition", "")
    for rule in rules():
        yield rule["expr"]


def test_only_numbers_that_there_are_are_asked_for() -> None:
    found = {name for expression in asked() for name in NAME.findall(expression)}
    assert found <= exported()
    assert len(found) > 30


def test_only_labels_that_there_are_are_asked_for() -> None:
    known = {label for one in names.ALL for label in one.labels} | ADDED
    for expression in asked():
        for group in GROUPING.findall(expression):
            assert set(group.split(", ")) <= known, expression
        assert set(LABELS.findall(expression)) <= known, expression


def test_the_dashboard_shows_every_number() -> None:
    shown = " ".join(asked())
    left_out = [
        one.name for one in names.ALL if not re.search(rf"\b{one.name}(?:_bucket)?\b", shown)
    ]
    assert left_out == []


def test_the_panels_have_titles_and_places_of_their_own() -> None:
    panels = dashboard()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken = set()
    for panel in panels:
        place = panel["gridPos"]
        assert panel["title"]
        assert place["x"] + place["w"] <= 24
        cells = {
            (place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_every_alert_says_what_it_means_and_is_tested_to_come_and_to_stay_away(rule: Any) -> None:
    assert rule["annotations"]["summary"]
    assert rule["annotations"]["description"]
    assert rule["labels"]["severity"] in ("warning", "critical")
    tested = YAML(typ="safe").load(RULES_TESTS.read_text(encoding="utf-8"))
    cases = [
        case for test in tested["tests"] for case in test["alert_rule_test"]
        if case["alertname"] == rule["alert"]
    ]  # fmt: skip
    assert {bool(case.get("exp_alerts")) for case in cases} == {True, False}
