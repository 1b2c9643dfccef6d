"""Verifying on a real InvokeAI server whose disk forgets."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import pytest

from boardsync.formats import PNG
from picture_samples import sample
from real.mirror_kit import Setup, links_of, make_pictures

pytestmark = pytest.mark.real


def test_what_a_servers_disk_spoilt_is_found_and_nothing_else(setup: Setup) -> None:
    paths = make_pictures(setup.folder, 24)
    assert setup.once()["uploaded"] == 24
    told = json.loads(setup.run("verify", "--json").stdout)["mirrors"]
    assert [(one["checked"], one["same"]) for one in told] == [(24, 24)], told

    items = {entry["path"]: entry["item_id"] for entry in links_of(setup)}
    names = [str(path.relative_to(setup.folder)) for path in paths]
    images = {path.name: path for path in setup.server.root.rglob("*.png")}
    images[items[names[3]]].write_bytes(sample(PNG, "RGB", (64, 48), seed=77))
    whole = images[items[names[4]]].read_bytes()
    images[items[names[4]]].write_bytes(whole[: len(whole) // 2])

    with closing(sqlite3.connect(setup.state)) as state, state:
        state.execute("UPDATE link SET since_ms = since_ms - 120000")  # long after it was sent
    done = setup.run("verify", "--json")
    assert done.stdout, done.stderr
    [told] = json.loads(done.stdout)["mirrors"]
    assert done.returncode == 1
    assert sorted(one["path"] for one in told["strayed"]) == sorted(names[3:5]), told
    assert (told["checked"], told["same"]) == (24, 22)
