"""What docs/nginx.conf promises, asked of a real nginx in front of a server that says what reached it."""

from __future__ import annotations

import http.client
import os
import shutil
import socket
import ssl
import subprocess
import threading
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from medallion_assets.roots import project_folder

NGINX = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
OPENSSL = shutil.which("openssl")
pytestmark = pytest.mark.skipif(not (NGINX and OPENSSL), reason="nginx or openssl is not installed")

LOOK, OPERATE = "data.example.org", "operate.example.org"
LOGIN = {"Authorization": "Basic " + b64encode(b"ann:secret").decode()}
# What browsers send with a request that another page makes.
FOREIGN = {"Sec-Fetch-Site": "cross-site"}


class _Upstream(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        told = f"{self.server.server_port} {self.headers.get('Authorization')} {self.headers.get('Upgrade')}"
        self.send_response(200)
        self.send_header("Content-Length", str(len(told)))
        self.end_headers()
        self.wfile.write(told.encode())

    do_POST = do_GET  # noqa: N815  # the server looks for this name

    def log_message(self, *_: object) -> None:
        """Nothing on the terminal."""


@contextmanager
def _serving() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Upstream) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, int, int]]:
    """The ports of the proxy, of who may look and of who may launch."""
    folder = tmp_path_factory.mktemp("nginx")
    names = f"{folder}/key.pem", f"{folder}/cert.pem"
    subject = ["-subj", "/CN=localhost", "-days", "1", "-nodes"]
    request = [str(OPENSSL), "req", "-x509", "-newkey", "rsa:2048", *subject, "-keyout", names[0]]
    subprocess.run([*request, "-out", names[1]], check=True, capture_output=True)
    (folder / "users").write_text("ann:{PLAIN}secret\n")
    with _serving() as look, _serving() as operate:
        port = _free_port()
        served = (project_folder() / "docs/nginx.conf").read_text()
        for written, here in {
            "443": f"127.0.0.1:{port}",
            "127.0.0.1:3001": f"127.0.0.1:{look}",
            "127.0.0.1:3000": f"127.0.0.1:{operate}",
            "/etc/ssl/medallion.key": names[0],
            "/etc/ssl/medallion.pem": names[1],
            "/etc/nginx/medallion.viewers": f"{folder}/users",
            "/etc/nginx/medallion.operators": f"{folder}/users",
        }.items():
            assert written in served
            served = served.replace(written, here)
        # Workers of a root's nginx are nobody, who can't read the password file here.
        who = "user root;" if os.geteuid() == 0 else ""
        frame = f"{who} daemon off; pid {folder}/pid; error_log stderr; events {{}} http {{ access_log off;"
        (folder / "nginx.conf").write_text(f"{frame}\n{served}\n}}")
        yield from _running(folder, (port, look, operate))


def _running(folder: Path, ports: tuple[int, int, int]) -> Iterator[tuple[int, int, int]]:
    command = [str(NGINX), "-p", str(folder), "-c", f"{folder}/nginx.conf", "-e", "stderr"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as nginx:
        try:
            while nginx.poll() is None and not _accepts(ports[0]):
                pass
            assert nginx.poll() is None, nginx.stderr and nginx.stderr.read()
            yield ports
        finally:
            nginx.terminate()


def _accepts(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.2)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _answer(port: int, host: str, path: str, method: str = "GET", **headers: str) -> tuple[int, str]:
    trusting = ssl._create_unverified_context()
    connection = http.client.HTTPSConnection("127.0.0.1", port, context=trusting, timeout=10)
    sent: Mapping[str, str] = {
        "Host": host,
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    connection.request(method, path, headers=dict(sent))
    response = connection.getresponse()
    return response.status, response.read().decode()


def test_each_name_leads_to_its_server_and_passwords_stay_outside(proxy: tuple[int, int, int]) -> None:
    port, look, operate = proxy
    assert _answer(port, LOOK, "/runs", **LOGIN) == (200, f"{look} None None")
    assert _answer(port, OPERATE, "/runs", **LOGIN) == (200, f"{operate} None None")


@pytest.mark.parametrize("host", [LOOK, OPERATE])
@pytest.mark.parametrize("path", ["/", "/graphql", "/report_asset_materialization/x"])
def test_nobody_comes_in_without_a_password(proxy: tuple[int, int, int], host: str, path: str) -> None:
    assert _answer(proxy[0], host, path)[0] == 401


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "evil.example.com", "sub.data.example.org"])
def test_another_host_is_not_answered(proxy: tuple[int, int, int], host: str) -> None:
    with pytest.raises(http.client.RemoteDisconnected):
        _answer(proxy[0], host, "/", **LOGIN)


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("path", ["/graphql?query=mutation", "/report_asset_check/x"])
@pytest.mark.parametrize(
    "sent",
    [FOREIGN, {"Sec-Fetch-Site": "same-site"}, {"Origin": "https://evil.example.com"}, {"Origin": "null"}],
)
def test_other_pages_change_nothing(
    proxy: tuple[int, int, int], method: str, path: str, sent: dict[str, str]
) -> None:
    assert _answer(proxy[0], OPERATE, path, method, **LOGIN, **sent)[0] == 403


def test_our_own_pages_and_links_to_them_work(proxy: tuple[int, int, int]) -> None:
    port, _, operate = proxy
    own = {"Origin": f"https://{OPERATE}", "Sec-Fetch-Site": "same-origin"}
    assert _answer(port, OPERATE, "/graphql", "POST", **LOGIN, **own)[0] == 200
    assert _answer(port, OPERATE, "/runs/1", **LOGIN, **FOREIGN)[0] == 200
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket"}
    assert _answer(port, OPERATE, "/graphql", **LOGIN, **own, **upgrade)[1] == f"{operate} None websocket"
