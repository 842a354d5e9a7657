"""The runner, as far as it gets without a cluster; `tests/e2e/test_roles.py` has one."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from layersite.model.app import App, Base, Secret
from layersite.model.catalog import Catalog
from layersite.model.environment import Environment, Slot, Tombstone
from layersite.model.errors import ToolError
from layersite.playbooks import Playbooks, declared_secrets

ROOT = Path(__file__).parents[2]
WEB = Tombstone(
    name="web-1", cluster="in-cluster", namespace="env-web-1", generation=2, cause="closed", reason="closed"
)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    for name in ("playbooks", "roles", "library", "inventory", "ansible.cfg"):
        (tmp_path / name).symlink_to(ROOT / name)
    shutil.copy(ROOT / "tests/fixtures/valid/site-minimal.yaml", tmp_path / "layersite.yaml")
    return tmp_path


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kubeconfig with one context, whose API server does not run."""
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    (tmp_path / "kubeconfig").write_text("""
apiVersion: v1
kind: Config
current-context: here
clusters: [{name: here, cluster: {server: "http://127.0.0.1:9"}}]
contexts: [{name: here, context: {cluster: here, user: nobody}}]
users: [{name: nobody, user: {token: hunter2}}]
""")


def environment(**slice_: str) -> Environment:
    slots = {app: Slot.model_validate({"provision": provision, "reason": "test"}) for app, provision in slice_.items()}
    return Environment(name="web-1", cluster="in-cluster", namespace="env-web-1", slice=slots)


def catalog(**secrets: list[Secret]) -> Catalog:
    apps = {name: App(base=Base(directory="base"), secrets=tuple(each)) for name, each in secrets.items()}
    return Catalog(Path("apps"), apps, {})


@pytest.mark.usefixtures("nowhere")
def test_a_cluster_that_is_not_there_is_an_error_that_names_it(site: Path) -> None:
    with pytest.raises(ToolError, match=r"the API server http://127\.0\.0\.1:9 cannot be reached") as error:
        Playbooks(site, catalog(web=[])).reap([WEB])
    assert "hunter2" not in str(error.value)


@pytest.mark.usefixtures("nowhere")
def test_secrets_say_so_too_though_their_task_is_silent(site: Path) -> None:
    wanted = catalog(web=[Secret(name="token", source="generate", keys=("value",))])
    with pytest.raises(ToolError, match=r"the API server http://127\.0\.0\.1:9 cannot be reached"):
        Playbooks(site, wanted).secrets([environment(web="isolated")])


@pytest.mark.usefixtures("nowhere")
def test_a_cluster_is_the_context_of_its_name(site: Path) -> None:
    with pytest.raises(ToolError, match="the context `west` of the kubeconfig cannot be used"):
        Playbooks(site, catalog(web=[])).reap([WEB.model_copy(update={"cluster": "west"})])


def test_a_play_that_cannot_run_says_why(site: Path) -> None:
    (site / "playbooks").unlink()
    with pytest.raises(ToolError, match=r"playbooks/environment_reap\.yml could not be found"):
        Playbooks(site, catalog(web=[])).reap([WEB])


def test_nothing_to_do_needs_no_cluster(site: Path) -> None:
    assert Playbooks(site, catalog(web=[])).reap([]) == {}
    assert Playbooks(site, catalog(web=[])).secrets([environment(web="isolated")]) == {"web-1": None}


def test_an_environment_wants_the_secrets_of_its_isolated_apps() -> None:
    outside = Secret(name="outside", source="external", store="vault", keys=("key",))
    wanted = catalog(
        api=[Secret(name="db", source="copy", keys=("user",)), outside],
        shared=[Secret(name="other", source="copy")],
        web=[Secret(name="db", source="copy", keys=("password",)), Secret(name="all", source="copy")],
    )
    found = declared_secrets(environment(api="isolated", shared="shared", web="isolated"), wanted)
    assert [(secret.name, secret.keys) for secret in found] == [("db", ("password", "user")), ("all", ())]


def reap(site: Path, *options: str) -> subprocess.CompletedProcess[str]:
    play = [str(Path(sys.executable).parent / "ansible-playbook"), "playbooks/reap.yml", *options]
    return subprocess.run(play, cwd=site, capture_output=True, encoding="utf-8")


def test_a_site_with_nothing_left_over_is_reaped_without_a_change(site: Path) -> None:
    (site / "playbooks").unlink()  # a link would lead to the product's own root, which is no site
    shutil.copytree(ROOT / "playbooks", site / "playbooks")
    (site / "apps").mkdir()
    done = reap(site, "--check")
    assert "ok=1    changed=0" in done.stdout, done.stdout
    assert done.returncode == 0


def test_reaping_fails_as_the_command_does(site: Path) -> None:
    (site / "playbooks").unlink()
    shutil.copytree(ROOT / "playbooks", site / "playbooks")
    (site / "layersite.yaml").write_text("organization: acme\n")
    done = reap(site)
    assert done.returncode != 0
    assert "cluster" in done.stdout
