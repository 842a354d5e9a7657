"""The environment has the secrets that it wants, with the keys that it names."""

import json
import os

import pytest
from testinfra.host import Host


@pytest.mark.parametrize(("secret", "key"), [("database", "password"), ("session", "token")])
def test_the_secret_is_there(host: Host, secret: str, key: str) -> None:
    found = host.check_output("kubectl get secret %s -n %s -o json", secret, os.environ["MOLECULE_NAMESPACE"])
    assert list(json.loads(found)["data"]) == [key]
