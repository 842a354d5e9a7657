"""Decide what the catalog gets: the pure middle between reading a source and writing files."""

import copy
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from layersite.adopt.edges import References, find_references
from layersite.adopt.exposure import choose_exposure
from layersite.adopt.files import app_file, object_files
from layersite.adopt.group import Group, group
from layersite.adopt.material import Item, Material, containers, pod_spec
from layersite.adopt.result import AdoptedApp, Adoption, DeclaredSecret, LeftOut
from layersite.adopt.secrets import Vault, hide_secrets, secret_keys
from layersite.adopt.tidy import tidy, warnings
from layersite.adopt.uses import secret_uses
from layersite.model.catalog import App
from layersite.model.document import read_document
from layersite.model.errors import InvalidInputError, Problem
from layersite.model.names import dns_label, fit

__all__ = ["decide"]


def decide(material: Material, repository: str | None, known: Collection[str]) -> Adoption:
    """Return what to write for `material`; `known` are the apps that the catalog has already.

    Raises:
        InvalidInputError: no workload is there, or an app would not be valid.
    """
    grouping = group(material.items)
    if not grouping.groups:
        text = "holds no workload (Deployment, StatefulSet, DaemonSet, CronJob, Job), so there is no app to adopt"
        raise InvalidInputError([Problem(material.items[0].file, 0, "", text)])
    references = find_references(grouping, material.items, material.hints, known)
    decided = [_App(found, material, references, repository) for found in grouping.groups]
    declared = {secret.name for app in decided for secret in app.secrets}
    for item in (item for item in material.items if item.kind == "Secret" and item.name not in declared):
        decided[0].left_out.append(LeftOut(item.file, item.label, "no adopted workload reads it"))
    for item in (item for item in material.items if item.kind == "Secret" and item.name in declared):
        readers = ", ".join(app.name for app in decided if item.name in {secret.name for secret in app.secrets})
        decided[0].left_out.append(LeftOut(item.file, item.label, f"values stay out of git; declared in {readers}"))
    left_out = [*material.left_out, *grouping.left_out, *(entry for app in decided for entry in app.left_out)]
    notes = [*material.notes, *grouping.notes, *references.notes, *(note for app in decided for note in app.notes)]
    return Adoption(
        kind=material.kind,
        apps=tuple(app.written for app in decided),
        edges=references.edges,
        unresolved=references.unresolved,
        ambiguous=references.ambiguous,
        left_out=tuple(sorted(set(left_out))),
        secrets=tuple(sorted(secret for app in decided for secret in app.secrets)),
        notes=tuple(sorted(set(notes))),
    )


class _App:
    """One app: what is written, declared, left out and noted."""

    def __init__(self, found: Group, material: Material, references: References, repository: str | None) -> None:
        self.name = found.name
        self.left_out: list[LeftOut] = []
        self.notes: list[str] = []
        exposure = choose_exposure(found, material.items, references.called)
        if exposure is not None:
            self.left_out += exposure.left_out
            self.notes += [exposure.note] if exposure.note else []
        twins = {entry.what for entry in exposure.left_out} if exposure else set()
        items = [copy.deepcopy(item) for item in (found.workload, *found.members) if item.label not in twins]
        vault = self._hide(items, material.items)
        self.secrets = _declared(self.name, items[0], material.items, vault, self.notes)
        for item in items:
            tidy(item)
        refused = warnings(items[0])
        if refused:
            self.notes.append(f"{self.name}: environments refuse {', '.join(refused)}; take it out of the base")
        edges = [edge for edge in references.edges if edge.app == self.name]
        text = app_file(repository, edges, _untagged(items[0]), exposure, self.secrets)
        read_document(Path(), f"apps/{self.name}/app.yaml", text).parse(App)
        self.written = AdoptedApp(self.name, {"app.yaml": text, **object_files(items)})

    def _hide(self, items: list[Item], everything: Iterable[Item]) -> Vault:
        everything = list(everything)
        maps = {item.name: secret_keys(item.data) for item in everything if item.kind == "ConfigMap"}
        taken = {item.name for item in everything if item.kind == "Secret"}
        name = fit(f"{self.name}-secrets", 63)
        vault = Vault(name if name not in taken else fit(f"{self.name}-adopted-secrets", 63))
        hide_secrets(pod_spec(items[0]), maps, vault)
        for item in items:
            for key in maps.get(item.name, ()) if item.kind == "ConfigMap" else ():
                del item.data["data"][key]
                self.left_out.append(LeftOut(item.file, f"{item.label} key {key}", "holds a secret"))
        for what in vault.dropped:
            reason = "holds a secret that a probe cannot read from a Secret; add it by hand"
            self.left_out.append(LeftOut(items[0].file, f"{items[0].label} {what}", reason))
        if vault.keys:
            keys = ", ".join(vault.keys)
            self.notes.append(f"{self.name}: {keys} had literal values; put them into the Secret {vault.name}")
        return vault


def _declared(
    app: str, workload: Item, items: Iterable[Item], vault: Vault, notes: list[str]
) -> tuple[DeclaredSecret, ...]:
    known = {item.name: _own_keys(item.data) for item in items if item.kind == "Secret"}
    keys: dict[str, set[str] | None] = {}
    for use in secret_uses(workload):
        if use.optional and use.name not in known:
            continue
        if not dns_label(use.name):
            notes.append(f"{app}: the Secret `{use.name}` is not declared, since its name is no DNS label")
            continue
        before = keys.setdefault(use.name, set())
        keys[use.name] = before | set(use.keys) if before is not None and use.keys else None
    listed = {name: known.get(name) or sorted(found or ()) for name, found in keys.items()}
    return tuple(DeclaredSecret(app, name, tuple(listed[name])) for name in sorted(listed))


def _own_keys(secret: Mapping[str, object]) -> list[str]:
    parts = [secret.get("data"), secret.get("stringData")]
    return sorted({str(key) for part in parts if isinstance(part, dict) for key in part})


def _untagged(workload: Item) -> list[str]:
    images = {str(container.get("image", "")) for container in containers(workload)}
    return sorted(image for image in images if image and "@" not in image and ":" not in image.rpartition("/")[2])
