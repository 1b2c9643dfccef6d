"""Which filesystem is under a folder, from the kernel's table of mounts."""

from __future__ import annotations

from pathlib import Path

import pytest

from boardsync.local.mounts import is_remote, mount_kind

TABLE = rb"""
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
40 22 0:40 / /mnt rw - autofs systemd-1 rw
41 40 0:41 / /mnt/nas rw shared:7 master:1 - nfs4 nas:/pictures rw,vers=4.2
42 41 0:42 / /mnt/nas/local rw - xfs /dev/sdb1 rw
43 22 0:43 / /home/me/with\040space\134 rw - fuse.sshfs me@host: rw
44 22 0:44 / /twice rw - cifs //nas/share rw
45 22 0:45 / /twice rw - btrfs /dev/sdc rw
this line is no mount
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        (b"/srv/pictures", "ext4"),
        (b"/", "ext4"),
        (b"/mnt/nas", "nfs4"),
        (b"/mnt/nas/set/deep", "nfs4"),
        (b"/mnt/nas2", "autofs"),
        (b"/mnt/nas/local/set", "xfs"),
        (b"/home/me/with space\\/set", "fuse.sshfs"),
        (b"/twice/set", "btrfs"),
    ],
)
def test_the_nearest_and_latest_mount_counts(path: bytes, kind: str) -> None:
    assert mount_kind(path, TABLE) == kind


def test_a_symlink_is_judged_by_what_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/mnt/nas")
    assert mount_kind(bytes(tmp_path / "link"), TABLE) == "nfs4"


def test_an_unknown_table_gives_no_kind() -> None:
    assert mount_kind(b"/srv", b"") == ""
    assert not is_remote("")


def test_this_system_tells_of_its_own_mounts() -> None:
    assert mount_kind(b"/proc/self") == "proc"


@pytest.mark.parametrize(
    "kind", ["nfs", "nfs4", "cifs", "smb3", "9p", "virtiofs", "vboxsf", "fuse.sshfs", "fuse.rclone"]
)
def test_filesystems_that_others_write_to_are_remote(kind: str) -> None:
    assert is_remote(kind)


@pytest.mark.parametrize(
    "kind", ["ext4", "xfs", "btrfs", "zfs", "tmpfs", "overlay", "fuseblk", "fuse.mergerfs"]
)
def test_filesystems_of_this_machine_are_not_remote(kind: str) -> None:
    assert not is_remote(kind)
