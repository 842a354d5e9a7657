"""Declared secrets are in the namespace before the pods need them, and their values are nowhere else."""

import base64
import json
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path

import pytest

from tests.e2e.team import Team, wait_for
from tests.testbed import Bed

PASSWORD = "the baseline's own password"
DIGESTS = """#!/bin/sh
echo "Content-Type: text/plain"
echo
for value in "$PASSWORD" "$TOKEN" "$KEY"; do printf %s "$value" | /bin/busybox sha256sum | /bin/busybox cut -c1-64; done
"""
READS_THEM = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  template:
    spec:
      containers:
        - name: main
          env:
            - {name: PASSWORD, valueFrom: {secretKeyRef: {name: database, key: password}}}
            - {name: TOKEN, valueFrom: {secretKeyRef: {name: session, key: token}}}
{%- if change and change.branch == "vault" %}
            - {name: KEY, valueFrom: {secretKeyRef: {name: payment, key: key}}}
{%- endif %}
"""
SECRETS = [
    {"name": "database", "source": "copy", "keys": ["password"]},
    {"name": "session", "source": "generate", "keys": ["token"]},
]
PAYMENT = {"name": "payment", "source": "external", "store": "vault", "keys": ["key"]}
DEFINITION = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: externalsecrets.external-secrets.io}
spec:
  group: external-secrets.io
  scope: Namespaced
  names: {kind: ExternalSecret, plural: externalsecrets, singular: externalsecret}
  versions:
    - name: v1
      served: true
      storage: true
      subresources: {status: {}}
      schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
"""
"""The kind alone: what its operator does is done by the test."""


@pytest.fixture(scope="module")
def reader(team: Team) -> Team:
    """The team whose `web` reads secrets and serves their digests."""
    overlay = team.site / "apps" / "web" / "overlays" / "secrets.yaml.j2"
    overlay.parent.mkdir()
    overlay.write_text(READS_THEM)
    declare(team, *SECRETS)
    more = ["--from-literal", f"password={PASSWORD}", "--from-literal", "other=not declared"]
    team.bed.kubectl("create", "secret", "generic", "database", "-n", f"stage-{team.name}", *more)
    return team


def declare(team: Team, *secrets: object) -> None:
    file = team.site / "apps" / "web" / "app.yaml"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"secrets": secrets}))


def value(team: Team, environment: str, name: str, key: str) -> str:
    found = team.bed.kubectl("get", "secret", name, "-n", f"{team.name}-{environment}", "-o", "json")
    data = json.loads(found)["data"]
    assert list(data) == [key]
    return base64.b64decode(data[key]).decode()


def history(team: Team, folder: Path) -> str:
    """Return every byte that was ever committed to the environments repository."""
    url = f"{team.bed.gitea_url}/{team.name}/environments.git"
    subprocess.run(["git", "clone", "--quiet", "--mirror", url, folder], check=True)
    log = ["git", "log", "--all", "--patch", "--format=full"]
    return subprocess.run(log, cwd=folder, check=True, capture_output=True, encoding="utf-8").stdout


def test_pods_get_copied_and_generated_secrets_and_nobody_else_sees_them(reader: Team, tmp_path: Path) -> None:
    number = reader.open("web", "reads-secrets", "well", extra={"www/cgi-bin/digests": DIGESTS})
    name = f"web-{number}"
    said = reader.layersite("reconcile")
    assert f"{name} is ready" in said
    token = value(reader, name, "session", "token")
    assert value(reader, name, "database", "password") == PASSWORD
    digests = [sha256(text.encode()).hexdigest() for text in (PASSWORD, token, "")]
    reader.shows(name, "\n".join(digests), path="/cgi-bin/digests")

    reader.commit("web", "reads-secrets", "again", extra={"www/cgi-bin/digests": DIGESTS})
    said += reader.layersite("reconcile")
    assert value(reader, name, "session", "token") == token

    logs = [path.read_text(errors="replace") for path in Path(reader.bed.directory or tmp_path).glob("logs/*.log")]
    told = [said, reader.comment("web", number), reader.status("web", "reads-secrets"), history(reader, tmp_path / "h")]
    for text in (PASSWORD, token, *(base64.b64encode(secret.encode()).decode() for secret in (PASSWORD, token))):
        assert not any(text in each for each in (*told, *logs))
    reader.close("web", number)
    reader.layersite("reconcile")
    assert not reader.namespaces()


