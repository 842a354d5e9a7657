"""Image registries as they are: the bed's own, which wants no sign-in, and the forge's, which wants a token."""

import base64
import json
import os
import subprocess
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from layersite.model.errors import RegistryError
from layersite.registry import Registry
from tests.testbed import Bed, binary, push_image


@pytest.fixture
def forge(bed: Bed) -> str:
    """Return the `host:port` of the forge, which is a registry too."""
    return urlsplit(bed.gitea_url).netloc


@pytest.fixture
def config(bed: Bed, forge: str, tmp_path: Path) -> Path:
    """Return a Docker configuration that knows the forge's user."""
    auth = base64.b64encode(f"{bed.gitea_user}:{bed.gitea_token}".encode()).decode()
    (tmp_path / "config.json").write_text(json.dumps({"auths": {forge: {"auth": auth}}}))
    return tmp_path / "config.json"


def test_a_pushed_image_has_the_digest_it_was_pushed_with(bed: Bed) -> None:
    name = f"registry-{uuid4().hex[:8]}/web"
    digest = push_image(bed, name, "1", {"/bin/hello": b"#!/bin/sh\necho hello\n"}, ["/bin/hello"])
    here, other_tag, nowhere = f"{bed.registry}/{name}:1", f"{bed.registry}/{name}:2", f"{bed.registry}/{name}x:1"
    answers = Registry(insecure=[bed.registry]).digests([here, other_tag, nowhere])
    assert answers == {here: digest, other_tag: None, nowhere: None}


def test_a_registry_without_tls_must_be_listed(bed: Bed) -> None:
    with pytest.raises(RegistryError, match=r"list it under images\.insecure_registries"):
        Registry().digests([f"{bed.registry}/busybox:latest"])


def test_a_registry_that_wants_a_token_gets_one(bed: Bed, forge: str, config: Path) -> None:
    name = f"{forge}/{bed.gitea_user}/registry-{uuid4().hex[:8]}/web"
    crane(config, "copy", f"{bed.registry}/busybox:latest", f"{name}:1")
    answers = Registry(insecure=[forge], config=config).digests([f"{name}:1", f"{name}:2"])
    assert answers == {f"{name}:1": crane(config, "digest", f"{name}:1"), f"{name}:2": None}


def test_a_registry_refuses_a_wrong_password(bed: Bed, forge: str, config: Path) -> None:
    wrong = base64.b64encode(b"nobody:wr0ng").decode()
    config.write_text(json.dumps({"auths": {forge: {"auth": wrong}}}))
    with pytest.raises(RegistryError, match="answered 401 for the repository"):
        Registry(insecure=[forge], config=config).digests([f"{forge}/{bed.gitea_user}/web:1"])


def test_a_web_server_is_no_registry(bed: Bed) -> None:
    where = urlsplit(bed.argocd_url).netloc
    with pytest.raises(RegistryError, match="is no image registry"):
        Registry(insecure=[where]).digests([f"{where}/acme/web:1"])


def crane(config: Path, *arguments: str) -> str:
    env = {**os.environ, "DOCKER_CONFIG": str(config.parent)}
    done = subprocess.run([binary("crane"), *arguments], env=env, check=True, capture_output=True, text=True)
    return done.stdout.strip()
