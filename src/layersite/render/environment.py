"""Render one environment: every app of its slice, the walls around them, and the contract with its lock."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from layersite.model.app import App
from layersite.model.catalog import APP_FILE, Catalog
from layersite.model.environment import Environment, Slot, to_yaml
from layersite.model.errors import InvalidInputError, PolicyError, Problem
from layersite.model.site import Site
from layersite.model.yaml import Yaml, dump_all
from layersite.plan.desired import host
from layersite.plan.lock import RENDERED_FROM
from layersite.render import boundary, policy, transform, wiring
from layersite.render.base import Bases
from layersite.render.layout import git_tree_id
from layersite.render.merge import merge
from layersite.render.overlay import OverlaySet
from layersite.render.requests import total
from layersite.render.schema import schemas

__all__ = ["Renderer"]

_HEADER = "# Rendered by layersite: change {source} instead, edits here are overwritten.\n"


class Renderer:
    """Renders environments of one site; parsed bases, compiled overlays and schemas are kept between calls."""

    def __init__(self, site: Site, catalog: Catalog, cache: Path) -> None:
        self._site = site
        self._catalog = catalog
        self._bases = Bases(catalog, cache)
        self._overlays = {app: OverlaySet(catalog.root / app / "overlays") for app in catalog.apps}
        self._schemas = schemas(site.cluster.kubernetes)

    def render(self, environment: Environment) -> dict[str, bytes]:
        """Return the environment's files by their path below its directory, `environment.yaml` among them.

        Raises:
            InvalidInputError: a base, an overlay or the result is wrong, with all problems of the environment.
            PolicyError: an app contains what no environment may contain.
            ToolError: kustomize or helm is needed and missing, or refuses its input.
        """
        objects = {app: self._app_objects(environment, app, slot) for app, slot in environment.slice.items()}
        shared = [service for app in self._provided(environment, "shared") for service in self._services(app)]
        walls = boundary.namespace_objects(self._site, environment, shared)
        for item in walls:
            transform.own(item, self._site, environment, "environment")
        self._check({**objects, "namespace": walls})
        files = {"namespace.yaml": _write(walls, "layersite.yaml")}
        files |= {f"{app}.yaml": _write(items, f"apps/{app}/") for app, items in objects.items() if items}
        lock = environment.render and environment.render.model_copy(update={"manifests": git_tree_id(files)})
        requests = total((item for items in objects.values() for item in items), self._site)
        contract = to_yaml(environment.model_copy(update={"render": lock, "requests": requests})).encode()
        return {"environment.yaml": contract, **{f"manifests/{name}": files[name] for name in sorted(files)}}

    def _provided(self, environment: Environment, provision: str) -> list[str]:
        return [app for app, slot in environment.slice.items() if slot.provision == provision]

    def _services(self, app: str) -> list[wiring.Service]:
        return wiring.services(self._bases.objects(app))

    def _app_objects(self, environment: Environment, name: str, slot: Slot) -> list[Yaml]:
        app = self._catalog.apps[name]
        if slot.provision == "isolated":
            items = self._isolated(environment, name, app, slot)
        elif app.external is not None:
            items = [*wiring.external_objects(name, app.external), boundary.allow_external(name, app.external)]
        else:
            items = wiring.shared_objects(self._site, self._services(name))
        for item in items:
            transform.own(item, self._site, environment, name)
        return items

    def _isolated(self, environment: Environment, name: str, app: App, slot: Slot) -> list[Yaml]:
        items = self._overlaid(environment, name)
        variables: dict[str, Yaml] = {
            need.variable: {"value": self._address(need.app)} for need in app.needs if need.variable and need.app
        }
        variables |= wiring.database_variables(app)
        for item in items:
            transform.to_cluster_ip(item)
            transform.set_images(item, slot.images)
            transform.set_replicas(item, app.replicas)
            transform.set_variables(item, variables)
        if environment.state == "asleep":
            items = transform.asleep(items)
        problems = policy.check(items, environment.namespace, f"apps/{name}", self._site.allowed_kinds)
        if problems:
            raise PolicyError(problems)
        items += wiring.secret_objects(app.secrets)
        if app.expose is not None:
            service, port = wiring.entry_service(name, app, wiring.services(items))
            if environment.state == "active" or not self._site.waker:  # else the waker's own route takes its host
                items.append(wiring.route(self._site, environment, name, service, port))
            items.append(boundary.allow_gateway(self._site, name, service, port))
        return items

    def _address(self, needed: str) -> str:
        """Return `<service>:<port>` by which the app `needed` is reached, wherever it lives."""
        app = self._catalog.apps[needed]
        if app.external is not None:
            return f"{needed}:{app.external.ports[0]}"
        service, port = wiring.entry_service(needed, app, self._services(needed))
        return f"{service.name}:{port.number}"

    def _overlaid(self, environment: Environment, name: str) -> list[Yaml]:
        """Return copies of the app's base objects with its overlays merged in or added."""
        items = {_key(item): item for item in transform.copied(self._bases.objects(name))}
        overlays = self._overlays[name]
        variables = self._variables(environment, name) if overlays.names else {}
        for file in overlays.names:
            for document in overlays.render(file, variables):
                key = _key(document)
                if document.get("$patch") == "delete":
                    items.pop(key, None)
                elif key in items:
                    definition = self._schemas.definition(document["apiVersion"], document["kind"])
                    items[key] = merge(items[key], document, definition, f"apps/{name}/overlays/{file}")
                else:
                    items[key] = document
        return list(items.values())

    def _variables(self, environment: Environment, name: str) -> dict[str, Yaml]:
        """Return what overlays see."""
        change = next((member for member in environment.members if member.change and name in member.apps), None)
        data = environment.model_dump(mode="json", exclude={"render", "lease", "call", "heard", "requests"})
        app = self._catalog.apps[name].model_dump(mode="json", by_alias=True)
        return {
            "environment": data,
            "app": {**app, "name": name, "host": host(self._site, environment.name, name)},
            "change": change and change.model_dump(mode="json"),
            "slice": data["slice"],
            "site": self._site.model_dump(mode="json", include=RENDERED_FROM),
        }

    def _check(self, objects: Mapping[str, list[Yaml]]) -> None:
        """Refuse what the API server would refuse: schema violations, and two objects of one kind and name.

        Argo CD need not look again at what has a schema here; custom resources the API server alone can judge.
        """
        problems: list[Problem] = []
        owner: dict[tuple[str, str], str] = {}
        for app, items in objects.items():
            source = f"apps/{app}/{APP_FILE}"
            for item in items:
                place = f"{item['kind']}/{item['metadata']['name']}"
                first = owner.setdefault(_key(item), app)
                if first != app:
                    problems.append(Problem(source, 0, place, f"`{first}` has an object of this kind and name too"))
                problems += [Problem(source, 0, place, text) for text in self._schemas.problems(item)]
                if self._schemas.knows(item["apiVersion"], item["kind"]):
                    transform.checked(item)
        if problems:
            raise InvalidInputError(problems)


def _key(item: Yaml) -> tuple[str, str]:
    return item["kind"], item["metadata"]["name"]


def _write(items: Iterable[Yaml], source: str) -> bytes:
    return (_HEADER.format(source=source) + dump_all(sorted(items, key=_key))).encode()
