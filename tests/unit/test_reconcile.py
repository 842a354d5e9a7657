"""The bot's loop against real repositories: what is committed, what is left alone, and what it says."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from layersite.cli import main
from layersite.model.yaml import dump, load_all
from layersite.process import git

Run = Callable[..., Result]

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: APP}
spec:
  selector: {matchLabels: {app: APP}}
  template:
    metadata: {labels: {app: APP}}
    spec: {containers: [{name: main, image: APP, ports: [{name: http, containerPort: 8080}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: APP}
spec: {selector: {app: APP}, ports: [{port: 80, targetPort: http}]}
"""


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    root = tmp_path / "site"
    settings = {
        "organization": "acme",
        "environments": {"url": "../environments.git"},
        "repositories": {"shop": {"url": "../shop"}, "cart": {"url": "../cart"}},
        "cluster": {"baseline": {"namespace": "staging"}},
        "exposure": {"domain": "preview.example.com"},
        "images": {"by_digest": False},
    }
    write(root / "layersite.yaml", dump(settings))
    apps: dict[str, dict[str, Any]] = {
        "web": {"repository": "shop", "needs": [{"app": "cart", "as": "CART"}, {"app": "db"}], "expose": {}},
        "cart": {"repository": "cart", "images": [{"name": "cart", "repository": "reg/cart", "tag": "{short_sha}"}]},
        "db": {},
    }
    for name, app in apps.items():
        write(root / "apps" / name / "app.yaml", dump({"base": {"directory": "base"}, **app}))
        write(root / "apps" / name / "base" / "all.yaml", DEPLOYMENT.replace("APP", name))
    git("init", "-q", "--bare", "-b", "main", str(tmp_path / "environments.git"))
    for name in ("shop", "cart"):
        git("init", "-q", "-b", "main", str(tmp_path / name))
        git("commit", "-q", "--allow-empty", "-m", "start", cwd=tmp_path / name)
    return root


@pytest.fixture
def run(site: Path) -> Run:
    def invoke(*arguments: str, code: int = 0) -> Result:
        result = CliRunner().invoke(main, ["--site", str(site), *arguments])
        assert result.exit_code == code, result.output
        return result

    return invoke


def push(site: Path, repository: str, branch: str, message: str = "work") -> str:
    work = site.parent / repository
    exists = git("branch", "--list", f"change/{branch}", cwd=work).strip()
    git("checkout", "-q", *([] if exists else ["-b"]), f"change/{branch}", cwd=work)
    git("commit", "-q", "--allow-empty", "-m", message, cwd=work)
    sha = git("rev-parse", "HEAD", cwd=work).strip()
    git("checkout", "-q", "main", cwd=work)
    return sha


def close(site: Path, repository: str, branch: str) -> None:
    git("branch", "-q", "-D", f"change/{branch}", cwd=site.parent / repository)


def freeze(site: Path) -> Path:
    """Let the host decline every push until the hook that is returned is gone."""
    hook = site.parent / "environments.git" / "hooks" / "pre-receive"
    write(hook, "#!/bin/sh\necho 'frozen until Monday, says https://bot:s3cret@rules.example.com'\nexit 1\n")
    hook.chmod(0o755)
    return hook


def committed(site: Path) -> dict[str, str]:
    """The environments repository's files by path without the shard."""
    folder = site.parent / "environments.git"
    if not git("branch", "--list", "main", cwd=folder).strip():
        return {}
    paths = git("ls-tree", "-r", "--name-only", "main", cwd=folder).splitlines()
    return {path.split("/", 2)[2]: git("show", f"main:{path}", cwd=folder) for path in paths}


def commits(site: Path) -> int:
    return int(git("rev-list", "--count", "main", cwd=site.parent / "environments.git"))


def test_a_change_becomes_a_committed_directory(site: Path, run: Run) -> None:
    sha = push(site, "cart", "42")
    run("reconcile")
    files = committed(site)
    assert sorted(files) == [
        "cart-42/environment.yaml",
        "cart-42/manifests/cart.yaml",
        "cart-42/manifests/db.yaml",
        "cart-42/manifests/namespace.yaml",
        "cart-42/manifests/web.yaml",
    ]
    deployment = next(o for o in load_all(files["cart-42/manifests/cart.yaml"], "x") if o["kind"] == "Deployment")
    assert deployment["spec"]["template"]["spec"]["containers"][0]["image"] == f"reg/cart:{sha[:7]}"


