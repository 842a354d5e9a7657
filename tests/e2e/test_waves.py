"""A broken overlay reaches one wave of a real cluster's environments, and its mend reaches them all."""

from tests.e2e.team import Team

BROKEN = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec: {template: {spec: {containers: [{name: main, command: [/bin/sh, -c, "echo no such option >&2; exit 3"]}]}}}
"""
MENDED = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, annotations: {mended: "yes"}}
"""


def test_a_broken_overlay_breaks_one_wave_and_its_mend_reaches_all(team: Team) -> None:
    texts = {f"web-{team.open('web', f'wave-{n}', f'hello {n}')}": f"hello {n}" for n in range(3)}
    first, *others = sorted(texts)
    team.layersite("reconcile")
    settings = team.site / "layersite.yaml"
    before = settings.read_text()
    settings.write_text(
        before.replace("waves:\n  environments: 10\n  percent: 10", "waves: {environments: 1, percent: 0}")
    )
    overlay = team.site / "apps" / "web" / "overlays" / "web.yaml.j2"
    overlay.parent.mkdir()
    overlay.write_text(BROKEN)
    assert team.layersite("renew", "--dry-run").count("no such option") == 3

    said = team.layersite("renew", code=8)
    assert f"{first} is failed" in said
    assert "no such option" in said
    said = team.layersite("reconcile", code=None)
    assert said.count(f"waits until {first}, which got before it what changed, can be seen to be healthy") == 2
    said = team.layersite("drift", code=14)
    assert [name for name in texts if f"{name} " in said and name != first] == others
    for name in others:
        team.shows(name, texts[name])

    overlay.write_text(MENDED)
    said = team.layersite("renew")
    assert [name for name in texts if f"{name} is ready" in said] == sorted(texts)
    team.layersite("drift", "--online")
    for name, text in texts.items():
        team.shows(name, text)
    overlay.unlink()
    overlay.parent.rmdir()
    settings.write_text(before)
    for name in texts:
        team.close("web", int(name.removeprefix("web-")))
    team.layersite("reconcile")
    assert not team.namespaces()
