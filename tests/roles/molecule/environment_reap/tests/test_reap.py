"""Nothing of the environment is left."""

import os

from testinfra.host import Host


def test_the_namespace_is_gone(host: Host) -> None:
    found = host.check_output("kubectl get namespace %s --ignore-not-found", os.environ["MOLECULE_NAMESPACE"])
    assert found == ""
