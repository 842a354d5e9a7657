"""The doctor on a real cluster: a healthy team has nothing to mend, what is broken is named, and the probe is real."""

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import httpx
import pytest

from tests.e2e.team import Team

Found = dict[str, dict[str, str]]


def doctor(team: Team, *arguments: str, code: int = 0) -> Found:
    said = team.layersite("doctor", "--output", "json", *arguments, code=code)
    rows, _ = json.JSONDecoder().raw_decode(said, said.index("["))
    return {row["what"]: row for row in rows}


def wrong(found: Found) -> list[str]:
    return [name for name, each in found.items() if each["state"] != "ok"]


def patch(team: Team, kind: str, spec: dict[str, object]) -> None:
    change = json.dumps({"spec": spec})
    team.bed.kubectl("patch", kind, team.name, "--namespace=argocd", "--type=merge", "--patch", change)


def test_a_healthy_team_has_nothing_to_mend(team: Team) -> None:
    found = doctor(team)
    assert wrong(found) == [], found
    assert found["Argo CD's webhooks"]["text"] == "both take signed events, and refuse others"
    assert found["right to speak in web"]["text"] == "the token's account may comment and set statuses"


def test_the_token_of_the_project_s_role_is_enough(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    path = f"{team.bed.argocd_url}/api/v1/projects/{team.name}/roles/bot/token"
    headers = {"Authorization": f"Bearer {team.bed.argocd_admin_token}"}
    made = httpx.post(path, headers=headers, json={"expiresIn": 3600}, trust_env=False, timeout=30).raise_for_status()
    monkeypatch.setitem(team.environment, "LAYERSITE_ARGOCD_TOKEN", made.json()["token"])
    assert wrong(doctor(team)) == []


# What is broken; that the next one is named alone shows that the last one was mended


@contextmanager
def variable(team: Team, name: str, value: str) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as context:
        context.setitem(team.environment, name, value)
        yield


@contextmanager
def settings(team: Team, old: str, new: str) -> Iterator[None]:
    path = team.site / "layersite.yaml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    yield
    path.write_text(text)


@contextmanager
def patched(team: Team, kind: str, spec: dict[str, object], undo: dict[str, object] | None = None) -> Iterator[None]:
    """Change an object as somebody would by hand; what `bootstrap --apply` cannot undo is undone by `undo`."""
    patch(team, kind, spec)
    yield
    if undo:
        patch(team, kind, undo)
    else:
        team.layersite("bootstrap", "--apply")


@contextmanager
def private(team: Team) -> Iterator[None]:
    """Hide the environments repository from Argo CD for a while."""
    team.api("PATCH", f"/repos/{team.name}/environments", private=True)
    yield
    team.api("PATCH", f"/repos/{team.name}/environments", private=False)


@pytest.mark.parametrize(
    ("broken", "what", "text", "mend"),
    [
        pytest.param(
            lambda team: variable(team, "LAYERSITE_ARGOCD_TOKEN", "nonsense"),
            "Argo CD's token",
            "the token is wrong, expired or revoked; make one with `argocd proj role create-token",
            "",
            id="wrong token",
        ),
        pytest.param(
            lambda team: variable(team, "LAYERSITE_ARGOCD_TOKEN", team.bed.argocd_token),
            "Argo CD's token",
            "it lacks the rights: applications, get; applications, sync; applicationsets, get; logs, get",
            "use a token of the role `bot` of the project",
            id="token of another project",
        ),
        pytest.param(
            lambda team: variable(team, "LAYERSITE_ARGOCD_WEBHOOK_SECRET", "nonsense"),
            "Argo CD's webhooks",
            "is its `webhook.github.secret` in the Secret `argocd-secret` ours",
            "",
            id="wrong webhook secret",
        ),
        pytest.param(
            lambda team: settings(team, f'name: "{team.bed.gateway_name}"', 'name: "nowhere"'),
            "way in",
            "the gateway `nowhere` in `gateway-system` is not there",
            "create it, or name another one under `exposure` of layersite.yaml",
            id="gateway missing",
        ),
        pytest.param(
            lambda team: settings(team, f'namespace: "stage-{team.name}"', 'namespace: "nowhere"'),
            "baseline",
            "there is no namespace `nowhere`",
            "create it",
            id="baseline missing",
        ),
        pytest.param(
            lambda team: patched(team, "applicationset", {"syncPolicy": {"applicationsSync": "create-only"}}),
            "Argo CD's application set",
            "is not what layersite.yaml says at spec.syncPolicy.applicationsSync",
            "run `layersite bootstrap --apply`",
            id="ApplicationSet changed by hand",
        ),
        pytest.param(
            lambda team: patched(
                team, "appproject", {"sourceNamespaces": ["elsewhere"]}, undo={"sourceNamespaces": None}
            ),
            "Argo CD's project",
            "is not what layersite.yaml says at spec.sourceNamespaces",
            "take it out with `kubectl edit`",
            id="project widened by hand",
        ),
        pytest.param(
            private,
            "Argo CD's view of git",
            "Argo CD cannot make applications",
            "give `bootstrap --apply` the password",
            id="repository unreadable",
        ),
    ],
)
def test_what_is_broken_is_named_alone(
    team: Team, broken: Callable[[Team], AbstractContextManager[None]], what: str, text: str, mend: str
) -> None:
    with broken(team):
        found = doctor(team, code=12)
        assert wrong(found) == [what], found
        assert text in found[what]["text"]
        assert mend in found[what]["mend"]


# The probe


def is_nothing_left(team: Team) -> bool:
    roles = team.bed.kubectl("get", "clusterroles,configmaps,namespaces", "--all-namespaces", "-o", "name")
    return not (team.applications() or team.namespaces() or team.committed() or f"{team.name}-layersite" in roles)


def test_the_probe_appears_is_kept_in_its_walls_and_disappears(team: Team) -> None:
    found = doctor(team, "--probe")
    probed = {name: each["text"] for name, each in found.items() if name.startswith("probe")}
    assert probed == {
        "probe appears": "its application came, was synced and healthy",
        "probe stays in its walls": "Argo CD refused a cluster-wide kind, other namespaces, and an application of "
        "another project",
        "probe disappears": "its application and its namespace are gone",
    }
    assert is_nothing_left(team)
