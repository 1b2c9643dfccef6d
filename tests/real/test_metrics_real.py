"""Prometheus' own tool reads what a real daemon tells, and the rules for alerts."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from boardsync.telemetry import names
from cli.place_kit import wait_until
from real.http_daemon import http_daemon
from real.prometheus_tools import NotThere, find_promtool

pytestmark = pytest.mark.real
LINES = (
    'boardsync_synced{mirror="m"} 4\n',
    'boardsync_refused{mirror="m"} 1\n',
    'boardsync_transfers_total{mirror="m",kind="upload",outcome="finished"} 4\n',
    'boardsync_transfers_total{mirror="m",kind="upload",outcome="refused"} 1\n',
)
"""What is told once four pictures are on the board, and one cannot be sent."""
RULES = Path(__file__).parents[2] / "docs" / "prometheus"


@pytest.fixture(scope="session")
def promtool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    try:
        return find_promtool(tmp_path_factory.mktemp("promtool"))
    except NotThere as why:
        pytest.skip(str(why))


def check(promtool: Path, *arguments: str, given: str | None = None) -> str:
    """Run promtool; return what it said when it found nothing wrong."""
    done = subprocess.run(
        [promtool, *arguments], input=given, capture_output=True, text=True, cwd=RULES, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_the_rules_for_alerts_are_sound(promtool: Path) -> None:
    assert "SUCCESS: 10 rules found" in check(promtool, "check", "rules", "alerts.yml")


def test_every_alert_comes_and_goes_when_it_should(promtool: Path) -> None:
    assert "SUCCESS" in check(promtool, "test", "rules", "alerts.test.yml")


def test_what_a_daemon_tells_is_well_formed_and_well_named(promtool: Path, tmp_path: Path) -> None:
    with http_daemon(tmp_path) as here, here.client() as asking:
        told = ""

        def all_told() -> bool:
            nonlocal told
            told = asking.get("/metrics").text
            return all(line in told for line in LINES)

        wait_until(all_told, lambda: told)
    assert check(promtool, "check", "metrics", given=told) == ""
    seen = {line.split()[2] for line in told.splitlines() if line.startswith("# TYPE ")}
    unseen = {one.name for one in names.ALL} - seen
    # These begin with the first thing that goes wrong.
    assert unseen <= {names.SERVER_RETRIES.name, names.HTTP_REFUSED.name, names.JOB_DONE.name}
