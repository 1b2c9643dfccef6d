"""The image for arm64, built and run where the processor is another one, which is imitated.

It takes half an hour, so it runs only when it is asked for: `make test-arm64`.
"""

from __future__ import annotations

import json
import os
import platform
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cli.place_kit import picture, put
from system.containers import Processor, Storage
from system.test_container_real import DIRECTORY, OWN, bound, give
from system.tools import call, demand

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(
        not os.environ.get("BOARDSYNC_TEST_ARM64"), reason="only when asked for: make test-arm64"
    ),
]

ARM64 = Processor("aarch64", "arm64")
BINFMT = Path("/proc/sys/fs/binfmt_misc")
NAME = "boardsync-test-arm64"
QEMU = "/usr/bin/qemu-aarch64-static"
# The head of an ELF file for aarch64, and which of its bits count (Debian's qemu-user-binfmt).
MAGIC = r"\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00"
MASK = r"\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff"
PATIENCE = 600.0


@contextmanager
def imitated() -> Iterator[None]:
    """Let the kernel start programs for arm64 by an emulator, in every root directory."""
    if platform.machine() == ARM64.machine or (BINFMT / "qemu-aarch64").exists():
        yield
        return
    if not (BINFMT / "register").exists():
        call(["mount", "-t", "binfmt_misc", "binfmt_misc", BINFMT])
    (BINFMT / "register").write_text(rf":{NAME}:M::{MAGIC}:{MASK}:{QEMU}:F")
    try:
        yield
    finally:
        (BINFMT / NAME).write_text("-1")


@pytest.fixture(scope="module")
def storage() -> Iterator[Storage]:
    demand("mmdebstrap", "buildah", "podman", "runc", "qemu-aarch64-static")
    with imitated():
        storage = Storage(Path(tempfile.mkdtemp(prefix="boardsync-")), ARM64)
        try:
            storage.build()
            yield storage
        finally:
            storage.clear()


def test_the_image_for_arm64_mirrors_is_healthy_and_stops(storage: Storage, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    for name in ("pictures/in", "pictures/boards", "state"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "config.yaml").write_text(DIRECTORY)
    for seed in range(3):
        put(tmp_path / "pictures/in", f"{seed}.png", picture(seed))
    give(tmp_path, OWN)
    assert storage.image()["Architecture"] == ARM64.architecture
    container = storage.run(f"--user={OWN}:{OWN}", "--read-only", "--tmpfs=/tmp", *bound(tmp_path))
    program = "import platform; print(platform.machine())"
    assert container("/opt/boardsync/bin/python", "-c", program).strip() == ARM64.machine
    end = time.monotonic() + PATIENCE
    while len(list((tmp_path / "pictures/boards").rglob("*.png"))) < 3:
        assert time.monotonic() < end, container.log()
        time.sleep(1)
    status = json.loads(container("boardsync", "status", "--json"))
    assert [mirror["synced"] for mirror in status["mirrors"]] == [3], status
    # By hand: imitated, it may take longer than a HEALTHCHECK may.
    assert "all is well" in container("boardsync", "health")
    _, code = container.stop(grace=120)
    assert code == 0, container.log()
