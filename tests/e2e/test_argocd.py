"""The Argo CD client against a real one, with real pods."""

import os
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from layersite.argocd import Patience, Result
from layersite.model.errors import ArgoCDError
from tests.e2e.argocd_site import Site, deployment, make_site
from tests.testbed import Bed, binary, wait_for

IMPATIENT = Patience(seconds=4, restarts=2)
PROBED = {"readinessProbe": {"httpGet": {"path": "/readyz", "port": 9898}, "periodSeconds": 1}}
NEVER = {"exec": {"command": ["/bin/false"]}, "periodSeconds": 1}
SECRET_VARIABLE = {"env": [{"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "late", "key": "key"}}}]}


@pytest.fixture(scope="module")
def site(bed: Bed) -> Iterator[Site]:
    with make_site(bed) as made:
        yield made


class Server:
    """An argocd-server of the test's own beside the bed's, which others use."""

    def __init__(self, bed: Bed) -> None:
        self._home = Path(bed.directory) / "argocd"
        self.url = "http://127.0.0.1:18080"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        addresses = ["--redis=127.0.0.1:6379", "--repo-server=127.0.0.1:8081"]
        settings = {
            "ARGOCD_BINARY_NAME": "argocd-server",
            "ARGOCD_FAKE_IN_CLUSTER": "true",
            "ARGOCD_TLS_DATA_PATH": str(self._home / "tls"),
            "ARGOCD_SSH_DATA_PATH": str(self._home / "ssh"),
            "ARGOCD_GNUPGHOME": str(self._home / "gpg/keys"),
            "ARGOCD_GPG_ENABLED": "false",
            "KUBECONFIG": str(self._home / "kubeconfig"),
        }
        self._process = subprocess.Popen(
            [str(binary("argocd")), *addresses, "--insecure", "--port=18080", "--metrics-port=18083"],
            env=os.environ | settings,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_for("argocd-server", self._answers)

    def kill(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/api/version", trust_env=False, timeout=30).is_success
        except httpx.HTTPError:
            return False


@pytest.fixture
def argocd_server(bed: Bed) -> Iterator[Server]:
    if not bed.directory:
        pytest.skip("only a bed that was started here can be killed")
    server = Server(bed)
    server.start()
    yield server
    server.kill()


def podinfo(bed: Bed, **container: Any) -> dict[str, Any]:
    return deployment("web", f"{bed.registry}/podinfo:latest", **container)


def shell(bed: Bed, script: str, **container: Any) -> dict[str, Any]:
    return deployment("web", f"{bed.registry}/busybox:latest", "-c", script, **container)


def refused(bed: Bed) -> dict[str, Any]:
    made = podinfo(bed)
    made["spec"]["replicas"] = "many"
    return made


def test_an_environment_that_becomes_healthy(site: Site, bed: Bed) -> None:
    commit = site.push("well", podinfo(bed, **PROBED))
    result = site.wait("well", commit)
    assert (result.outcome, result.revision, result.troubles) == ("healthy", commit, ())
    assert site.argocd.applications()[site.name("well")].status.health.status == "Healthy"
    assert site.argocd.explain(site.name("well")) == ()


def test_the_version(site: Site) -> None:
    assert site.argocd.version() == "v3.6.1"


def test_environments_are_told_one_by_one(site: Site, bed: Bed) -> None:
    site.push("quick", podinfo(bed, **PROBED))
    commit = site.push("slow", shell(bed, "sleep 99", readinessProbe=NEVER))
    wanted = dict.fromkeys([site.name("quick"), site.name("slow")], commit)
    results = site.argocd.await_synced(wanted, deadline=15, contains=site.contains)
    assert [(result.name, result.outcome) for result in results] == [
        (site.name("quick"), "healthy"),
        (site.name("slow"), "late"),
    ]


def test_an_environment_that_the_commit_does_not_touch_is_there_at_once(site: Site, bed: Bed) -> None:
    site.wait("same", site.push("same", podinfo(bed, **PROBED)))
    commit = site.push("other", podinfo(bed, **PROBED))
    result = site.wait("same", commit)
    assert (result.outcome, result.revision) == ("healthy", commit)


def test_an_image_that_does_not_exist(site: Site, bed: Bed) -> None:
    commit = site.push("image", deployment("web", f"{bed.registry}/nobody/pushed:this"))
    result = site.wait("image", commit)
    assert result.outcome == "failed"
    (trouble,) = result.troubles
    assert trouble.kind == "Pod"
    assert trouble.reason in ("ErrImagePull", "ImagePullBackOff")
    assert f"{bed.registry}/nobody/pushed:this" in trouble.message


def test_an_app_that_crashes_shows_its_last_words(site: Site, bed: Bed) -> None:
    script = "seq 30; printf '\\033[31mno database\\033[0m\\n'; exit 3"
    result = site.wait("crash", site.push("crash", shell(bed, script)), deadline=90)
    assert result.outcome == "failed"
    (trouble,) = result.troubles
    assert "container web ended with exit code 3" in trouble.message
    assert trouble.log == (*map(str, range(12, 31)), "no database")


def test_an_app_that_runs_for_a_moment_is_not_called_healthy(site: Site, bed: Bed) -> None:
    commit = site.push("moment", shell(bed, "sleep 1; echo gone; exit 1"))
    assert site.wait("moment", commit, deadline=90).outcome == "failed"


def test_a_failing_start_container_is_named(site: Site, bed: Bed) -> None:
    made = podinfo(bed)
    image = f"{bed.registry}/busybox:latest"
    made["spec"]["template"]["spec"]["initContainers"] = [
        {"name": "migrate", "image": image, "args": ["-c", "echo no such table; exit 1"]}
    ]
    result = site.wait("migrate", site.push("migrate", made), deadline=90)
    assert result.outcome == "failed"
    assert "container migrate ended with exit code 1" in result.troubles[0].message
    assert result.troubles[0].log == ("no such table",)


def test_without_the_permission_for_logs_the_rest_is_said(site: Site, bed: Bed) -> None:
    commit = site.push("wordless", shell(bed, "exit 1"))
    wordless = site.client("wordless")
    wanted = {site.name("wordless"): commit}
    (result,) = wordless.await_synced(wanted, deadline=90, contains=site.contains, patience=IMPATIENT)
    wordless.close()
    assert "its log needs the policy `logs, get`" in result.troubles[0].message
    assert result.troubles[0].log == ()


def test_a_manifest_that_the_cluster_refuses(site: Site, bed: Bed) -> None:
    result = site.wait("refused", site.push("refused", refused(bed)))
    assert result.outcome == "failed"
    (trouble,) = result.troubles
    assert (trouble.kind, trouble.name) == ("Deployment", "web")
    assert "cannot unmarshal string" in trouble.message


def test_a_mended_manifest_does_not_wait_for_the_tries_of_the_broken_one(site: Site, bed: Bed) -> None:
    site.wait("mended", site.push("mended", refused(bed)))
    assert site.wait("mended", site.push("mended", podinfo(bed, **PROBED))).outcome == "healthy"


def test_a_kind_that_the_project_does_not_permit(site: Site) -> None:
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "x"}, "rules": []}
    result = site.wait("forbidden", site.push("forbidden", role))
    assert result.outcome == "failed"
    assert "is not permitted in project" in result.troubles[0].message


def test_manifests_that_cannot_be_read(site: Site) -> None:
    commit = site.push("unreadable", {"apiVersion": "v1", "kind": "ConfigMap", "metadata": "none"})
    result = site.wait("unreadable", commit)
    assert result.outcome == "failed"
    assert [trouble.reason for trouble in result.troubles] == ["ComparisonError"]


def test_a_secret_that_comes_later_is_waited_for(site: Site, bed: Bed) -> None:
    commit = site.push("secret", shell(bed, "sleep 999", **SECRET_VARIABLE))
    result = site.wait("secret", commit, deadline=2 * IMPATIENT.seconds + 4)
    assert result.outcome == "late"
    assert [trouble.message for trouble in result.troubles] == ['secret "late" not found']
    bed.kubectl("create", "secret", "generic", "late", f"--namespace={site.name('secret')}", "--from-literal=key=x")
    assert site.wait("secret", commit).outcome == "healthy"


def test_an_environment_that_does_not_get_ready_in_time(site: Site, bed: Bed) -> None:
    commit = site.push("unready", podinfo(bed, readinessProbe=NEVER))
    result = site.wait("unready", commit, deadline=10)
    assert result.outcome == "late"
    assert [trouble.reason for trouble in result.troubles] == ["Unhealthy"]


def test_a_quota_that_leaves_no_room(site: Site, bed: Bed) -> None:
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "full"}, "spec": {"hard": {"pods": "0"}}}
    result = site.wait("full", site.push("full", quota, podinfo(bed)), deadline=10)
    assert result.outcome == "late"
    assert "exceeded quota" in result.troubles[0].message


def test_an_environment_that_is_removed(site: Site, bed: Bed) -> None:
    site.wait("leaving", site.push("leaving", podinfo(bed)))
    site.push("leaving")
    (result,) = site.argocd.await_gone([site.name("leaving")], deadline=90)
    assert result.outcome == "gone"
    assert bed.kubectl("get", "namespace", site.name("leaving"), "--ignore-not-found") == ""


def test_an_environment_that_hangs_in_the_middle_can_be_removed(site: Site, bed: Bed) -> None:
    first, second = (deployment(name, f"{bed.registry}/nobody/pushed:this") for name in ("first", "second"))
    second["metadata"]["annotations"] = {"argocd.argoproj.io/sync-wave": "1"}
    site.wait("hanging", site.push("hanging", first, second))
    site.push("hanging")
    (result,) = site.argocd.await_gone([site.name("hanging")], deadline=90)
    assert result.outcome == "gone"


def test_one_that_stays_is_late(site: Site, bed: Bed) -> None:
    site.wait("staying", site.push("staying", podinfo(bed)))
    (result,) = site.argocd.await_gone([site.name("staying")], deadline=1)
    assert (result.outcome, result.reason) == ("late", "its Application is still there")


def test_an_environment_that_argo_cd_was_not_told_of_comes_once_it_is(site: Site, bed: Bed) -> None:
    before = site.head()
    commit = site.push("untold", podinfo(bed, **PROBED), nudge=False)
    push: tuple[str, str, str, str, list[str]] = (site.url, "main", before, commit, [])
    stranger = site.client(webhook_secret="another")
    problems = stranger.nudge(*push)
    stranger.close()
    assert len(problems) == 2
    assert all("it does not accept the event" in problem for problem in problems)
    result = site.wait("untold", commit, deadline=4)
    assert (result.outcome, result.reason) == ("late", "Argo CD has made no Application of it yet")
    assert [trouble.reason for trouble in result.troubles] == ["Missing"]
    assert site.argocd.nudge(*push) == ()
    assert site.wait("untold", commit).outcome == "healthy"


def test_a_change_that_argo_cd_was_not_told_of_is_fetched_by_the_wait(site: Site, bed: Bed) -> None:
    site.wait("asked", site.push("asked", podinfo(bed, **PROBED)))
    commit = site.push("asked", podinfo(bed, **PROBED, env=[{"name": "NEW", "value": "yes"}]), nudge=False)
    result = site.wait("asked", commit)
    assert (result.outcome, result.revision) == ("healthy", commit)


def test_a_token_that_may_see_nothing_is_told_so(site: Site, bed: Bed) -> None:
    name = site.name("seen")
    commit = site.push("seen", podinfo(bed))
    site.wait("seen", commit)
    blind = site.client("blind")
    policy = f"p, proj:{site.project}:<role>, applications, get, {site.project}/*, allow"
    for ask in (
        blind.applications,
        lambda: blind.explain(name),
        lambda: list(blind.await_synced({name: commit}, deadline=30, contains=site.contains)),
        lambda: list(blind.await_gone([name], deadline=30)),
    ):
        with pytest.raises(ArgoCDError) as caught:
            ask()
        assert policy in str(caught.value)
    blind.close()


def test_a_token_that_is_none(site: Site) -> None:
    stranger = site.client(token="none.at.all")
    with pytest.raises(ArgoCDError, match="answered 401: the token is wrong, expired or revoked"):
        stranger.applications()
    stranger.close()


def test_argo_cd_restarts_in_the_middle(site: Site, bed: Bed, argocd_server: Server) -> None:
    commit = site.push("restart", shell(bed, "sleep 999", **SECRET_VARIABLE))
    client = site.client(url=argocd_server.url)
    told: list[str] = []

    def wait() -> list[Result]:
        return list(
            client.await_synced({site.name("restart"): commit}, deadline=90, contains=site.contains, tell=told.append)
        )

    with ThreadPoolExecutor() as pool:
        results = pool.submit(wait)
        wait_for("the pod", lambda: client.explain(site.name("restart")), lambda seen: "late" in str(seen))
        argocd_server.kill()
        wait_for("the loss", lambda: told)
        namespace = site.name("restart")
        bed.kubectl("create", "secret", "generic", "late", f"--namespace={namespace}", "--from-literal=key=x")
        argocd_server.start()
        (result,) = results.result()
    client.close()
    assert result.outcome == "healthy"
    assert told[-1] == "Argo CD answers again"