def test_every_object_is_in_the_environments_namespace(site: Path, run: Run) -> None:
    push(site, "cart", "42")
    run("reconcile")
    objects = [o for path, text in committed(site).items() if "/manifests/" in path for o in load_all(text, path)]
    assert {o["metadata"].get("namespace") for o in objects if o["kind"] != "Namespace"} == {"env-cart-42"}
    assert [o["metadata"]["name"] for o in objects if o["kind"] == "Namespace"] == ["env-cart-42"]


def test_the_walls_open_exactly_for_what_the_slice_needs(site: Path, run: Run) -> None:
    push(site, "cart", "42")
    run("reconcile")
    files = committed(site)
    objects = load_all(files["cart-42/manifests/namespace.yaml"] + files["cart-42/manifests/web.yaml"], "x")
    policies = {o["metadata"]["name"]: o["spec"] for o in objects if o["kind"] == "NetworkPolicy"}
    assert sorted(policies) == ["allow-gateway-web", "environment"]
    walls = policies["environment"]
    assert (walls["podSelector"], walls["policyTypes"]) == ({}, ["Ingress", "Egress"])
    assert walls["ingress"] == [{"from": [{"podSelector": {}}]}]
    inside, dns, baseline = walls["egress"]
    assert inside == {"to": [{"podSelector": {}}]}
    assert dns["ports"] == [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]
    assert baseline["ports"] == [{"port": 8080, "protocol": "TCP"}]


def test_shared_apps_lead_to_the_baseline_and_needs_set_variables(site: Path, run: Run) -> None:
    push(site, "cart", "42")
    run("reconcile")
    files = committed(site)
    (service,) = load_all(files["cart-42/manifests/db.yaml"], "x")
    assert service["spec"]["externalName"] == "db.staging.svc.cluster.local"
    web = next(o for o in load_all(files["cart-42/manifests/web.yaml"], "x") if o["kind"] == "Deployment")
    assert web["spec"]["template"]["spec"]["containers"][0]["env"] == [{"name": "CART", "value": "cart:80"}]


def test_a_second_run_makes_no_commit(site: Path, run: Run) -> None:
    push(site, "cart", "42")
    run("reconcile")
    before = commits(site)
    assert "nothing to write" in run("reconcile").output
    assert commits(site) == before


def test_two_repositories_and_one_branch_are_one_environment(site: Path, run: Run) -> None:
    push(site, "cart", "new-look")
    push(site, "shop", "new-look")
    run("reconcile")
    assert {path.split("/")[0] for path in committed(site)} == {"new-look"}


def test_a_closed_change_leaves_its_tombstone_alone(site: Path, run: Run) -> None:
    push(site, "cart", "42")
    run("reconcile")
    close(site, "cart", "42")
    run("reconcile")
    assert list(committed(site)) == ["cart-42/tombstone.yaml"]


def test_a_repository_that_is_gone_removes_nothing(site: Path, run: Run) -> None:
    push(site, "cart", "42")
    run("reconcile")
    before = committed(site)
    (site.parent / "cart").rename(site.parent / "elsewhere")
    run("reconcile", code=5)
    assert committed(site) == before


def test_more_removals_than_the_cap_need_a_yes(site: Path, run: Run) -> None:
    for number in range(1, 12):
        push(site, "cart", str(number))
    run("reconcile")
    for number in range(1, 12):
        close(site, "cart", str(number))
    assert "more than the cap of 10" in run("reconcile", code=8).output
    assert len([path for path in committed(site) if path.endswith("tombstone.yaml")]) == 0
    run("reconcile", "--yes")
    assert len([path for path in committed(site) if path.endswith("tombstone.yaml")]) == 11


def test_teardown_by_hand_lasts_until_the_next_commit(site: Path, run: Run) -> None:
    push(site, "cart", "42")
    run("reconcile")
    run("teardown", "cart-42")
    run("reconcile")
    assert list(committed(site)) == ["cart-42/tombstone.yaml"]
    push(site, "cart", "42", "more")
    run("reconcile")
    assert "cart-42/environment.yaml" in committed(site)


def test_an_environment_without_a_change_has_a_lease(site: Path, run: Run) -> None:
    run("preview", "--name", "friday-demo", "web@main", "--hours", "5", "--by", "qa")
    (environment,) = load_all(committed(site)["friday-demo/environment.yaml"], "x")
    assert environment["lease"]["by"] == "qa"
    run("reconcile")
    assert "friday-demo/environment.yaml" in committed(site)


