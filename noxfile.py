# /// script
# requires-python = ">=3.11"
# dependencies = ["nox==2026.10.20", "uv==0.13.9"]
# ///
"""Every task, the same file in the product and in a site: `python3 noxfile.py -l` lists them.

It needs Python and git alone: where nox is missing, it installs the pins above into `.nox/bootstrap` and goes on there.
"""

import importlib.util
import os
import re
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

try:
    import nox
except ModuleNotFoundError:
    if importlib.util.find_spec("ensurepip") is None:
        sys.exit("Python's venv cannot install pip here; on Debian and Ubuntu: apt install python3-venv")
    _source = Path(__file__).read_text(encoding="utf-8")
    _block = re.findall(r"(?m)^# /// script$\s((?:^#(?:| .*)$\s)+)^# ///$", _source)[0]
    _pins = tomllib.loads(re.sub(r"(?m)^# ?", "", _block))["dependencies"]
    _home = Path(__file__).parent.absolute() / ".nox" / "bootstrap"
    _bin, _done = _home / ("Scripts" if os.name == "nt" else "bin"), _home / "done.txt"
    if not _done.is_file() or _done.read_text(encoding="utf-8") != str(_pins):
        venv.create(_home, clear=True, with_pip=True)
        subprocess.run([_bin / "python", "-m", "pip", "install", "--quiet", *_pins], check=True)
        _done.write_text(str(_pins), encoding="utf-8")
    os.environ["PATH"] = f"{_bin}{os.pathsep}{os.environ['PATH']}"
    os.execv(_bin / "python", ["python", "-m", "nox", "--noxfile", __file__, *sys.argv[1:]])  # noqa: S606

nox.needs_version = ">=2026.10.20"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.reuse_venv = "yes"
nox.options.download_python = "never"

PRODUCT = Path("src/layersite").is_dir()
VERBS = {
    "reconcile": "Bring every environment in line with the open changes; the bot's main job.",
    "preview": "Make or renew the environment of one change: nox -s preview -- web#blue",
    "teardown": "Take an environment away: nox -s teardown -- web-42",
    "extend": "Let an environment live longer: nox -s extend -- web-42 --hours 24 --reason 'demo on Friday'",
    "pin": "Keep an environment without an end: nox -s pin -- web-42 --reason 'pen test'",
    "unpin": "Take the pin away, so that the lease begins anew: nox -s unpin -- web-42",
    "sleep": "Take an environment's pods away for a while: nox -s sleep -- web-42",
    "wake": "Bring them back: nox -s wake -- web-42 --hours 4",
    "reap": "Find what is left without an environment, in the cluster and on database servers: nox -s reap -- --apply",
    "serve": "Run the bot as a service that webhooks wake.",
    "status": "Show the environments and what they are made of.",
    "drift": "Say which environments are not what the site says now, and why: nox -s drift -- --diff",
    "renew": "Render environments again, wave by wave, after the site or layersite changed: nox -s renew -- --dry-run",
    "history": "Say what the environments repository's history costs: nox -s history; with -- --squash, replace it.",
    "render": "Print an environment's manifests without writing anything: nox -s render -- --app hello-web",
    "bootstrap": "Set Argo CD up for this site: nox -s bootstrap -- --apply",
    "doctor": "Say what is wrong around this site, and how to mend it; with -- --probe, try it.",
    "golden": "Build a masked, verified copy of a database: nox -s golden -- build shop",
    "fixtures": "Fill an environment's database with made-up rows: nox -s fixtures -- web-42 shop",
    "clone": "Bring an environment its databases, or with --reset new ones: nox -s clone -- web-42",
    "adopt": "Describe existing services as apps: nox -s adopt -- compose.yaml",
}
WITH_ANSIBLE = {"reconcile", "preview", "teardown", "sleep", "wake", "reap", "renew", "serve", "clone"}
"""The verbs that run playbooks."""


