"""Run the site's playbooks and read what became of each environment from the file that they write."""

import json
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from layersite.folder import private_folder
from layersite.model.app import Secret
from layersite.model.catalog import Catalog
from layersite.model.contract import Contract, contract_file, load_contract
from layersite.model.database import PODS, Brought, Data, Delivery
from layersite.model.environment import Environment, Tombstone
from layersite.model.errors import ToolError
from layersite.model.site import Database, Site, load_site
from layersite.process import CommandError, run

__all__ = ["IN_CLUSTER", "Playbooks", "declared_secrets"]

_START = 60
"""Seconds beyond a play's own waiting that Ansible may need."""
_PASSED_ON = ("KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT")
_CREDENTIALS = ("AWS_", "AZURE_", "CLOUDSDK_", "GOOGLE_", "LAYERSITE_DATABASE_", "PG")
"""What the commands that a kubeconfig names to sign in at a cloud read, and what leads to database servers."""

_CLONING = 1800
"""Seconds that copies of large databases may take."""

IN_CLUSTER = "in-cluster"
"""What Argo CD calls the cluster that it runs in itself."""

Json = dict[str, Any]  # what a playbook takes and writes
Why = dict[str, str | None]
"""By environment: None if all is done, else why it is not."""


class Playbooks:
    """The playbooks of the site at `root`.

    A cluster is reached by the kubeconfig's context of its name, `in-cluster` by the current one or as the pod that
    this runs in.
    """

    def __init__(self, root: Path, catalog: Catalog) -> None:
        self._root = root.absolute()
        self._catalog = catalog

    def reap(self, tombstones: Sequence[Tombstone], *, timeout: int = 120, force: bool = False) -> Why:
        """Remove databases, namespace and labelled volumes of environments whose Argo CD Application is gone.

        All of them together are waited for at most `timeout` seconds, twice that with `force`, which removes the
        finalizers of what hangs.

        Raises:
            ToolError: Ansible is missing or fails, or no cluster can be reached.
        """
        environments = [_place(tombstone) for tombstone in tombstones]
        settings = {"prefix": self._site.cluster.namespace_prefix, "timeout": timeout, "force": force}
        left = _read(self._play("environment_reap", environments, settings, timeout * (1 + force)))
        return left | self.drop([stone for stone in tombstones if left[stone.name] is None])

    def secrets(self, environments: Sequence[Environment], *, timeout: int = 120) -> Why:
        """Make the Secrets that the environments' apps declare as `copy` or `generate`, once their namespaces exist.

        Raises:
            ToolError: Ansible is missing or fails, or no cluster can be reached.
        """
        wanted = [
            {**_place(environment), "secrets": secrets}
            for environment in environments
            if (secrets := [_wish(secret) for secret in declared_secrets(environment, self._catalog)])
        ]
        site = self._site
        settings = {"prefix": site.cluster.namespace_prefix, "baseline": site.baseline_namespace, "timeout": timeout}
        nothing_to_do = dict.fromkeys((environment.name for environment in environments), None)
        return nothing_to_do | _read(self._play("environment_secrets", wanted, settings, timeout))

    def databases(
        self,
        environments: Sequence[Environment],
        *,
        reset: bool = False,
        dry_run: bool = False,
        timeout: int = 120,
    ) -> dict[str, Delivery]:
        """Make the clones that the environments need, and their Secrets once their namespaces exist.

        With `reset` clones that are there are made anew. With `dry_run` it only looks.

        Raises:
            ToolError: Ansible is missing or fails.
        """
        known = self._site.databases
        wanted = [
            {**_place(environment), "databases": databases}
            for environment in environments
            if (databases := [self._wanted(*each) for each in (environment.data or {}).items() if each[0] in known])
        ]
        settings = {**self._owner, "reset": reset, "timeout": timeout}
        options = ["--check"] if dry_run else []
        result = self._play("database_clone", wanted, settings, timeout + _CLONING, "database", options)
        found = {
            name: Delivery(
                None if each["is_fine"] else each["message"],
                tuple(Brought.model_validate(one) for one in each["databases"]),
                is_made=any(one["name"] in each["changed"] for one in each["databases"]),
                is_renewed=PODS in each["changed"],
            )
            for name, each in result.items()
        }
        return {environment.name: found.get(environment.name, Delivery()) for environment in environments}

    def _wanted(self, name: str, data: Data) -> Json:
        database = self._site.databases[name]
        server = {**_kind(database), "host": database.host, "port": database.called_port}
        has_contract = contract_file(self._root, name).is_file()
        contract = load_contract(self._root, name)[0] if has_contract else Contract()
        origin = {"golden": data.golden, "again": data.again or 0, "quiet": contract.quiet.model_dump(mode="json")}
        return {"name": name, **origin, **server}

    def drop(self, environments: Sequence[Environment | Tombstone]) -> Why:
        """Remove the clones of environments that are gone. Raises ToolError."""
        going = [{**_place(each), "databases": sorted(each.data)} for each in environments if each.data]
        databases = [{"name": name, **_kind(each)} for name, each in self._site.databases.items()]
        settings = {**self._owner, "databases": databases, "apply": True}
        return _read(self._play("database_reap", going, settings, _CLONING))

    @property
    def _owner(self) -> Json:
        """By what clones are known as this site's."""
        return {"site": self._site.environments.url, "prefix": self._site.cluster.namespace_prefix}

    @property
    def _site(self) -> Site:
        return load_site(self._root)[0]

    def _play(
        self,
        role: str,
        environments: list[Json],
        settings: Json,
        timeout: int,
        playbook: str = "",
        options: Sequence[str] = (),
    ) -> dict[str, Json]:
        """Run the playbook of `role`, with its variables in a file, and return what it says of each environment."""
        if not environments:
            return {}
        with private_folder() as folder:
            result, variables = folder / "result.json", folder / "variables.json"
            all_of_them = {**settings, "environments": environments, "result": str(result)}
            variables.write_text(json.dumps({f"{role}_{key}": value for key, value in all_of_them.items()}), "utf-8")
            environment = self._environment(folder)
            command = shutil.which("ansible-playbook", path=environment["PATH"])
            if command is None:
                raise ToolError(
                    "`ansible-playbook` is needed here; install requirements/ansible.txt and run this again"
                )
            argv = [command, f"playbooks/{playbook or role}.yml", "--extra-vars", f"@{variables}", *options]
            try:
                run(argv, cwd=self._root, timeout=timeout + _START, env=environment)
            except CommandError:
                if not result.is_file():
                    raise
            environments_by_name: dict[str, Json] = json.loads(result.read_bytes())["environments"]
            return environments_by_name

    def _environment(self, folder: Path) -> dict[str, str]:
        """Return what Ansible sees: the site's own settings, this Python's commands first, files only in `folder`."""
        passed = {
            name: value for name, value in os.environ.items() if name in _PASSED_ON or name.startswith(_CREDENTIALS)
        }
        return {
            **passed,
            "ANSIBLE_CONFIG": str(self._root / "ansible.cfg"),
            "ANSIBLE_HOME": str(folder),
            "TMPDIR": str(folder),
            "LC_ALL": "C.UTF-8",
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        }