def test_people_decide_how_long_an_environment_lives_and_git_log_tells(site: Path, run: Run) -> None:
    run("preview", "--name", "friday-demo", "web@main", "--hours", "5")
    before = committed(site)
    run("extend", "friday-demo", "--hours", "3", "--reason", "late demo", "--by", "qa")
    run("pin", "friday-demo", "--reason", "pen test")
    assert "pinned" in run("status").output
    run("preview", "--name", "friday-demo", "web@main")
    (environment,) = load_all(committed(site)["friday-demo/environment.yaml"], "x")
    assert (environment["lease"]["pinned"], environment["lease"]["reason"]) == (True, "pen test")
    run("unpin", "friday-demo")
    folder = site.parent / "environments.git"
    said = git("log", "--format=%s", "main", cwd=folder).splitlines()
    assert said == ["unpin friday-demo", "pin friday-demo", "extend friday-demo", "create friday-demo"]
    manifests = [path for path in before if "/manifests/" in path]
    assert {path: committed(site)[path] for path in manifests} == {path: before[path] for path in manifests}
    run("reconcile")
    assert git("log", "--format=%s", "main", cwd=folder).splitlines() == said


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (("extend", "friday-demo", "--hours", "9999", "--reason", "x"), 3, "`lease.most_hours` in layersite.yaml"),
        (("extend", "frday-demo", "--hours", "1", "--reason", "x"), 9, "did you mean `friday-demo`"),
        (("extend", "friday-demo", "--hours", "1"), 2, "Missing option '--reason'"),
        (("unpin", "friday-demo", "--dry-run"), 0, "dry run: nothing was written"),
    ],
)  # fmt: skip
def test_a_lease_has_limits(site: Path, run: Run, arguments: tuple[str, ...], code: int, text: str) -> None:
    run("preview", "--name", "friday-demo", "web@main", "--hours", "5")
    before = committed(site)
    assert text in run(*arguments, code=code).output
    assert committed(site) == before


AUTOSCALED = """
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: cart}
spec: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: cart}, minReplicas: 2, maxReplicas: 3}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: nightly}
spec:
  schedule: "0 1 * * *"
  jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [{name: main, image: cart}]}}}}
"""


def test_what_sleeps_has_no_pods_and_comes_back_as_it_was(site: Path, run: Run) -> None:
    base = site / "apps" / "cart" / "base" / "all.yaml"
    base.write_text(base.read_text() + AUTOSCALED)
    push(site, "cart", "42")
    run("reconcile")
    before = committed(site)["cart-42/manifests/cart.yaml"]
    assert "cart-42 is asleep" in run("sleep", "cart-42").output
    objects = {o["kind"]: o for o in load_all(committed(site)["cart-42/manifests/cart.yaml"], "x")}
    assert "HorizontalPodAutoscaler" not in objects
    assert (objects["Deployment"]["spec"]["replicas"], objects["CronJob"]["spec"]["suspend"]) == (0, True)
    assert "asleep" in run("status").output
    run("reconcile")
    assert "cart-42 is ready" in run("wake", "cart-42", "--hours", "2").output
    assert committed(site)["cart-42/manifests/cart.yaml"] == before


def test_preview_brings_up_one_change_and_leaves_the_others(site: Path, run: Run) -> None:
    push(site, "cart", "1")
    push(site, "cart", "2")
    run("preview", "cart#2")
    assert {path.split("/")[0] for path in committed(site)} == {"cart-2"}


def test_a_broken_app_holds_back_only_its_environments(site: Path, run: Run) -> None:
    write(site / "apps" / "web" / "overlays" / "x.yaml.j2", "kind: {{ nope }}\n")
    push(site, "cart", "1")
    write(site / "apps" / "lone" / "app.yaml", dump({"base": {"directory": "base"}, "repository": "shop"}))
    write(site / "apps" / "lone" / "base" / "all.yaml", DEPLOYMENT.replace("APP", "lone"))
    write(site / "apps" / "web" / "app.yaml", dump({"base": {"directory": "base"}, "needs": [{"app": "cart"}]}))
    push(site, "shop", "2")
    output = run("reconcile", code=8).output
    assert "nope" in output
    assert {path.split("/")[0] for path in committed(site)} == {"shop-2"}


def test_every_command_that_cannot_commit_says_so_in_its_exit_code(site: Path, run: Run) -> None:
    push(site, "cart", "42")
    run("reconcile")
    hook, before = freeze(site), committed(site)
    for arguments in (("teardown", "cart-42"), ("sleep", "cart-42"), ("preview", "--name", "demo", "web@main")):
        output = run(*arguments, code=6).output
        assert "frozen until Monday" in output
        assert "s3cret" not in output
    hook.unlink()
    assert committed(site) == before
    run("teardown", "cart-42")
    assert [*committed(site)] == ["cart-42/tombstone.yaml"]


