"""A compose file's services as typed values: names as DNS labels, variables, words, ports and aliases."""

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from layersite.adopt.addresses import addresses, keyed, rewrite
from layersite.adopt.compose_file import Composition, read_env_file
from layersite.adopt.objects import every
from layersite.model.errors import InvalidInputError
from layersite.model.names import fit
from layersite.model.yaml import Yaml

__all__ = ["Port", "Service", "label", "read_services"]

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
_PORT = re.compile(
    r"(?:(?:(?P<ip>\[[0-9a-fA-F:]+\]|[0-9.]+):)?(?P<host>[0-9-]*):)?"
    r"(?P<first>[0-9]+)(?:-(?P<last>[0-9]+))?(?:/(?P<protocol>tcp|udp|sctp))?"
)


@dataclass(frozen=True)
class Port:
    """A container's port; published means that a person reaches it on a fixed port of the host."""

    number: int
    protocol: str = "TCP"
    published: bool = False

    @property
    def name(self) -> str:
        """The name of the port in a Service."""
        return f"port-{self.number}" + ("" if self.protocol == "TCP" else f"-{self.protocol.lower()}")

    def under(self, key: str) -> dict[str, Yaml]:
        """Return the port as Kubernetes has it, its number under `key`."""
        return {key: self.number, **({} if self.protocol == "TCP" else {"protocol": self.protocol})}


