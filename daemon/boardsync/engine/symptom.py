"""One thing that the doctor looked at, and how it is mended."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from boardsync.engine.checkup import Finding


@dataclass(frozen=True, slots=True)
class Symptom:
    """A finding. mend: mends it, in a thread, and returns in words what was done."""

    finding: Finding
    mend: Callable[[], str] | None = None


def sound(subject: str, text: str) -> Symptom:
    """Return a finding that is good."""
    return Symptom(Finding(True, subject, text))


def ill(subject: str, text: str, mend: Callable[[], str] | None = None) -> Symptom:
    """Return a finding that is not good; what a mending can mend says so."""
    remedy = "" if mend is None else "; `boardsync doctor --mend` mends it"
    return Symptom(Finding(False, subject, text + remedy), mend)
