"""What must hold in a running environment: `python3 noxfile.py -s smoke -- NAME` tries it, as the bot does.

Add the tests of your own services here: `urls` holds the address of each exposed app.
"""

import json
import os
import shlex

import pytest
from testinfra.host import Host, get_host

NAME = os.environ.get("LAYERSITE_ENVIRONMENT", "")
pytestmark = pytest.mark.skipif(not NAME, reason="no environment is named: nox -s smoke -- NAME")


@pytest.fixture(scope="module")
def host() -> Host:
    return get_host("local://")


@pytest.fixture(scope="module")
def urls(host: Host) -> dict[str, str]:
    """The addresses of the environment's exposed apps, as they are committed."""
    environments = json.loads(host.check_output("layersite status --output json"))
    found = [each for each in environments if each["kind"] == "environment" and each["name"] == NAME]
    assert found, f"there is no environment {NAME}"
    return dict(found[0].get("urls", {}))


def test_every_exposed_app_answers(host: Host, urls: dict[str, str]) -> None:
    for app, url in urls.items():
        ask = "curl --silent --show-error --retry 8 --retry-all-errors --output /dev/null --write-out %{http_code}"
        status = host.run(f"{ask} {shlex.quote(url)}")
        assert status.succeeded, f"{app} at {url}: {status.stderr}"
        assert int(status.stdout) < 500, f"{app} at {url} answers {status.stdout}"
