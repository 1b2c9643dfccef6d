"""What starts and stops the daemon fits what the settings and the exit codes say."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from boardsync.cli.exits import SETTINGS
from boardsync.config.model import ScheduleSettings
from boardsync.config.places import SYSTEM_SETTINGS, default_state
from boardsync.config.quantities import parse_duration

ROOT = Path(__file__).parents[2]
STATE = Path("/var/lib/boardsync")
UNITS = ("boardsync.service", "boardsync@.service", "user/boardsync.service")
OFTEN = ("SystemCallFilter",)
"""Keys that a unit may give more than once."""


def lines(name: str) -> list[str]:
    """Return the settings of a unit, in their order."""
    text = (ROOT / "systemd" / name).read_text()
    return [line for line in text.splitlines() if line and not line.startswith(("#", "["))]


def unit(name: str) -> dict[str, str]:
    """Return the settings of a unit; a key that is given twice is an error."""
    found: dict[str, str] = {}
    for line in lines(name):
        key, _, value = line.partition("=")
        assert key in OFTEN or key not in found, f"{name}: {key} is given twice"
        found[key] = value
    return found


@pytest.mark.parametrize("name", UNITS)
def test_a_service_manager_waits_longer_than_transfers_are_drained(name: str) -> None:
    assert parse_duration(unit(name)["TimeoutStopSec"]) > ScheduleSettings().drain


def test_a_container_waits_longer_than_transfers_are_drained() -> None:
    compose = YAML(typ="safe", pure=True).load(ROOT / "compose.yaml")
    grace = compose["services"]["boardsync"]["stop_grace_period"]
    assert parse_duration(grace) > ScheduleSettings().drain


@pytest.mark.parametrize("name", UNITS)
def test_refused_settings_are_not_tried_again_and_all_else_for_ever(name: str) -> None:
    service = unit(name)
    assert service["RestartPreventExitStatus"] == str(SETTINGS)
    assert service["Restart"] == "on-failure"
    assert service["StartLimitIntervalSec"] == "0"
    assert parse_duration(service["RestartMaxDelaySec"]) > parse_duration(service["RestartSec"])


@pytest.mark.parametrize("name", UNITS)
def test_it_is_ready_when_it_says_so_and_alive_while_it_says_so(name: str) -> None:
    service = unit(name)
    assert (service["Type"], service["NotifyAccess"]) == ("notify", "main")
    assert parse_duration(service["WatchdogSec"]) >= 60


def test_an_instance_is_the_system_service_with_places_of_its_own() -> None:
    one, many = lines("boardsync.service"), lines("boardsync@.service")
    assert len(one) == len(many)
    differing = [(a, b) for a, b in zip(one, many, strict=True) if a != b]
    assert [b.partition("=")[0] for _, b in differing] == [
        "Description", "ExecStart", "StateDirectory", "CacheDirectory", "RuntimeDirectory",
    ]  # fmt: skip
    assert all("%i" in b for _, b in differing)


def test_service_and_container_take_the_settings_and_the_state_from_the_same_places() -> None:
    service = unit("boardsync.service")
    assert str(SYSTEM_SETTINGS) in service["ExecStart"]
    assert service["StateDirectory"] == STATE.name
    container = (ROOT / "Dockerfile").read_text()
    assert f"ENV STATE_DIRECTORY={STATE} " in container
    assert default_state({"STATE_DIRECTORY": str(STATE)}) == STATE / "state.db"


def test_the_image_has_every_extra_and_a_base_that_does_not_move() -> None:
    container = (ROOT / "Dockerfile").read_text()
    [extras] = re.findall(r'install --no-cache-dir "\.\[(.*)\]"', container)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert set(extras.split(",")) == set(project["optional-dependencies"])
    assert re.search(r"^ARG BASE=python:3\.\d+\.\d+-slim-\w+$", container, re.MULTILINE)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
@pytest.mark.parametrize("name", UNITS[:2])
def test_systemd_finds_little_that_a_service_could_do_harm_with(name: str) -> None:
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager"]
    done = subprocess.run(
        [*command, ROOT / "systemd" / name], capture_output=True, text=True, timeout=60
    )
    if "unrecognized option" in done.stderr:
        pytest.skip("this systemd does not judge units that are not installed")
    [exposure] = re.findall(r"Overall exposure level for \S+: ([0-9.]+)", done.stdout)
    assert float(exposure) <= 2.0


def test_what_ci_runs_can_be_run() -> None:
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
