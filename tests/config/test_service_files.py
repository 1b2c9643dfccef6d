"""What starts and stops the daemon fits what the settings and the exit codes say."""

from __future__ import annotations

import os
from configparser import ConfigParser
from pathlib import Path

from ruamel.yaml import YAML

from boardsync.cli.exits import SETTINGS
from boardsync.config.model import ScheduleSettings
from boardsync.config.places import SYSTEM_SETTINGS, default_state
from boardsync.config.quantities import parse_duration

ROOT = Path(__file__).parents[2]
STATE = Path("/var/lib/boardsync")


def unit() -> ConfigParser:
    parser = ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(ROOT / "systemd" / "boardsync.service")
    return parser


def test_a_service_manager_waits_longer_than_transfers_are_drained() -> None:
    drain = ScheduleSettings().drain
    assert parse_duration(unit()["Service"]["TimeoutStopSec"]) > drain
    compose = YAML(typ="safe", pure=True).load(ROOT / "compose.yaml")
    assert parse_duration(compose["services"]["boardsync"]["stop_grace_period"]) > drain


def test_refused_settings_are_not_tried_again() -> None:
    service = unit()["Service"]
    assert service["RestartPreventExitStatus"] == str(SETTINGS)
    assert service["Restart"] == "on-failure"


def test_service_and_container_take_the_settings_and_the_state_from_the_same_places() -> None:
    service = unit()["Service"]
    assert str(SYSTEM_SETTINGS) in service["ExecStart"]
    assert service["StateDirectory"] == STATE.name
    container = (ROOT / "Dockerfile").read_text()
    assert f"ENV STATE_DIRECTORY={STATE}\n" in container
    assert default_state({"STATE_DIRECTORY": str(STATE)}) == STATE / "state.db"


def test_what_ci_runs_can_be_run() -> None:
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