def _install(session: nox.Session, *groups: str) -> None:
    """Install the bot: in the product from its sources with dependency `groups`, in a site as it is pinned there."""
    if PRODUCT:
        options = [f"--group={group}" for group in groups]
        venv_path = {"UV_PROJECT_ENVIRONMENT": session.virtualenv.location}
        session.run_install("uv", "sync", "--locked", *options, env=venv_path, external=True)
    else:
        files = {"requirements/ansible.txt" if group == "ansible" else "requirements/checks.txt" for group in groups}
        session.install("-r", "requirements/layersite.txt", *(f"--requirement={file}" for file in sorted(files)))


@nox.session
def check(session: nox.Session) -> None:
    """Find mistakes: in a site in its configuration and apps, in the product in its sources."""
    _install(session, "lint")
    if PRODUCT:
        session.run("ruff", "check")
        session.run("ruff", "format", "--check")
        session.run("mypy")
        session.run("lint-imports")
        session.run("ansible-lint", "-q", "playbooks", "roles", "inventory", "tests/roles")
    else:
        session.run("layersite", "check", *session.posargs)
    session.run("yamllint", "--strict", ".")


def _add_verb(verb: str, summary: str) -> None:
    def run(session: nox.Session) -> None:
        _install(session, *(["ansible"] if verb in WITH_ANSIBLE else []))
        session.run("layersite", verb, *session.posargs)

    run.__doc__ = summary
    nox.session(name=verb, default=False)(run)


for _verb, _summary in VERBS.items():
    _add_verb(_verb, _summary)

if PRODUCT:

    @nox.session
    def tests(session: nox.Session) -> None:
        """Run the tests, those that generate a site and run its sessions among them."""
        _install(session, "test")
        session.run("pytest", "-n2", "--dist=loadfile", *session.posargs)

    @nox.session(default=False)
    def testbed(session: nox.Session) -> None:
        """Start or stop a real cluster, Argo CD and forge: nox -s testbed -- up, or down, status, exec -- COMMAND."""
        _install(session, "test")
        session.run("python", "-m", "tests.testbed", *(session.posargs or ["status"]))

    @nox.session(default=False)
    def e2e(session: nox.Session) -> None:
        """Run the end-to-end tests in a bed that goes afterwards, unless --keep, or on the cluster of --kubeconfig."""
        _install(session, "test")
        chosen = [argument for argument in session.posargs if argument != "--keep"]
        where = [] if any(argument.startswith("tests/") for argument in chosen) else ["tests/e2e"]
        keep = ["--keep"] if "--keep" in session.posargs else []
        is_elsewhere = any(argument.startswith("--kubeconfig") for argument in chosen)
        bed = [] if is_elsewhere else ["python", "-m", "tests.testbed", "run", *keep, "--"]
        session.run(*bed, "pytest", *where, *chosen)

    @nox.session(default=False)
    def demo(session: nox.Session) -> None:
        """Show a change become an environment and go again, in a temporary folder, without a cluster."""
        _install(session, "demo")
        session.run("python", "-m", "layersite.demo", *session.posargs)

    @nox.session(default=False)
    def bench(session: nox.Session) -> None:
        """Run the benchmarks, or the one that is named; a bed is started for the last: nox -s bench -- e2e."""
        _install(session, "bench")
        bed = ["python", "-m", "tests.testbed", "run", "--"] if "e2e" in session.posargs[:1] else []
        session.run(*bed, "python", "-m", "benchmarks", *session.posargs)

    @nox.session(default=False)
    def docs(session: nox.Session) -> None:
        """Write the reference pages that follow from the code."""
        _install(session)
        session.run("python", "docs/generate.py")

    @nox.session(default=False)
    def schemas(session: nox.Session) -> None:
        """Write the JSON schemas of the site's files, which editors read, to schemas/."""
        _install(session)
        session.run("python", "-m", "layersite.model.schemas", *(session.posargs or ["schemas"]))

else:

    @nox.session
    def smoke(session: nox.Session) -> None:
        """Render every app and see that it can work; with the NAME of an environment, try that one: -- web-42."""
        _install(session, "smoke")
        name = next((argument for argument in session.posargs[:1] if not argument.startswith("-")), "")
        chosen = ["--ignore=tests/smoke/test_site.py", *session.posargs[1:]] if name else session.posargs
        session.run("pytest", "tests/smoke", *chosen, env={"LAYERSITE_ENVIRONMENT": name})


if __name__ == "__main__":
    nox.main()