@dataclass
class Service:
    """One service: `key` names it in the file, `name` is its DNS label; addresses in its texts say such labels."""

    key: str
    name: str
    data: dict[str, Yaml]
    composition: Composition
    env: dict[str, str] = field(default_factory=dict)
    entrypoint: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)
    ports: dict[tuple[int, str], Port] = field(default_factory=dict)
    aliases: set[str] = field(default_factory=set)

    def leave_out(self, what: str, reason: str) -> None:
        """Say that `what` of this service is in no written file, and why."""
        self.composition.log.leave_out(self.composition.document.source, what, reason, self.key)

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Turn a ValueError into a problem of this service."""
        try:
            yield
        except ValueError as error:
            problem = self.composition.document.problem(("services", self.key), str(error))
            raise InvalidInputError([problem]) from error

    @property
    def image(self) -> str:
        """The image to run; one that nobody builds here and that has no tag means `latest`."""
        image = str(self.data.get("image", self.name))
        is_pinned = "@" in image or ":" in image.rpartition("/")[2]
        return image if is_pinned or "build" in self.data else f"{image}:latest"


def read_services(composition: Composition) -> list[Service]:
    """Return the services that start without a profile, complete with ports and aliases. Raises InvalidInputError."""
    services = _named(composition)
    renamed = {service.key: service.name for service in services if service.key != service.name}
    for service in services:
        with service.reading():
            _read(service, renamed)
    _add_aliases(services)
    _add_ports(services, composition)
    return services


def label(text: str) -> str:
    """Return a DNS label for `text`, empty if it holds no letter or digit."""
    return fit(re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-"), 63)


def _named(composition: Composition) -> list[Service]:
    named: dict[str, Service] = {}
    for key, data in composition.document.data["services"].items():
        service = Service(key, label(key), data, composition)
        if data.get("profiles"):
            service.leave_out("service", f"only started with profile {', '.join(map(str, data['profiles']))}")
            continue
        with service.reading():
            other = named.setdefault(service.name, service)
            if other is not service or not service.name:
                raise ValueError(f"maps to the DNS label `{service.name}`, as does `{other.key}`; rename it")
        if key != service.name:
            composition.note(f"service `{key}` becomes `{service.name}`, a DNS label")
    return list(named.values())


def _read(service: Service, renamed: Mapping[str, str]) -> None:
    """Read the short forms of `service`. Raises ValueError."""
    data = service.data
    service.env = {name: rewrite(text, name, renamed) for name, text in _environment(service).items()}
    service.entrypoint, service.command = (
        [rewrite(word, flag, renamed) for flag, word in keyed(_words(data.get(part)))]
        for part in ("entrypoint", "command")
    )
    for port in [*_ports(data.get("ports")), *_ports(data.get("expose"))]:
        service.ports.setdefault((port.number, port.protocol), port)


def _environment(service: Service) -> dict[str, str]:
    """Return variables as text; one without a value gets it from outside, or is not set at all."""
    composition, env = service.composition, {}
    entries = service.data.get("env_file") or []
    for entry in [entries] if isinstance(entries, str) else entries:
        name = entry if isinstance(entry, str) else entry["path"]
        if (composition.folder / name).is_file():
            env.update(read_env_file(composition.folder / name, composition.variables))
        else:
            service.leave_out(f"env_file {name}", "the file is not there")
    given = service.data.get("environment") or {}
    if isinstance(given, list):
        given = {name: text if equals else None for name, equals, text in (entry.partition("=") for entry in given)}
    for name, value in given.items():
        text = composition.variables.get(name) if value is None else _text(value)
        if text is not None:
            env[name] = text
    return env


def _text(value: Yaml) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _words(value: Yaml) -> list[str]:
    """Return a command as a list of words. Raises ValueError."""
    return shlex.split(value) if isinstance(value, str) else [_text(word) for word in value or []]


def _ports(value: Yaml) -> list[Port]:
    """Return the container ports of `ports` or `expose`. Raises ValueError."""
    found: list[Port] = []
    for entry in value or []:
        text = _text(entry)
        if isinstance(entry, dict) and "target" in entry:
            text = f"{entry.get('host_ip', '')}:{entry.get('published', '')}:{entry['target']}".lstrip(":")
            text += f"/{entry.get('protocol', 'tcp')}"
        match = _PORT.fullmatch(text)
        first, last = (int(match["first"]), int(match["last"] or match["first"])) if match else (0, 0)
        if match is None or not 0 < first <= last <= min(65535, first + 100):
            raise ValueError(f"`{text}` is no port; write `8080:80`, a range of at most 100, or the long form")
        is_local = (match["ip"] or "").startswith(("127.", "[::1]"))
        protocol = (match["protocol"] or "tcp").upper()
        found += [Port(number, protocol, bool(match["host"]) and not is_local) for number in range(first, last + 1)]
    return found


def _add_aliases(services: list[Service]) -> None:
    """Give each service its other names, as far as they are DNS labels and lead to it alone."""
    by_key = {service.key: service for service in services}
    wanted: dict[str, set[str]] = {}
    for service in services:
        networks = service.data.get("networks")
        given = [*every(service.data, "hostname"), *every(service.data, "container_name")]
        given += every(list(networks.values()), "aliases") if isinstance(networks, dict) else []
        for alias in given:
            wanted.setdefault(alias, set()).add(service.key)
        for link in every(service.data, "links"):
            target, _, alias = link.partition(":")
            wanted.setdefault(alias or target, set()).add(target)
    names = {service.name for service in services}
    for alias, keys in sorted(wanted.items()):
        for key in sorted(keys & by_key.keys() - {alias}):
            if label(alias) != alias or alias in names or len(keys) > 1:
                by_key[key].leave_out(f"the name {alias}", "is no DNS label, or not this service's alone")
            else:
                by_key[key].aliases.add(alias)


def _add_ports(services: list[Service], composition: Composition) -> None:
    """Add to each service the ports on which others call it, else the one that its image is known for."""
    by_name = {name: service for service in services for name in (service.name, *service.aliases)}
    for caller in services:
        texts = [*caller.env.items(), *keyed(caller.entrypoint), *keyed(caller.command)]
        for address in (address for key, text in texts for address in addresses(text, key)):
            called = by_name.get(address.host, caller)
            if called is not caller and address.port:
                called.ports.setdefault((address.port, "TCP"), Port(address.port))
    for service in (service for service in services if not service.ports):
        image = service.image.split("@")[0].rpartition("/")[2].split(":")[0]
        if image in _IMAGE_PORTS:
            number = _IMAGE_PORTS[image]
            service.ports[number, "TCP"] = Port(number)
            composition.note(f"`{service.key}` declares no port; {number} is what the image {image} exposes")
