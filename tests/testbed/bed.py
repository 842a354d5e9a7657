"""What a test needs to know of a bed, be it one that runs here or a cluster somewhere else."""

import dataclasses
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any

from tests.testbed.images import push_files
from tests.testbed.programs import BedError, binary

__all__ = ["PREFIX", "Bed", "push_image"]

PREFIX = "LAYERSITE_BED_"


@dataclasses.dataclass(frozen=True)
class Bed:
    """The addresses and keys of a cluster with Argo CD, a forge and an image registry.

    `id`, `netns` and `directory` are empty for a cluster that was not started here.
    """

    kubeconfig: str
    argocd_url: str
    argocd_token: str = dataclasses.field(repr=False)
    argocd_admin_token: str = dataclasses.field(repr=False)
    argocd_webhook_url: str
    applicationset_webhook_url: str
    webhook_secret: str = dataclasses.field(repr=False)
    gitea_url: str
    gitea_user: str
    gitea_token: str = dataclasses.field(repr=False)
    registry: str
    gateway_url: str
    gateway_name: str
    gateway_namespace: str
    domain: str
    id: str = ""
    netns: str = ""
    directory: str = ""

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> "Bed":
        """Read the part of a state file that `up` wrote."""
        return cls(**state["bed"])

    @classmethod
    def from_environment(cls, kubeconfig: str, environment: Mapping[str, str] = os.environ) -> "Bed":
        """Describe an existing cluster by variables named `LAYERSITE_BED_<FIELD>`."""
        fields = {field.name: PREFIX + field.name.upper() for field in dataclasses.fields(cls)}
        needed = [name for name in fields if name not in ("kubeconfig", "id", "netns", "directory")]
        missing = [fields[name] for name in needed if fields[name] not in environment]
        if missing:
            raise BedError(f"--kubeconfig also needs {', '.join(missing)}; tests/testbed/README.md says what they are")
        return cls(kubeconfig=kubeconfig, **{name: environment[fields[name]] for name in needed})

    def kubectl(self, *arguments: str, stdin: str = "") -> str:
        """Run kubectl as the administrator and return what it prints."""
        argv = [shutil.which("kubectl") or str(binary("kubectl")), f"--kubeconfig={self.kubeconfig}", *arguments]
        done = subprocess.run(argv, input=stdin, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise BedError(f"`kubectl {' '.join(arguments)}` failed: {done.stderr.strip()}")
        return done.stdout


def push_image(bed: Bed, repository: str, tag: str, files: Mapping[str, bytes], entrypoint: Sequence[str]) -> str:
    """Push an image of busybox and `files` (path -> content, all executable); return its digest."""
    return push_files(bed.registry, repository, tag, files, entrypoint)
