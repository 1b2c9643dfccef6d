"""Who a container is: told by $PUID and $PGID where it was started as root."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from boardsync.container import identity
from boardsync.errors import SettingsError


def test_it_is_the_first_account_unless_it_is_told() -> None:
    assert identity({}) == (1000, 1000)
    assert identity({"PUID": "1026"}) == (1026, 1026)
    assert identity({"PUID": "1026", "PGID": "100"}) == (1026, 100)
    assert identity({"PUID": "", "PGID": ""}) == (1000, 1000)


def test_root_remains_root_only_where_that_is_asked_for() -> None:
    assert identity({"PUID": "0"}) is None


@pytest.mark.parametrize("text", ["ann", "-1", "1.5", "4294967295"])
def test_what_is_no_number_of_a_user_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="expected the number of a user"):
        identity({"PUID": text})


_BECOME = """
import os, sys
from pathlib import Path
from boardsync.container import become
become(1026, 100, Path(sys.argv[1]))
print(os.getresuid(), os.getresgid(), os.getgroups())
try:
    os.setuid(0)
except PermissionError:
    print("for good")
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_the_state_goes_along_and_nothing_leads_back_to_root(tmp_path: Path) -> None:
    (tmp_path / "backups").mkdir()
    (tmp_path / "backups/state.db").write_bytes(b"")
    (tmp_path / "elsewhere").symlink_to("/etc/hostname")
    before = os.stat("/etc/hostname").st_uid
    done = subprocess.run(
        [sys.executable, "-c", _BECOME, str(tmp_path)], capture_output=True, text=True, timeout=30
    )
    assert done.stdout == "(1026, 1026, 1026) (100, 100, 100) []\nfor good\n", done.stderr
    assert {p.lstat().st_uid for p in (tmp_path, *tmp_path.rglob("*"))} == {1026}
    assert os.stat("/etc/hostname").st_uid == before
