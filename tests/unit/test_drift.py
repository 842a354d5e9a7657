"""What drift says of committed environments, by what it prints and how it ends."""

import json
import re
from pathlib import Path

import pytest

from layersite.model.names import shard
from layersite.process import git

from . import test_reconcile
from .argocd import conftest
from .argocd.conftest import Answer, Stub
from .test_reconcile import Run, close, committed, push, write

site, run, stub = test_reconcile.site, test_reconcile.run, conftest.stub

CART = f"environments/{shard('cart-42')}/cart-42"


@pytest.fixture
def live(site: Path, run: Run) -> Path:
    """A site with one environment as it was rendered."""
    push(site, "cart", "42")
    run("reconcile")
    return site


def edit(site: Path, files: dict[str, str | None], subject: str = "quick fix") -> str:
    """Commit `files` (None: removed) to the environments repository as a person does; return the commit."""
    work = site.parent / "work"
    if not work.exists():
        git("clone", "-q", str(site.parent / "environments.git"), str(work))
    git("pull", "-q", cwd=work)
    for path, text in files.items():
        if text is None:
            (work / path).unlink()
        else:
            write(work / path, text)
    git("add", "-A", cwd=work)
    git("-c", "user.name=Mona", "-c", "user.email=mona@example.com", "commit", "-q", "-m", subject, cwd=work)
    git("push", "-q", "origin", "HEAD:main", cwd=work)
    return git("rev-parse", "HEAD", cwd=work).strip()


def drifts(run: Run, *arguments: str) -> dict[str, list[tuple[str, str]]]:
    said = run("drift", "--output", "json", *arguments, code=14).stdout
    return {each["environment"]: [(f["kind"], f["text"]) for f in each["findings"]] for each in json.loads(said)}


def test_what_was_just_rendered_has_not_drifted(live: Path, run: Run) -> None:
    assert run("drift").output.split() == ["environment", "what", "why"]


def test_a_sleeping_or_extended_environment_has_not_drifted(live: Path, run: Run) -> None:
    run("sleep", "cart-42")
    run("pin", "cart-42", "--reason", "demo")
    run("drift")


@pytest.mark.parametrize(
    ("file", "text", "part"),
    [
        ("layersite.yaml", "\nlimits: {quota: {pods: '3'}}\n", "layersite.yaml"),
        ("apps/cart/base/all.yaml", "\n# new\n", "apps/cart"),
        ("apps/web/overlays/more.yaml.j2", "# new\n", "apps/web/overlays"),
    ],
)
def test_it_says_which_kind_of_input_changed(live: Path, run: Run, file: str, text: str, part: str) -> None:
    before = (live / file).read_text() if (live / file).exists() else ""
    write(live / file, before + text)
    assert drifts(run) == {"cart-42": [("inputs", f"{part} changed since it was rendered")]}
    run("reconcile")
    run("drift")


def test_what_can_no_longer_be_planned_is_told(live: Path, run: Run) -> None:
    with (live / "layersite.yaml").open("a") as file:
        file.write("dependencies: mock\n")
    ((kind, text),) = drifts(run)["cart-42"]
    assert kind == "inputs"
    assert text.startswith("it can no longer be planned: ")


def test_an_app_that_it_does_not_show_is_no_drift(live: Path, run: Run) -> None:
    write(live / "apps/extra/app.yaml", "base: {directory: base}\n")
    run("drift")


def test_it_says_that_another_layersite_rendered_it(live: Path, run: Run) -> None:
    path = f"{CART}/environment.yaml"
    text = committed(live)["cart-42/environment.yaml"]
    edit(live, {path: re.sub(r"layersite: .*", "layersite: 99.0.0", text)})
    (finding,) = drifts(run)["cart-42"]
    assert finding[0] == "version"
    assert finding[1].startswith("rendered by layersite 99.")


def test_hand_edits_are_named_with_their_files_author_and_commit(live: Path, run: Run) -> None:
    first = edit(live, {f"{CART}/manifests/cart.yaml": "kind: Nothing\n", f"{CART}/manifests/db.yaml": None})
    second = edit(live, {f"{CART}/manifests/extra.yaml": "kind: Extra\n"}, "one more")
    assert drifts(run)["cart-42"] == [
        ("edited", f"A manifests/extra.yaml by Mona <mona@example.com> in {second[:12]}: one more"),
        ("edited", f"M manifests/cart.yaml, D manifests/db.yaml by Mona <mona@example.com> in {first[:12]}: quick fix"),
    ]
    said = run("drift", "cart-42", "--diff", code=14).stdout
    assert "-kind: Nothing" in said
    assert "+++ rendered/manifests/db.yaml" in said
    run("reconcile")
    run("drift")


