"""What the doctor finds: a healthy site is all ok, and each thing that is wrong has its name and its mend."""

import subprocess
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from layersite.bootstrap.argocd import argocd_area
from layersite.bootstrap.cluster import cluster_area
from layersite.bootstrap.finding import Finding, examine, ok, wrong
from layersite.bootstrap.outside import environments_area, forge_areas, registry_areas
from layersite.model.catalog import Catalog
from layersite.model.errors import RegistryError
from layersite.model.site import Site
from tests.unit.bootstrap.fakes import (
    ARGOCD,
    SITE,
    FakeCluster,
    FakeForge,
    Shelf,
    argocd,
    catalog,
    healthy_cluster,
    without,
)

Break = Callable[[FakeCluster], FakeCluster]


def changed(kind: str, change: Callable[[dict[str, object]], object]) -> Break:
    """Return what changes the spec of the one object of a kind."""

    def do(cluster: FakeCluster) -> FakeCluster:
        (found,) = (item for key, item in cluster.objects.items() if key[0].startswith(kind))
        change(found["spec"])
        return cluster

    return do


def in_cluster(cluster: FakeCluster, site: Site = SITE, apps: Catalog | None = None) -> dict[str, Finding]:
    return examine([cluster_area(cluster, site, apps or catalog(), seconds=0)])


def states(found: Mapping[str, Finding]) -> set[str]:
    return {each.state for each in found.values()}


def test_a_healthy_cluster_is_ok() -> None:
    found = in_cluster(healthy_cluster())
    assert states(found) == {"ok"}, found
    assert found["kubectl"].text == "the context `bed` reaches Kubernetes 1.37"


@pytest.mark.parametrize(
    ("do", "what", "text", "mend"),
    [
        pytest.param(
            lambda cluster: without(cluster, "appprojects.argoproj.io"),
            "Argo CD's definitions",
            "appprojects of argoproj.io are not defined",
            "install Argo CD, or choose its cluster",
            id="no Argo CD",
        ),
        pytest.param(
            lambda cluster: without(cluster, "appproject.argoproj.io"),
            "Argo CD's project",
            "`layersite` in `argocd` is not there",
            "run `layersite bootstrap --apply`",
            id="no project",
        ),
        pytest.param(
            changed("appproject", lambda spec: spec.update(destinations=[{"name": "*", "namespace": "*"}])),
            "Argo CD's project",
            "is not what layersite.yaml says at spec.destinations",
            "run `layersite bootstrap --apply`",
            id="project opened by hand",
        ),
        pytest.param(
            changed("appproject", lambda spec: spec.update(sourceNamespaces=["*"])),
            "Argo CD's project",
            "at spec.sourceNamespaces",
            "take it out with `kubectl edit`",
            id="project widened by hand",
        ),
        pytest.param(
            changed("applicationset", lambda spec: spec["template"]["spec"].update(project="default")),  # type: ignore[index]
            "Argo CD's application set",
            "at spec.template.spec.project",
            "run `layersite bootstrap --apply`",
            id="ApplicationSet changed by hand",
        ),
        pytest.param(
            lambda cluster: without(cluster, "applicationset.argoproj.io"),
            "Argo CD's view of git",
            "there is no application set `layersite` in `argocd`",
            "run `layersite bootstrap --apply`",
            id="no ApplicationSet",
        ),
        pytest.param(
            lambda cluster: replace(cluster, error="failed to list refs:\n authentication required"),
            "Argo CD's view of git",
            "Argo CD cannot make applications: failed to list refs: authentication required",
            "give `bootstrap --apply` the password, as its --help says",
            id="repository unreadable",
        ),
        pytest.param(
            lambda cluster: replace(cluster, is_running=False),
            "Argo CD's view of git",
            "its controller does not look at it",
            "see whether the ApplicationSet controller is running",
            id="controller down",
        ),
        pytest.param(
            lambda cluster: replace(cluster, minor=33),
            "Kubernetes",
            "it is 1.33, older than the 1.34 by whose schemas manifests are checked",
            "set `cluster.kubernetes` of layersite.yaml to 1.33",
            id="old Kubernetes",
        ),
        pytest.param(
            lambda cluster: replace(cluster, denied={"delete namespaces", "patch persistentvolumes"}),
            "right to clean up",
            "kubectl's user may not delete namespaces, patch persistentvolumes",
            "give it a ClusterRole with these rights",
            id="no right to clean up",
        ),
        pytest.param(
            lambda cluster: without(cluster, "httproutes.gateway.networking.k8s.io"),
            "way in",
            "HTTPRoute is not defined",
            "install the Gateway API, or set `exposure.ingress`",
            id="no Gateway API",
        ),
        pytest.param(
            lambda cluster: without(cluster, "gateway"),
            "way in",
            "the gateway `gateway` in `gateway-system` is not there",
            "create it, or name another one under `exposure` of layersite.yaml",
            id="no gateway",
        ),
        pytest.param(
            changed("gateway", lambda spec: spec["listeners"][0].update(hostname="*.else.example.com")),  # type: ignore[index]
            "way in",
            "has no listener for *.preview.example.com",
            'add one with `hostname: "*.preview.example.com"`',
            id="gateway for other hosts",
        ),
        pytest.param(
            changed("gateway", lambda spec: spec["listeners"][0].pop("allowedRoutes")),  # type: ignore[index]
            "way in",
            "takes routes from its own namespace alone",
            "set `allowedRoutes: {namespaces: {from: All}}`",
            id="gateway for itself",
        ),
        pytest.param(
            lambda cluster: (
                cluster.objects["gateway.gateway.networking.k8s.io", "gateway", "gateway-system"].pop("status")
                and cluster
            ),
            "way in",
            "is served by nobody",
            "see whether the controller of its class is running",
            id="gateway without controller",
        ),
        pytest.param(
            lambda cluster: without(cluster, "staging"),
            "baseline",
            "there is no namespace `staging`",
            "or let the bot keep one with `managed: true`",
            id="no baseline",
        ),
    ],
)
def test_what_is_wrong_in_the_cluster_has_its_mend(do: Break, what: str, text: str, mend: str) -> None:
    found = in_cluster(do(healthy_cluster()))
    assert found[what].state == "wrong"
    assert text in found[what].text
    assert mend in found[what].mend


