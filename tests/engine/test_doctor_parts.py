"""Parts of the doctor that need more than a folder: certificates, clocks, kernel limits, mounts."""

from __future__ import annotations

import http.server
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import boardsync
from boardsync.config.values import from_values
from boardsync.engine import checkup
from boardsync.engine.doctor_servers import judged, server_symptoms
from boardsync.servers.outside import OutsideView, look_at
from places import in_namespace

DAY = 86_400.0


class _Server(http.server.BaseHTTPRequestHandler):
    def do_HEAD(self) -> None:
        self.send_response(404)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that ends in five days, and its key."""
    base = tmp_path_factory.mktemp("tls")
    key, cert = base / "key.pem", base / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "5",
         "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
         "-keyout", key, "-out", cert],
        check=True, capture_output=True,
    )  # fmt: skip
    return cert, key


@pytest.fixture(scope="module")
def address(certificate: tuple[Path, Path]) -> Iterator[str]:
    server = http.server.HTTPServer(("127.0.0.1", 0), _Server)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    yield f"https://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    serving.join()
    server.server_close()


def test_a_certificate_near_its_end_is_told(certificate: tuple[Path, Path], address: str) -> None:
    view = look_at(address, certificate[0], 5, verify=True)
    assert view.expires is not None
    assert view.date is not None
    assert abs(view.expires - time.time() - 5 * DAY) < 3600
    found = {one.finding.subject: one.finding for one in judged("s", view, time.time())}
    assert not found["server s: certificate"].good
    assert found["server s: certificate"].text == "ends in 5 days: have it renewed"
    assert found["server s: clock"].good
    assert judged("s", view, time.time() - 60 * DAY)[1].finding.good


def test_a_certificate_of_nobody_known_shows_nothing_and_is_not_believed(address: str) -> None:
    assert look_at(address, None, 5, verify=True) == OutsideView()
    view = look_at(address, None, 5, verify=False)
    assert (view.expires, view.unchecked) == (None, True)
    assert view.date is not None
    assert "`verify_tls` is false" in judged("s", view, time.time())[1].finding.text


def test_clocks_that_are_apart_are_told() -> None:
    [found] = judged("s", OutsideView(date=1000.0), 500.0)
    assert not found.finding.good
    assert found.finding.text == "500 seconds ahead of this machine: set the wrong one right"


async def test_a_server_that_does_not_answer_is_the_checks_to_tell(tmp_path: Path) -> None:
    settings = from_values({
        "state": str(tmp_path / "state.db"),
        "servers": {"away": {"kind": "invokeai", "url": "http://127.0.0.1:9"}},
    })  # fmt: skip
    assert await server_symptoms(settings) == []


def test_a_kernels_limit_comes_with_the_line_that_raises_it() -> None:
    assert checkup._sysctl(checkup.WATCHES, 3) == (
        "raise the limit: put the line `fs.inotify.max_user_watches = 524288` into"
        " /etc/sysctl.d/60-boardsync.conf and run `sysctl --system`, both as root"
    )
    assert "max_user_watches = 2097152`" in checkup._sysctl(checkup.WATCHES, 900_000)


_SHARED = """
import subprocess, sys
sys.path.insert(0, sys.argv[2])
from pathlib import Path
from boardsync.config.values import from_values
from boardsync.engine.doctor_places import place_symptoms
base = Path(sys.argv[1])
for name in ("one", "two", "boards"):
    (base / name).mkdir()
subprocess.run(["mount", "--bind", base / "one", base / "two"], check=True)
settings = from_values({
    "state": str(base / "state.db"),
    "servers": {"s": {"kind": "directory", "path": str(base / "boards")}},
    "mirrors": [{"name": n, "folder": str(base / n), "server": "s", "board": n}
                for n in ("one", "two")],
})
for symptom in place_symptoms(settings, None):
    if not symptom.finding.good:
        print(symptom.finding.subject)
"""


def test_one_folder_under_two_mounts_is_a_conflict(tmp_path: Path) -> None:
    package = str(Path(boardsync.__file__).parents[1])
    assert in_namespace(_SHARED, str(tmp_path), package, mounts=True) == "mirrors one and two\n"
