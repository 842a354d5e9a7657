"""Render, validate and make the tree of a ten-service environment, beside `kubectl kustomize` and an Ansible loop."""

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from layersite import __version__
from layersite.model.catalog import load_catalog
from layersite.model.environment import Member
from layersite.model.site import load_site
from layersite.model.yaml import dump
from layersite.plan import World, build_environment
from layersite.render import Renderer

__all__ = ["main"]

SERVICES = 10
SITE = {
    "organization": "bench",
    "environments": {"url": "environments.git"},
    "cluster": {"baseline": {"namespace": "staging"}},
    "exposure": {"domain": "preview.example.com"},
}
OVERLAY = """apiVersion: v1
kind: ConfigMap
metadata: {{name: {app}}}
data: {{environment: "{{{{ environment.name }}}}"}}
"""
PLAY = """- hosts: localhost
  gather_facts: false
  tasks:
    - name: Render every file
      ansible.builtin.template: {src: "{{ item }}", dest: "{{ item }}.out", mode: "0644"}
      loop: "{{ query('ansible.builtin.fileglob', playbook_dir ~ '/templates/*') }}"
"""


def objects(app: str) -> list[dict[str, object]]:
    """Return the four objects of one service."""
    labels = {"app": app}
    container = {"name": "main", "image": app, "ports": [{"containerPort": 8080}], "env": [{"name": "A", "value": "b"}]}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    spec = {"selector": {"matchLabels": labels}, "template": template}
    return [
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": app}, "spec": spec},
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": app},
            "spec": {"selector": labels, "ports": [{"port": 80}]},
        },
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": app}},
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": app}, "data": {"environment": "none"}},
    ]


def lay_out(folder: Path) -> list[str]:
    """Write a site of ten services with one overlay each, the same as a kustomization, and as Ansible templates."""
    names = [f"service-{number}" for number in range(SERVICES)]
    (folder / "layersite.yaml").write_text(dump(SITE))
    (folder / "templates").mkdir()
    for name in names:
        base = folder / "apps" / name / "base"
        base.mkdir(parents=True)
        (base.parent / "overlays").mkdir()
        (base.parent / "app.yaml").write_text(dump({"base": {"directory": "base"}}))
        (base.parent / "overlays" / "env.yaml.j2").write_text(OVERLAY.format(app=name))
        for item in objects(name):
            (base / f"{item['kind']}.yaml").write_text(dump(item))
            (folder / "templates" / f"{name}-{item['kind']}.yaml").write_text(dump(item))
    files = [path.relative_to(folder).as_posix() for path in sorted(folder.glob("apps/*/base/*.yaml"))]
    patches = [
        {
            "patch": dump(
                {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"environment": "x"}}
            )
        }
        for name in names
    ]
    (folder / "kustomization.yaml").write_text(dump({"namespace": "env-x", "resources": files, "patches": patches}))
    (folder / "play.yaml").write_text(PLAY)
    return names


def median(work: Callable[[], object], runs: int) -> float:
    """Return the median time of `work` in milliseconds after one run that warms it."""
    work()
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        work()
        times.append((time.perf_counter() - start) * 1000)
    return statistics.median(times)


def main() -> None:
    """Print the table; each peer stands in it only where its command is installed."""
    argparse.ArgumentParser(prog="benchmarks render", description=__doc__).parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        apps = lay_out(folder)
        site, _ = load_site(folder)
        catalog = load_catalog(folder, site)
        member = Member(repository="all", branch="main", sha="a" * 40, apps=tuple(apps))
        environment = build_environment(World(site, catalog, __version__), "bench-1", (member,), None, None)
        renderer = Renderer(site, catalog, folder / "cache")
        ours = median(lambda: renderer.render(environment), 50)
        print(f"layersite: render + validate + tree, 10 services, warm   {ours:9.1f} ms   goal < 10 ms")
        ansible = str(Path(sys.executable).parent / "ansible-playbook")
        peers = [
            ("kubectl kustomize", ["kubectl", "kustomize", name], 5),
            ("kustomize build", ["kustomize", "build", name], 5),
            ("Ansible template loop", [ansible, "-c", "local", str(folder / "play.yaml")], 1),
        ]
        for title, argv, runs in peers:
            if shutil.which(argv[0]):
                theirs = median(lambda argv=argv: subprocess.run(argv, check=True, capture_output=True), runs)  # type: ignore[misc]
                print(f"{title:<55}{theirs:9.1f} ms   {theirs / ours:.0f} times ours")


if __name__ == "__main__":
    main()
