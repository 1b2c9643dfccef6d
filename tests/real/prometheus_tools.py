"""promtool: this machine's, or else the one out of Debian's package, which is not installed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

SECONDS = 300


class NotThere(Exception):
    """There is no promtool, and none could be fetched; the text says why."""


def find_promtool(directory: Path) -> Path:
    """Return a promtool. One that is fetched goes into the directory. Raises NotThere."""
    found = shutil.which("promtool")
    return Path(found) if found else fetch_promtool(directory)


def fetch_promtool(directory: Path) -> Path:
    """Unpack promtool out of Debian's package `prometheus`. Raises NotThere."""
    for tool in ("apt-get", "dpkg-deb"):
        if shutil.which(tool) is None:
            raise NotThere(f"there is no promtool, and without {tool} it cannot be fetched")
    download = ["apt-get", "-q", "download", "prometheus"]
    # Without its lists apt knows no package; only root may fetch them, which changes nothing else.
    if _run(download, directory) != 0 and _run(["apt-get", "-q", "update"], directory) == 0:
        _run(download, directory)
    packages = sorted(directory.glob("prometheus_*.deb"))
    if not packages:
        raise NotThere("there is no promtool, and apt-get cannot download the package prometheus")
    _run(["dpkg-deb", "-x", str(packages[-1]), str(directory)], directory)
    return directory / "usr" / "bin" / "promtool"


def _run(command: list[str], directory: Path) -> int:
    done = subprocess.run(command, cwd=directory, capture_output=True, timeout=SECONDS)
    return done.returncode
