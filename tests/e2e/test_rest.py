"""Environments that sleep while Argo CD mends what differs, and what is left of one whose directory vanished."""

import json

from tests.e2e.team import Team, wait_for


def replicas(team: Team, namespace: str) -> int:
    found = team.bed.kubectl("get", "deployment", "-n", namespace, "-o", "jsonpath={.items[*].spec.replicas}")
    return int(found)


def pods(team: Team, namespace: str) -> str:
    return team.bed.kubectl("get", "pods", "-n", namespace, "-o", "name").strip()


def test_argo_cd_keeps_asleep_what_sleeps_until_it_is_woken(team: Team) -> None:
    number = team.open("web", "tired", "good night")
    name = f"web-{number}"
    namespace = f"{team.name}-{name}"
    team.layersite("reconcile")
    team.shows(name, "good night")
    team.layersite("sleep", name)
    assert (replicas(team, namespace), pods(team, namespace)) == (0, "")
    team.bed.kubectl("scale", "deployment", "--all", "-n", namespace, "--replicas=1")
    wait_for("sleep again", lambda: replicas(team, namespace) == 0 and not pods(team, namespace))
    team.layersite("wake", name)
    team.shows(name, "good night")
    team.close("web", number)
    team.layersite("reconcile")


def test_a_namespace_whose_directory_vanished_is_reaped(team: Team) -> None:
    """The namespace is as an Argo CD left it that is there no longer: no Application knows of it, nor does git."""
    kept, number = (team.open("web", branch, branch) for branch in ("kept", "lost"))
    name, namespace = f"web-{number}", f"{team.name}-web-{number}"
    team.layersite("reconcile")
    team.shows(name, "lost")
    found = json.loads(team.bed.kubectl("get", "namespace", namespace, "-o", "json"))["metadata"]
    team.close("web", number)
    team.layersite("reconcile")
    left = {key: found[key] for key in ("name", "labels", "annotations")}
    stdin = json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": left})
    team.bed.kubectl("create", "-f", "-", stdin=stdin)
    team.bed.kubectl("create", "configmap", "forgotten", "-n", namespace)
    assert team.namespaces() == {f"web-{kept}", name}
    assert f"environment {name}" in team.layersite("reap")
    assert team.namespaces() == {f"web-{kept}", name}
    said = team.layersite("reap", "--apply")
    assert (f"environment {name}" in said, f"web-{kept}" in said) == (True, False)
    assert team.namespaces() == {f"web-{kept}"}
    team.shows(f"web-{kept}", "kept")
    assert name not in team.layersite("reap", "--apply")
