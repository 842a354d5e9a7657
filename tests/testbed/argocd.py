"""Run Argo CD's programs in the bed, with the settings that its own manifests give them."""

import base64
import json
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.testbed.cluster import apply, kubectl
from tests.testbed.configure import answers
from tests.testbed.programs import asset, binary
from tests.testbed.space import ADDRESS, Space

__all__ = ["APPLICATIONSET_URL", "URL", "Keys", "install", "make_keys", "start"]

URL = f"http://{ADDRESS}:8080"
APPLICATIONSET_URL = f"http://{ADDRESS}:7000"
_ACCOUNT = "layersite"
_REDIS, _REPOSITORIES = "--redis=127.0.0.1:6379", "127.0.0.1:8081"


@dataclass(frozen=True)
class Keys:
    """What opens Argo CD: the administrator's session, the bot's token, and what signs webhooks."""

    admin: str
    account: str
    webhook: str


def install(space: Space) -> str:
    """Write Argo CD's settings to the cluster, and return the secret that signs webhooks."""
    webhook = secrets.token_hex(24)
    kubectl(space, "create", "namespace", "argocd")
    kubectl(space, "apply", "--server-side", "-nargocd", "-k", str(asset("kubernetes", "config")))
    apply(space, "argocd.yaml")
    # The ApplicationSet controller has no webhook for its lifetime when it starts before this key is there.
    keys = {"webhook.github.secret": webhook, "server.secretkey": secrets.token_urlsafe(32)}
    change = json.dumps({"stringData": keys})
    kubectl(space, "patch", "-nargocd", "secret/argocd-secret", "--patch-file=/dev/stdin", stdin=change)
    return webhook


def start(space: Space) -> None:
    """Start Redis and Argo CD."""
    home = space.directory / "argocd"
    for folder in ("tls", "ssh", "gpg/keys", "gpg/source"):
        (home / folder).mkdir(parents=True)
    kubeconfig = shutil.copy(space.directory / "kubeconfig", home)
    kubectl(space, "config", "set-context", "bed", "--namespace=argocd", f"--kubeconfig={kubeconfig}")
    space.start("redis", "redis-server", "--bind", "127.0.0.1", "--save", "", "--appendonly", "no")
    for program, arguments in {
        "repo-server": [_REDIS, "--port=8081", "--metrics-port=8084"],
        "application-controller": [_REDIS, f"--repo-server={_REPOSITORIES}", "--metrics-port=8082"],
        "server": [_REDIS, f"--repo-server={_REPOSITORIES}", "--insecure", "--port=8080", "--metrics-port=8083"],
        "applicationset-controller": [
            f"--argocd-repo-server={_REPOSITORIES}",
            "--webhook-addr=:7000",
            "--metrics-addr=:8085",
            "--probe-addr=:8086",
        ],
    }.items():
        name = f"argocd-{program}"
        space.start(name, binary("argocd"), *arguments, env=_environment(home, name))


def make_keys(space: Space, webhook: str) -> Keys:
    """Wait for Argo CD, log in, and make a token for the bot's account."""
    space.wait("Argo CD", lambda: answers(f"{URL}/healthz"))
    space.wait("Argo CD's application sets", lambda: answers(f"{APPLICATIONSET_URL}/api/webhook", below=500))
    path = "jsonpath={.data.password}"
    password = kubectl(space, "get", "-nargocd", "secret/argocd-initial-admin-secret", "-o", path)
    with httpx.Client(base_url=URL, trust_env=False, timeout=30) as client:
        login = {"username": "admin", "password": base64.b64decode(password).decode()}
        admin = client.post("/api/v1/session", json=login).raise_for_status().json()["token"]
        client.headers["Authorization"] = f"Bearer {admin}"
        account = client.post(f"/api/v1/account/{_ACCOUNT}/token", json={}).raise_for_status().json()["token"]
    return Keys(admin, account, webhook)


def _environment(home: Path, name: str) -> dict[str, str]:
    return {
        "ARGOCD_BINARY_NAME": name,
        "ARGOCD_FAKE_IN_CLUSTER": "true",
        "ARGOCD_TLS_DATA_PATH": str(home / "tls"),
        "ARGOCD_SSH_DATA_PATH": str(home / "ssh"),
        "ARGOCD_GNUPGHOME": str(home / "gpg/keys"),
        "ARGOCD_GPG_DATA_PATH": str(home / "gpg/source"),
        "ARGOCD_GPG_ENABLED": "false",
        "KUBECONFIG": str(home / "kubeconfig"),
    }
