"""Declared secrets are in the namespace before the pods need them, and their values are nowhere else."""

import base64
import json
import subprocess
from hashlib import sha256
from pathlib import Path

import pytest

from tests.e2e.team import Team

PASSWORD = "the baseline's own password"
DIGESTS = """#!/bin/sh
echo "Content-Type: text/plain"
echo
for value in "$PASSWORD" "$TOKEN"; do printf %s "$value" | /bin/busybox sha256sum | /bin/busybox cut -c1-64; done
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
"""
SECRETS = [
    {"name": "database", "source": "copy", "keys": ["password"]},
    {"name": "session", "source": "generate", "keys": ["token"]},
]


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
    digests = [sha256(text.encode()).hexdigest() for text in (PASSWORD, token)]
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
