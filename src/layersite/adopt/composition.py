"""A compose file's services as the conversion needs them: names as DNS labels, variables, words, ports and aliases."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from layersite.adopt import shortforms
from layersite.adopt.addresses import addresses, keyed, rewrite
from layersite.adopt.result import Log
from layersite.model.errors import InvalidInputError, Problem
from layersite.model.names import fit
from layersite.model.yaml import Yaml

__all__ = ["Composition", "Service", "read_services"]

_IMAGE_PORTS = {
    "elasticsearch": 9200,
    "httpd": 80,
    "mariadb": 3306,
    "memcached": 11211,
    "mongo": 27017,
    "mysql": 3306,
    "nats": 4222,
    "nginx": 80,
    "postgres": 5432,
    "rabbitmq": 5672,
    "redis": 6379,
    "valkey": 6379,
}
"""What the official images expose by themselves, for services that declare no port."""


@dataclass(frozen=True)
class Composition:
    """A valid compose file: its interpolated data, the line of each service, and the variables from outside."""

    data: Yaml
    file: str
    lines: Mapping[str, int]
    variables: Mapping[str, str]
    env_files: Mapping[str, Mapping[str, str]]
    log: Log

    def leave_out(self, service: str, what: str, reason: str) -> None:
        """Say that `what` of `service` is in no written file, and why."""
        self.log.leave_out(self.file, what, reason, service)

    def note(self, text: str) -> None:
        """Tell people."""
        self.log.notes.add(f"{self.file}: {text}")

    def problem(self, service: str, text: str) -> InvalidInputError:
        """Place `text` at `service`."""
        return InvalidInputError([Problem(self.file, self.lines[service], f"services.{service}", text)])

    @contextmanager
    def reading(self, service: str) -> Iterator[None]:
        """Turn the ValueError of a short form into a problem of `service`."""
        try:
            yield
        except ValueError as error:
            raise self.problem(service, str(error)) from error


@dataclass
class Service:
    """One service: `key` names it in the file, `name` is its DNS label; addresses in its texts say such labels."""

    key: str
    name: str
    data: dict[str, Yaml]
    env: dict[str, str]
    entrypoint: list[str] | None
    command: list[str] | None
    ports: dict[tuple[int, str], shortforms.Port] = field(default_factory=dict)
    aliases: set[str] = field(default_factory=set)

    @property
    def image(self) -> str:
        """The image to run; one that nobody builds here and that has no tag means `latest`."""
        image = self.data.get("image")
        if image is None:
            return self.name
        is_pinned = "@" in image or ":" in image.rpartition("/")[2]
        return image if is_pinned or "build" in self.data else f"{image}:latest"


def read_services(composition: Composition) -> list[Service]:
    """Return the services that start without a profile, complete with ports and aliases.

    Raises:
        InvalidInputError: a short form cannot be read, or two services would share one name.
    """
    every = composition.data["services"]
    for key, data in every.items():
        if data.get("profiles"):
            composition.leave_out(key, "service", f"only started with profile {', '.join(map(str, data['profiles']))}")
    labels = _labels([key for key, data in every.items() if not data.get("profiles")], composition)
    for key, name in labels.items():
        if key != name:
            composition.note(f"service `{key}` becomes `{name}`, a DNS label")
    services = []
    for key in labels:
        with composition.reading(key):
            services.append(_read(key, labels, composition))
    _add_aliases(services, composition)
    _add_ports(services, composition)
    return services


def _label(text: str) -> str:
    return fit(re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-"), 63)


def _labels(keys: list[str], composition: Composition) -> dict[str, str]:
    taken: dict[str, str] = {}
    for key in keys:
        name = _label(key)
        if not name or taken.setdefault(name, key) != key:
            other = f", as does `{taken[name]}`" if name else ""
            raise composition.problem(key, f"maps to the DNS label `{name}`{other}; rename it")
    return {key: name for name, key in taken.items()}


def _read(key: str, labels: Mapping[str, str], composition: Composition) -> Service:
    data = composition.data["services"][key]
    renamed = {old: new for old, new in labels.items() if old != new}

    def rewritten(value: Yaml) -> list[str] | None:
        words = shortforms.words(value)
        return None if words is None else [rewrite(word, flag, renamed) for flag, word in keyed(words)]

    env = {
        **composition.env_files.get(key, {}),
        **shortforms.environment(data.get("environment"), composition.variables),
    }
    env = {name: rewrite(text, name, renamed) for name, text in env.items()}
    service = Service(key, labels[key], data, env, rewritten(data.get("entrypoint")), rewritten(data.get("command")))
    for port in [*shortforms.ports(data.get("ports")), *shortforms.ports(data.get("expose"))]:
        service.ports.setdefault((port.number, port.protocol), port)
    return service


def _add_aliases(services: list[Service], composition: Composition) -> None:
    by_key = {service.key: service for service in services}
    wanted: dict[str, set[str]] = {}
    for service in services:
        networks = service.data.get("networks")
        listed = networks.values() if isinstance(networks, dict) else ()
        given = [alias for network in listed for alias in (network or {}).get("aliases") or []]
        given += [service.data[field] for field in ("hostname", "container_name") if field in service.data]
        for alias in given:
            wanted.setdefault(alias, set()).add(service.key)
        for link in service.data.get("links") or []:
            target, _, alias = link.partition(":")
            wanted.setdefault(alias or target, set()).add(target)
    names = {service.name for service in services}
    for alias, keys in sorted(wanted.items()):
        for key in sorted(keys & by_key.keys() - {alias}):
            if _label(alias) != alias or alias in names or len(keys) > 1:
                composition.leave_out(key, f"the name {alias}", "is no DNS label, or not this service's alone")
            else:
                by_key[key].aliases.add(alias)


def _add_ports(services: list[Service], composition: Composition) -> None:
    """Add to each service the ports on which others call it, else the one that its image is known for."""
    by_name = {name: service for service in services for name in (service.name, *service.aliases)}
    for caller in services:
        texts = [*caller.env.items(), *keyed(caller.entrypoint or []), *keyed(caller.command or [])]
        for address in (address for key, text in texts for address in addresses(text, key)):
            called = by_name.get(address.host)
            if called is not None and called is not caller and address.port:
                called.ports.setdefault((address.port, "TCP"), shortforms.Port(address.port))
    for service in (service for service in services if not service.ports):
        image = service.image.split("@")[0].rpartition("/")[2].split(":")[0]
        if image in _IMAGE_PORTS:
            number = _IMAGE_PORTS[image]
            service.ports[number, "TCP"] = shortforms.Port(number)
            composition.note(f"`{service.key}` declares no port; {number} is what the image {image} exposes")