def test_without_a_cluster_the_rest_is_skipped() -> None:
    found = in_cluster(replace(healthy_cluster(), is_down=True))
    assert found.pop("kubectl") == wrong("`kubectl get --raw` failed with exit code 1: the connection was refused")
    assert {each.text for each in found.values()} == {"`kubectl` is not ok"}


def test_a_cluster_elsewhere_is_not_looked_at() -> None:
    site = SITE.model_copy(update={"cluster": SITE.cluster.model_copy(update={"name": "staging"})})
    found = in_cluster(healthy_cluster(), site)["environments' cluster"]
    assert (found.state, "`staging`" in found.text) == ("skipped", True)


def test_an_ingress_class_that_is_missing() -> None:
    site = Site.model_validate({**SITE.model_dump(), "exposure": {"domain": "preview.example.com", "ingress": {}}})
    found = in_cluster(healthy_cluster(), site)["way in"]
    assert found == wrong(
        "there is no ingress class `nginx`",
        "install its controller, or name another one under `exposure.ingress` of layersite.yaml",
    )


def test_secret_stores_that_are_missing() -> None:
    secret = {"name": "mail", "source": "external", "keys": ["password"], "store": "vault"}
    cluster, apps = healthy_cluster(), catalog(secrets=[secret])
    assert in_cluster(cluster, apps=apps)["secret stores"].text == "ExternalSecret is not defined"
    cluster.objects["customresourcedefinition", "externalsecrets.external-secrets.io", ""] = {}
    assert in_cluster(cluster, apps=apps)["secret stores"].text == "there is no ClusterSecretStore vault"
    cluster.objects["clustersecretstore", "vault", ""] = {}
    assert in_cluster(cluster, apps=apps)["secret stores"] == ok("there is vault")


def test_copied_secrets_need_the_right_to_read_them() -> None:
    cluster = replace(healthy_cluster(), denied={"get secrets"})
    assert in_cluster(cluster)["right to clean up"].state == "ok"
    apps = catalog(secrets=[{"name": "mail", "source": "copy"}])
    assert "may not get secrets" in in_cluster(cluster, apps=apps)["right to clean up"].text


def test_databases_need_the_right_to_write_secrets_and_to_let_pods_begin_again() -> None:
    cluster = replace(healthy_cluster(), denied={"create secrets", "delete pods"})
    assert in_cluster(cluster)["right to clean up"].state == "ok"
    site = Site.model_validate({**SITE.model_dump(), "databases": {"shop": {"host": "db.databases.svc"}}})
    assert "may not create secrets, delete pods" in in_cluster(cluster, site)["right to clean up"].text


def test_an_exclusion_that_hides_addresses() -> None:
    cluster = healthy_cluster()
    rules = "- apiGroups: ['', discovery.k8s.io]\n  kinds: [Endpoints, EndpointSlice]\n"
    cluster.objects["configmap", "argocd-cm", ARGOCD] = {"data": {"resource.exclusions": rules}}
    assert in_cluster(cluster)["Argo CD's exclusions"].state == "ok"
    apps = catalog(base=None, repository=None, external={"host": "192.0.2.7"})
    found = in_cluster(cluster, apps=apps)["Argo CD's exclusions"]
    assert found.text == "`resource.exclusions` has EndpointSlice, by which web is reached at its address"
    assert "or name the host, not an address" in found.mend


def test_a_healthy_argo_cd_is_ok() -> None:
    found = examine([argocd_area(SITE, argocd(), "right", "right")])
    assert states(found) == {"ok"}, found


