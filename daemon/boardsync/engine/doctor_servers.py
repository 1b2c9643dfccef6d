"""The doctor's look at servers from outside: their clocks, and how long certificates last."""

from __future__ import annotations

import asyncio
import time

from boardsync.config.model import InvokeAISettings, Settings
from boardsync.engine.symptom import Symptom, ill, sound
from boardsync.servers.outside import OutsideView, look_at

CLOCK_SECONDS = 120.0
DAY_SECONDS = 86_400.0
LAST_DAYS = 21


async def server_symptoms(settings: Settings) -> list[Symptom]:
    """Look at every server that has an address. One that does not answer is the check's to tell."""
    found: list[Symptom] = []
    for name, server in settings.servers.items():
        if not isinstance(server, InvokeAISettings):
            continue
        view = await asyncio.to_thread(
            look_at, server.url, server.ca_file, server.connect_timeout, verify=server.verify_tls
        )
        found += judged(name, view, time.time())
    return found


def judged(name: str, view: OutsideView, now: float) -> list[Symptom]:
    """Say what is wrong with a server's clock and certificate. now: seconds since the epoch."""
    found = []
    if view.date is not None:
        apart = view.date - now
        words = f"{abs(apart):.0f} seconds {'ahead of' if apart > 0 else 'behind'} this machine"
        if abs(apart) > CLOCK_SECONDS:
            words += ": set the wrong one right"
            found.append(ill(f"server {name}: clock", words))
        else:
            found.append(sound(f"server {name}: clock", words))
    if view.expires is not None:
        days = (view.expires - now) / DAY_SECONDS
        subject = f"server {name}: certificate"
        words = f"ends in {days:.0f} days"
        if days < LAST_DAYS:
            found.append(ill(subject, words + ": have it renewed"))
        else:
            found.append(sound(subject, words))
    elif view.unchecked:
        found.append(ill(f"server {name}: certificate", "not checked: `verify_tls` is false"))
    return found
