"""Looks for what is wrong with a setup, and mends what can be mended without a person.

Builds on the check of a setup. Nothing that may be somebody's picture is ever removed: only rows
that nobody needs, temporary files of ours that no process works on any more, and a damaged index.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from boardsync.config.model import Settings
from boardsync.engine.checkup import Finding, check_up
from boardsync.engine.doctor_index import index_symptoms
from boardsync.engine.doctor_kept import kept_symptoms
from boardsync.engine.doctor_litter import litter_symptoms
from boardsync.engine.doctor_places import place_symptoms
from boardsync.engine.doctor_servers import server_symptoms
from boardsync.engine.doctor_state import state_symptoms
from boardsync.engine.symptom import Symptom
from boardsync.errors import BoardsyncError
from boardsync.state.database import State, open_readonly

Look = Callable[[Settings, State | None], list[Symptom]]
LOOKS: tuple[Look, ...] = (
    state_symptoms, place_symptoms, litter_symptoms, index_symptoms, kept_symptoms,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Examination:
    """What was found. mended: what was done about it, in words, if that was asked for."""

    findings: list[Finding]
    mended: list[str]

    @property
    def well(self) -> bool:
        """Whether nothing is wrong, or nothing any more."""
        return all(one.good for one in self.findings)

    def as_dict(self) -> dict[str, Any]:
        return {"findings": [one.as_dict() for one in self.findings], "mended": self.mended,
                "well": self.well}  # fmt: skip


async def examine(settings: Settings, state: State | None = None) -> Examination:
    """Look at everything; change nothing. state: the one that is open, in a daemon."""
    findings = await check_up(settings)
    symptoms = await _symptoms(settings, state) + await server_symptoms(settings)
    return Examination(findings + [one.finding for one in symptoms], [])


async def mend(settings: Settings, state: State) -> list[str]:
    """Mend what can be mended, on a state that we may write to; return in words what was done."""
    done = []
    for symptom in await _symptoms(settings, state):
        if symptom.mend is None or symptom.finding.good:
            continue
        try:
            done.append(f"{symptom.finding.subject}: {await asyncio.to_thread(symptom.mend)}")
        except (BoardsyncError, OSError) as error:
            done.append(f"{symptom.finding.subject}: could not be mended: {error}")
    return done


async def _symptoms(settings: Settings, state: State | None) -> list[Symptom]:
    if state is not None:
        return await asyncio.to_thread(_look, settings, state)
    try:
        own = await asyncio.to_thread(open_readonly, settings.state)
    except (BoardsyncError, FileNotFoundError):
        # The check tells what is wrong with it, if anything is.
        return await asyncio.to_thread(_look, settings, None)
    try:
        return await asyncio.to_thread(_look, settings, own)
    finally:
        own.close()


def _look(settings: Settings, state: State | None) -> list[Symptom]:
    found = []
    for look in LOOKS:
        try:
            found += look(settings, state)
        except BoardsyncError:  # of the state: what is wrong with it is told by itself
            found += look(settings, None)
    return found