def _kind(database: Database) -> Json:
    """Return what a role is to know of a database's servers."""
    return {
        "engine": database.engine,
        **({"instances": database.instances.model_dump(mode="json")} if database.instances else {}),
    }


def declared_secrets(environment: Environment, catalog: Catalog) -> list[Secret]:
    """Return what the isolated apps of `environment` declare as `copy` or `generate`; each Secret once, all its keys.

    Where apps disagree about the source, the first by name decides.
    """
    found: dict[str, Secret] = {}
    for app, slot in sorted(environment.slice.items()):
        for secret in catalog.apps[app].secrets if slot.provision == "isolated" and app in catalog.apps else ():
            if secret.source == "external":
                continue
            first = found.setdefault(secret.name, secret)
            if first.source != secret.source:
                continue
            found[secret.name] = first.model_copy(update={"keys": _all_keys(first, secret)})
    return list(found.values())


def _all_keys(first: Secret, second: Secret) -> tuple[str, ...]:
    """Return the keys of both; a copy without any means all, and so does both together."""
    if not first.keys or not second.keys:
        return ()
    return tuple(sorted({*first.keys, *second.keys}))


def _place(environment: Environment | Tombstone) -> Json:
    place: Json = environment.model_dump(include={"name", "namespace", "generation"})
    return place if environment.cluster == IN_CLUSTER else {**place, "context": environment.cluster}


def _wish(secret: Secret) -> Json:
    return secret.model_dump(mode="json", include={"name", "source", "keys"})


def _read(outcomes: dict[str, Json]) -> Why:
    if outcomes and all(outcome["state"] == "unreachable" for outcome in outcomes.values()):
        raise ToolError("; ".join(sorted({outcome["message"] for outcome in outcomes.values()})))
    return {name: None if outcome["is_fine"] else outcome["message"] for name, outcome in outcomes.items()}