def test_a_hand_edit_of_the_contract_is_one_and_reconcile_undoes_it(live: Path, run: Run) -> None:
    before = committed(live)
    text = before["cart-42/environment.yaml"].replace("image: ", "image: x").replace("reg/cart:", "evil/cart:")
    commit = edit(live, {f"{CART}/environment.yaml": text})
    assert drifts(run)["cart-42"] == [
        ("edited", f"M environment.yaml by Mona <mona@example.com> in {commit[:12]}: quick fix")
    ]
    run("reconcile")
    assert "evil" not in committed(live)["cart-42/environment.yaml"]
    run("drift")


def test_the_author_is_found_from_a_clone_without_history(live: Path, run: Run) -> None:
    commit = edit(live, {f"{CART}/manifests/extra.yaml": "kind: Extra\n"})
    push(live, "shop", "7")
    run("pin", "cart-42", "--reason", "later")
    for number in range(3):
        edit(live, {"README.md": str(number)})
    run("reconcile", "--dry-run")
    for cache in (live / ".layersite" / "store").iterdir():
        cache.rename(cache.with_suffix(".gone"))
    assert drifts(run)["cart-42"] == [
        ("edited", f"A manifests/extra.yaml by Mona <mona@example.com> in {commit[:12]}: quick fix")
    ]


def test_an_edit_that_was_taken_back_is_no_drift(live: Path, run: Run) -> None:
    path = f"{CART}/manifests/cart.yaml"
    edit(live, {path: "kind: Nothing\n"})
    edit(live, {path: committed_before(live, path)})
    run("drift")


def committed_before(site: Path, path: str) -> str:
    return git("show", f"main~1:{path}", cwd=site.parent / "environments.git")


def test_what_goes_away_does_not_drift_and_unknown_names_are_said(live: Path, run: Run) -> None:
    close(live, "cart", "42")
    run("reconcile")
    run("drift")
    run("drift", "cart-42", code=9)


def test_online_needs_an_argo_cd(live: Path, run: Run) -> None:
    assert "names no Argo CD" in run("drift", "--online", code=1).output


@pytest.fixture
def online(live: Path, stub: Stub, monkeypatch: pytest.MonkeyPatch) -> Stub:
    """The Argo CD that the site names."""
    settings = (live / "layersite.yaml").read_text()
    write(live / "layersite.yaml", f"{settings}\nargocd: {{url: {stub.url}}}\n")
    monkeypatch.setenv("LAYERSITE_ARGOCD_TOKEN", "token")
    return stub


def test_online_says_what_in_the_cluster_is_not_as_committed(live: Path, run: Run, online: Stub) -> None:
    name = {"metadata": {"name": "env-cart-42"}}
    deployment = {"kind": "Deployment", "name": "cart", "namespace": "env-cart-42"}
    changed = {
        **deployment,
        "normalizedLiveState": json.dumps({"spec": {"replicas": 3}}),
        "predictedLiveState": json.dumps({"spec": {"replicas": 1}}),
    }
    online.on(
        "/api/v1/applications",
        Answer({"items": [{**name, "status": {"sync": {"status": "Synced"}}}]}),
        Answer({"items": [{**name, "status": {"sync": {"status": "OutOfSync"}}}]}),
    )
    resources = [{**deployment, "status": "OutOfSync"}]
    online.on("/api/v1/applications/env-cart-42", Answer({**name, "status": {"resources": resources}}))
    online.on("/api/v1/applications/env-cart-42/managed-resources", Answer({"items": [changed]}))
    run("drift", "--online")
    said = run("drift", "--online", "--diff", code=14).stdout
    assert "Deployment cart differs from what was committed" in said
    assert "-  replicas: 3\n+  replicas: 1\n" in said


def test_an_environment_that_argo_cd_does_not_know_is_told(live: Path, run: Run, online: Stub) -> None:
    online.on("/api/v1/applications", Answer({"items": [{"metadata": {"name": "env-other"}}]}))
    assert drifts(run, "--online") == {"cart-42": [("live", "Argo CD has no Application of it")]}