@pytest.mark.parametrize(
    ("settings", "token", "secret", "what", "text", "mend"),
    [
        pytest.param({"running": "v2.14.3"}, "right", "right", "Argo CD", "it is v2.14.3", "upgrade Argo CD", id="old"),
        pytest.param({}, "wrong", "right", "Argo CD's token", "401: the token is wrong", "", id="wrong token"),
        pytest.param(
            {"rights": {("applications", "get")}},
            "right",
            "right",
            "Argo CD's token",
            "it lacks the rights: applications, sync; applicationsets, get; logs, get",
            "use a token of the role `bot` of the project `layersite`",
            id="token of another role",
        ),
        pytest.param({}, "right", "wrong", "Argo CD's webhooks", "refuses the event", "", id="wrong secret"),
        pytest.param(
            {"believes": ["anyone"]},
            "right",
            "right",
            "Argo CD's webhooks",
            "an event is taken whoever signs it",
            "set `webhook.github.secret` in Argo CD's Secret argocd-secret and restart",
            id="no secret there",
        ),
    ],
)
def test_what_is_wrong_with_argo_cd_has_its_mend(
    settings: dict[str, object], token: str, secret: str, what: str, text: str, mend: str
) -> None:
    found = examine([argocd_area(SITE, argocd(**settings), token, secret)])
    assert [name for name, each in found.items() if each.state == "wrong"] == [what]
    assert text in found[what].text
    assert mend in found[what].mend


def test_variables_that_are_not_set_are_named() -> None:
    found = examine([argocd_area(SITE, argocd(), "", "")])
    assert found["Argo CD's token"].state == found["Argo CD's webhooks"].state == "skipped"
    assert "argocd proj role create-token layersite bot" in found["Argo CD's token"].mend
    assert "LAYERSITE_ARGOCD_WEBHOOK_SECRET" in found["Argo CD's webhooks"].mend


def test_a_forge_is_asked_for_each_repository() -> None:
    found = examine(forge_areas(SITE, lambda: (FakeForge(), FakeForge())))
    assert found == {
        "repository web": ok("`main` is at 5555555"),
        "right to speak in web": ok("the token's account may comment and set statuses"),
    }


def test_a_branch_that_the_forge_lacks() -> None:
    found = examine(forge_areas(SITE, lambda: (FakeForge(lacks="main"), FakeForge())))
    assert found["repository web"] == wrong("repository `web` has no branch or tag `main`; push it or name another")
    assert found["right to speak in web"].text == "`repository web` is not ok"


def test_a_token_that_may_only_read() -> None:
    found = examine(forge_areas(SITE, lambda: (FakeForge(), FakeForge(is_writable=False))))["right to speak in web"]
    assert found.text == "the account of LAYERSITE_FORGE_TOKEN may read only"
    assert found.mend == "let its account, or the app or token itself, write there, or the bot can set no statuses"


def _refuse(references: Collection[str]) -> dict[str, str | None]:
    raise RegistryError(f"{next(iter(references))}: registry.example.com wants a sign-in; run `docker login`")


def test_each_registry_is_asked_for_a_tag_that_nobody_has() -> None:
    apps = catalog(images=[{"name": "registry.example.com/acme/web", "tag": "{sha}"}])
    name = "image registry.example.com/acme/web"
    assert examine(registry_areas(apps, dict.fromkeys, True)) == {name: ok("its registry answers")}
    assert "run `docker login`" in examine(registry_areas(apps, _refuse, True))[name].text
    assert examine(registry_areas(apps, _refuse, False))[name].state == "skipped"


def test_a_repository_that_takes_pushes_and_one_that_is_not_there(tmp_path: Path) -> None:
    remote, work = tmp_path / "remote.git", tmp_path / "work"
    for argv in (
        ["git", "init", "--quiet", "--bare", str(remote)],
        ["git", "init", "--quiet", "--initial-branch=main", str(work)],
        ["git", "-C", str(work), "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "--allow-empty", "-mx"],
        ["git", "-C", str(work), "push", "--quiet", str(remote), "main"],
    ):
        subprocess.run(argv, check=True)

    def found(url: Path) -> dict[str, Finding]:
        environments = SITE.environments.model_copy(update={"url": str(url)})
        return examine([environments_area(SITE.model_copy(update={"environments": environments}), Shelf())])

    assert states(found(remote)) == {"ok"}
    missing = found(tmp_path / "nothing.git")["right to push"]
    assert missing.state == "wrong"
    assert "it takes no push from here: there is no such repository, or this account may not see it" in missing.text
    assert "correct `environments.url` in layersite.yaml, or give the bot's account access" in missing.text
    pushed = subprocess.run(["git", "-C", str(remote), "branch"], capture_output=True, text=True, check=True)
    assert pushed.stdout.split() == ["main"]