def test_a_secret_that_the_baseline_lacks_is_named_on_the_change(reader: Team) -> None:
    declare(reader, *SECRETS, {"name": "absent", "source": "copy"})
    number = reader.open("web", "lacks-one", "x")
    why = f"there is no Secret stage-{reader.name}/absent to copy"
    assert why in reader.layersite("reconcile", code=8)
    assert f"Environment `web-{number}` failed" in reader.comment("web", number)
    assert f"stage-{reader.name}/absent" in reader.comment("web", number)
    declare(reader, *SECRETS)
    reader.layersite("reconcile")
    assert f"Environment `web-{number}` is ready" in reader.comment("web", number)
    reader.close("web", number)
    reader.layersite("reconcile")


@pytest.fixture
def external(bed: Bed) -> Iterator[None]:
    """A cluster that knows ExternalSecrets, which a bed by itself does not."""
    bed.kubectl("apply", "-f", "-", stdin=DEFINITION)
    bed.kubectl("wait", "--for=condition=Established", "crd/externalsecrets.external-secrets.io")
    yield
    bed.kubectl("delete", "crd", "externalsecrets.external-secrets.io")


@pytest.mark.usefixtures("external")
def test_an_external_secret_is_asked_for_by_name_and_reaches_the_pod(reader: Team, bed: Bed) -> None:
    if not bed.directory:
        pytest.skip("a cluster of somebody's own may have the real operator")
    declare(reader, *SECRETS, PAYMENT)
    number = reader.open("web", "vault", "well", extra={"www/cgi-bin/digests": DIGESTS})
    name = f"web-{number}"
    with ThreadPoolExecutor() as pool:
        running = pool.submit(reader.layersite, "reconcile")
        asked = wait_for("the ExternalSecret", lambda: find_external(reader, name))
        assert asked["spec"]["secretStoreRef"] == {"kind": "ClusterSecretStore", "name": "vault"}
        assert asked["spec"]["data"] == [{"secretKey": "key", "remoteRef": {"key": "payment", "property": "key"}}]
        answer_as_operator(reader, name, "from the vault")
        assert f"{name} is ready" in running.result()
    token = value(reader, name, "session", "token")
    digests = [sha256(text.encode()).hexdigest() for text in (PASSWORD, token, "from the vault")]
    reader.shows(name, "\n".join(digests), path="/cgi-bin/digests")
    reader.close("web", number)
    reader.layersite("reconcile")
    assert not reader.namespaces()


def find_external(team: Team, environment: str) -> dict[str, dict[str, object]] | None:
    where = ["-n", f"{team.name}-{environment}", "--ignore-not-found", "-o", "json"]
    found = team.bed.kubectl("get", "externalsecret", "payment", *where)
    return dict(json.loads(found)) if found else None


def answer_as_operator(team: Team, environment: str, key: str) -> None:
    """Do what the operator does: make the Secret, and say that it is there."""
    where = ["-n", f"{team.name}-{environment}"]
    team.bed.kubectl("create", "secret", "generic", "payment", *where, f"--from-literal=key={key}")
    ready = {"status": {"conditions": [{"type": "Ready", "status": "True", "reason": "SecretSynced"}]}}
    patch = ["patch", "externalsecret", "payment", "--subresource=status", "--type=merge"]
    team.bed.kubectl(*patch, *where, "--patch", json.dumps(ready))