def test_an_app_that_leaves_its_namespace_is_never_committed(site: Path, run: Run) -> None:
    overlay = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x, namespace: kube-system}\n"
    write(site / "apps" / "cart" / "overlays" / "x.yaml.j2", overlay)
    push(site, "cart", "1")
    assert "kube-system" in run("reconcile", code=8).output
    assert committed(site) == {}


@pytest.mark.parametrize(
    "arguments", [("reconcile",), ("preview", "cart#42"), ("preview", "--name", "demo", "web@main")]
)
def test_a_dry_run_shows_the_plan_and_writes_nothing(site: Path, run: Run, arguments: tuple[str, ...]) -> None:
    push(site, "cart", "42")
    plan = json.loads(run(*arguments, "--dry-run", "--output", "json").stdout)
    assert [action["verb"] for action in plan["actions"]] == ["create"]
    assert committed(site) == {}


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (("teardown", "cart-4"), 9, "there is no environment `cart-4`"),
        (("preview", "cart#9"), 9, "no open change is called `cart#9`"),
        (("preview", "--name", "demo", "wb@main"), 9, "there is no app `wb`, did you mean `web`?"),
        (("preview", "--name", "cart-7", "web@main"), 3, "is no name for an environment without a change"),
        (("preview", "--name", "demo", "web"), 2, "give each app as APP@REF"),
        (("preview", "--name", "demo", "web@nope"), 5, "no branch or tag `nope`"),
        (("render", "nope"), 9, "there is no environment `nope`"),
    ],
)  # fmt: skip
def test_wrong_names_say_what_to_do(run: Run, arguments: tuple[str, ...], code: int, text: str) -> None:
    assert text in run(*arguments, code=code).output


def test_hostile_text_is_harmless_in_output_and_commit(site: Path, run: Run) -> None:
    push(site, "cart", "cod\u202ee", "\x1b[31m $(id) {{ 7*7 }}\n\nEnvironment: x; rm -rf /\n")
    output = run("reconcile").output
    assert "\u202e" not in output
    assert "\x1b" not in output
    message = git("log", "-1", "--format=%B", "main", cwd=site.parent / "environments.git")
    assert message.isascii()
    assert "rm -rf /" not in message


MACHINES = {
    "here": {},
    "another hash seed and time zone": {"PYTHONHASHSEED": "1", "TZ": "Pacific/Auckland"},
    "another hash seed and locale": {"PYTHONHASHSEED": "4242", "LC_ALL": "tr_TR.UTF-8", "PYTHONUTF8": "0"},
}


def test_the_same_inputs_give_the_same_tree_on_every_machine(site: Path, tmp_path: Path) -> None:
    push(site, "cart", "42")
    push(site, "shop", "new-look")
    push(site, "cart", "new-look")
    trees = {}
    for number, (machine, settings) in enumerate(MACHINES.items()):
        checkout = shutil.copytree(site, tmp_path / f"machine {number}" / "site")
        for name in ("shop", "cart"):
            git("clone", "-q", "--mirror", str(tmp_path / name), str(checkout.parent / name))
        git("init", "-q", "--bare", "-b", "main", str(checkout.parent / "environments.git"))
        argv = [str(Path(sys.executable).with_name("layersite")), "--site", str(checkout), "reconcile"]
        subprocess.run(argv, env={**os.environ, **settings}, cwd=checkout.parent, check=True, capture_output=True)
        trees[machine] = git("rev-parse", "main^{tree}", cwd=checkout.parent / "environments.git")
    assert trees == dict.fromkeys(MACHINES, trees["here"])


def test_check_finds_manifests_that_were_edited_by_hand(site: Path, run: Run, tmp_path: Path) -> None:
    push(site, "cart", "42")
    run("reconcile")
    git("clone", "-q", str(tmp_path / "environments.git"), str(tmp_path / "copy"))
    (tmp_path / "copy" / "environments").rename(site / "environments")
    run("check")
    (manifest,) = (site / "environments").glob("*/cart-42/manifests/cart.yaml")
    manifest.write_text(manifest.read_text() + "# edited\n")
    assert "the manifests are not as rendered" in run("check", code=3).output


def test_what_is_committed_can_be_read_without_the_tokens_of_forge_and_argocd(site: Path, run: Run) -> None:
    push(site, "cart", "42")
    run("reconcile")
    settings = site / "layersite.yaml"
    more = {
        "forge": {"kind": "gitea", "url": "https://git.example.com"},
        "argocd": {"url": "https://argocd.example.com"},
    }
    settings.write_text(settings.read_text() + dump(more).removeprefix("---\n"))
    assert "cart-42" in run("status").output
