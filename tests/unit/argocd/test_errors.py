"""What is said when Argo CD does not answer as it should: who, what, what to do, and nothing secret."""

import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from layersite.argocd import ArgoCD
from layersite.model.errors import ArgoCDError
from tests.unit.argocd.conftest import TOKEN, Answer, Stub

APPLICATIONS = "/api/v1/applications"
MAY = "/api/v1/account/can-i/applications/get/shop/*"
HTML = b"<html>Log in, dear secret@example.com</html>"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Answer({"error": "secret"}, 401), "answered 401: the token is wrong, expired or revoked"),
        (
            Answer({"error": "secret"}, 403),
            "give its role in the AppProject `shop` the policy `p, proj:shop:<role>, applications, get, shop/*, allow`",
        ),
        (Answer(HTML, 404), "answered 404: this is not argocd-server's address"),
        (Answer(HTML, 302, {"Location": "https://login.example/secret"}), "answered 302: it redirects elsewhere"),
        (Answer(HTML, 502), "answered 502: Argo CD, or a proxy before it, is not ready"),
        (Answer(HTML, 418), "answered 418: it does not understand"),
        (Answer(HTML), "see whether a login page or a proxy answers in its place"),
        (Answer({"items": [{"secret": 1}]}), "not as Argo CD does (items.0.metadata: missing)"),
        (Answer({}, hang=0.5), "took too long"),
        (Answer({}, headers={"Content-Length": "99"}), "broke off its answer"),
    ],
    ids=["401", "403", "404", "redirect", "502", "418", "html", "other json", "hang", "broken off"],
)
def test_an_answer_that_is_none(answer: Answer, said: str, stub: Stub, make_client: Callable[..., ArgoCD]) -> None:
    stub.on(APPLICATIONS, answer)
    with pytest.raises(ArgoCDError) as caught:
        make_client(stub.url, timeout=0.3).applications()
    assert said in str(caught.value)
    assert stub.url in str(caught.value)
    assert "secret" not in str(caught.value)
    assert TOKEN not in str(caught.value)


def test_nobody_listens(make_client: Callable[..., ArgoCD]) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(ArgoCDError, match=f"{url} cannot be reached: .*refused"):
        make_client(url).version()


def test_no_such_host(make_client: Callable[..., ArgoCD]) -> None:
    with pytest.raises(ArgoCDError, match=r"https://argocd\.invalid cannot be reached"):
        make_client("https://argocd.invalid").version()


@pytest.mark.parametrize("url", ["argocd.example.com", "ftp://argocd.example.com"])
def test_an_address_without_a_scheme(url: str, make_client: Callable[..., ArgoCD]) -> None:
    with pytest.raises(ArgoCDError, match="give it as https://<host>"):
        make_client(url).version()


def test_an_empty_list_that_the_token_may_not_see_is_no_empty_list(stub: Stub, client: ArgoCD) -> None:
    stub.on(APPLICATIONS, Answer({"items": None}))
    stub.on(MAY, Answer({"value": "no"}))
    with pytest.raises(ArgoCDError, match="the policy `p, proj:shop:<role>, applications, get"):
        client.applications()


def test_an_empty_list_that_the_token_may_see_is_empty(stub: Stub, client: ArgoCD) -> None:
    stub.on(APPLICATIONS, Answer({"items": None}))
    stub.on(MAY, Answer({"value": "yes"}))
    assert client.applications() == {}


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    made = tmp_path / "server.pem"
    what: list[str | Path] = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "1",
        "-subj",
        "/CN=localhost",
    ]
    where: list[str | Path] = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", made, "-out", tmp_path / "cert.pem"]
    subprocess.run([*what, *where], check=True, capture_output=True)
    made.write_text(made.read_text() + (tmp_path / "cert.pem").read_text())
    return made


@pytest.fixture
def tls_url(certificate: Path) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"Version": "v9.9.9+abc"}')

        def log_message(self, format: str, *args: object) -> None:
            pass

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server = HTTPServer(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"https://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_certificate_that_nobody_signed(tls_url: str, make_client: Callable[..., ArgoCD]) -> None:
    with pytest.raises(ArgoCDError, match="not signed by an authority known here; give the file"):
        make_client(tls_url).version()


def test_a_certificate_with_its_authority(tls_url: str, certificate: Path, make_client: Callable[..., ArgoCD]) -> None:
    assert make_client(tls_url, verify=certificate.with_name("cert.pem")).version() == "v9.9.9"


def test_an_authority_that_is_not_there(tmp_path: Path, make_client: Callable[..., ArgoCD]) -> None:
    with pytest.raises(ArgoCDError, match=r"authorities in .* cannot be read"):
        make_client("https://127.0.0.1", verify=tmp_path / "none.pem")
