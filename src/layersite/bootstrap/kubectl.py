"""The cluster as kubectl's current context reaches it; kubectl also knows how to sign in."""

import json
from typing import Literal, Protocol

from layersite.model.errors import ToolError
from layersite.model.yaml import Yaml
from layersite.process import CommandError, run

__all__ = ["Applied", "Cluster", "Kubectl", "stated", "with_tokens"]

Applied = Literal["created", "changed", "current"]

_MANAGER = "layersite"
_PATIENCE = "--request-timeout=20s"


class Cluster(Protocol):
    """The cluster in which Argo CD keeps its objects."""

    def context(self) -> str:
        """Return the name of the context in use. Raises ToolError where there is none."""

    def version(self) -> tuple[int, int]:
        """Return the API server's version as major and minor. Raises ToolError."""

    def get(self, kind: str, name: str, namespace: str = "") -> Yaml | None:
        """Return one object, None where there is none or the cluster has no such kind. Raises ToolError."""

    def apply(self, item: Yaml, *, dry_run: bool = False) -> Applied:
        """Make the cluster hold `item` as it is given, and say what that changed. Raises ToolError."""

    def annotate(self, kind: str, name: str, namespace: str, text: str) -> None:
        """Set the annotation `text` (`key=value`) on one object. Raises ToolError."""

    def may(self, verb: str, resource: str, namespace: str = "") -> bool:
        """Return whether this user may `verb` any `resource`, in one namespace or in all. Raises ToolError."""


class Kubectl:
    """The cluster behind kubectl's current context."""

    def context(self) -> str:
        """Return the name of the context in use. Raises ToolError where there is none."""
        try:
            return self._run("config", "current-context").decode().strip()
        except CommandError as error:
            text = "kubectl has no current context; choose one with `kubectl config use-context`, or set KUBECONFIG"
            raise ToolError(text) from error

    def version(self) -> tuple[int, int]:
        """Return the API server's version as major and minor. Raises ToolError."""
        found = json.loads(self._run("get", "--raw", "/version", _PATIENCE))
        return int(found["major"]), int(found["minor"].rstrip("+"))

    def get(self, kind: str, name: str, namespace: str = "") -> Yaml | None:
        """Return one object, None where there is none or the cluster has no such kind. Raises ToolError."""
        where = ["--namespace", namespace] if namespace else []
        try:
            out = self._run("get", kind, name, *where, "--ignore-not-found", "--output=json", _PATIENCE)
        except CommandError as error:
            if "the server doesn't have a resource type" in error.stderr:
                return None
            raise
        return json.loads(out) if out.strip() else None

    def apply(self, item: Yaml, *, dry_run: bool = False) -> Applied:
        """Make the cluster hold `item` as it is given, and say what that changed. Raises ToolError.

        Fields that others set in their own right stay; where they set the same ones, ours count.
        """
        metadata = item["metadata"]
        before = self.get(_resource(item), metadata["name"], metadata["namespace"])
        wanted = json.dumps(with_tokens(item, before)).encode()
        options = ["--server-side", "--force-conflicts", f"--field-manager={_MANAGER}", "--output=json", _PATIENCE]
        options += ["--dry-run=server"] if dry_run else []
        after = json.loads(self._run("apply", *options, "--filename=-", stdin=wanted))
        if before is None:
            return "created"
        return "current" if _essence(before) == _essence(after) else "changed"

    def annotate(self, kind: str, name: str, namespace: str, text: str) -> None:
        """Set the annotation `text` (`key=value`) on one object. Raises ToolError."""
        self._run("annotate", kind, name, text, "--namespace", namespace, "--overwrite", _PATIENCE)

    def may(self, verb: str, resource: str, namespace: str = "") -> bool:
        """Return whether this user may `verb` any `resource`, in one namespace or in all. Raises ToolError."""
        where = ["--namespace", namespace] if namespace else ["--all-namespaces"]
        try:
            self._run("auth", "can-i", verb, resource, *where, _PATIENCE)
        except CommandError as error:
            if error.stdout.startswith("no"):
                return False
            raise
        return True

    def _run(self, *arguments: str, stdin: bytes = b"") -> bytes:
        return run(["kubectl", *arguments], stdin=stdin, timeout=60)


def _resource(item: Yaml) -> str:
    """Return `<kind>.<version>.<group>`, which no kind of the same name in another group can be taken for."""
    group, _, version = item["apiVersion"].rpartition("/")
    return f"{item['kind']}.{version}.{group}" if group else str(item["kind"])


def with_tokens(item: Yaml, before: Yaml | None) -> Yaml:
    """Return `item` with the tokens that Argo CD noted in the roles of the AppProject `before`.

    It keeps only their ids there, in the middle of a list that can be applied as a whole alone: applied without them,
    they would be gone until Argo CD writes them again.
    """
    if item["kind"] != "AppProject" or before is None:
        return item
    noted = {role["name"]: role.get("jwtTokens") for role in before["spec"].get("roles") or ()}
    roles = [
        {**role, "jwtTokens": noted[role["name"]]} if noted.get(role["name"]) else role
        for role in item["spec"]["roles"]
    ]
    return {**item, "spec": {**item["spec"], "roles": roles}}


def _essence(item: Yaml) -> Yaml:
    """Return what people decide about an object, without what the cluster notes about it."""
    labels = item["metadata"].get("labels")
    return stated([labels, item.get("spec"), item.get("data"), item.get("type")])


def stated(value: Yaml) -> Yaml:
    """Return `value` without what is empty: Argo CD drops some of that when it writes an object back, and adds some."""
    if isinstance(value, list):
        return [stated(each) for each in value]
    if isinstance(value, dict):
        kept = {key: stated(each) for key, each in value.items()}
        return {key: each for key, each in kept.items() if each not in (None, "", False, [], {})}
    return value
