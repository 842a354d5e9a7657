"""Bring a bed up as a whole, and take it away without a trace."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from tests.testbed import argocd, cluster, gitea
from tests.testbed.bed import Bed
from tests.testbed.programs import GROUPS, BedError, asset, build, build_all, locked
from tests.testbed.space import ADDRESS, Space

__all__ = ["down", "running", "up"]

_PACKAGES = {
    "/usr/bin/cc": "gcc",
    "/usr/include/stdio.h": "libc6-dev",
    "/usr/sbin/ip": "iproute2",
    "/usr/sbin/nft": "nftables",
    "/usr/sbin/conntrack": "conntrack",
    "/usr/sbin/runc": "runc",
    "/usr/bin/redis-server": "redis-server",
    "/usr/bin/openssl": "openssl",
    "/usr/bin/nsenter": "util-linux",
    "/usr/bin/git": "git",
    "/usr/share/doc/busybox-static": "busybox-static",
}


def running(space: Space) -> Bed | None:
    """Return the bed if all of it runs."""
    state = space.state()
    return Bed.from_state(state) if "bed" in state and all(space.processes().values()) else None


def up(space: Space) -> Bed:
    """Start the bed unless all of it runs already; what is left of a broken one is removed first."""
    if sys.platform != "linux" or os.geteuid() != 0:
        raise BedError("the bed needs Linux and root; nothing was built or started")
    with locked("packages"):
        _install_packages()
    build_all()
    with locked(f"bed-{space.id}"):
        bed = running(space)
        if bed is None:
            space.destroy()
            bed = _start(space)
            space.write_state(bed=asdict(bed))
        return bed


def down(space: Space) -> None:
    """Stop the bed and remove everything that belongs to it."""
    with locked(f"bed-{space.id}"):
        space.destroy()


def _start(space: Space) -> Bed:
    space.create()
    _link_programs(space)
    cluster.start_registry(space)
    cluster.start_control_plane(space)
    gitea.start(space)
    cluster.start_runtime(space)
    cluster.start_controllers(space)
    cluster.start_node(space)
    cluster.install_definitions(space)
    webhook = argocd.install(space)
    argocd.start(space)
    cluster.apply(space, "gateway.yaml")
    cluster.start_gateway(space)
    cluster.apply(space, "coredns.yaml")
    token = gitea.create_admin(space)
    keys = argocd.make_keys(space, webhook)
    cluster.wait_ready(space)
    return _describe(space, keys, token)


def _describe(space: Space, keys: argocd.Keys, gitea_token: str) -> Bed:
    return Bed(
        kubeconfig=str(space.directory / "kubeconfig"),
        argocd_url=argocd.URL,
        argocd_token=keys.account,
        argocd_admin_token=keys.admin,
        argocd_webhook_url=f"{argocd.URL}/api/webhook",
        applicationset_webhook_url=f"{argocd.APPLICATIONSET_URL}/api/webhook",
        webhook_secret=keys.webhook,
        gitea_url=gitea.URL,
        gitea_user=gitea.USER,
        gitea_token=gitea_token,
        registry=cluster.REGISTRY,
        gateway_url=f"http://{ADDRESS}",
        gateway_name="gateway",
        gateway_namespace="gateway-system",
        domain="bed.test",
        id=space.id,
        netns=space.netns,
        directory=str(space.directory),
    )


def _link_programs(space: Space) -> None:
    """Put the bed's programs on its PATH: containerd and Argo CD look for theirs there."""
    programs = [build(name) / program for name, group in GROUPS.items() for program in group.programs]
    for program in [*programs, *asset("kubernetes", "scripts").iterdir()]:
        (space.directory / "bin" / program.name).symlink_to(program)


def _install_packages() -> None:
    missing = [package for path, package in _PACKAGES.items() if not Path(path).exists()]
    if not missing:
        return
    command = f"apt-get install --no-install-recommends {' '.join(missing)}"
    if shutil.which("apt-get") is None:
        raise BedError(f"the bed needs what Debian has in: {', '.join(missing)}")
    with _no_services():
        for argv in (["apt-get", "update", "-qq"], [*command.split(), "--yes", "-qq"]):
            subprocess.run(argv, check=True, stdout=sys.stderr, env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"})


@contextmanager
def _no_services() -> Iterator[None]:
    """Keep Debian from starting the services it installs."""
    policy = Path("/usr/sbin/policy-rc.d")
    if policy.exists():
        yield
        return
    policy.write_text("#!/bin/sh\nexit 101\n", encoding="utf-8")
    policy.chmod(0o755)
    try:
        yield
    finally:
        policy.unlink()
