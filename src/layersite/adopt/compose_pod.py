"""The pod of a compose service: its container with probe, resources and rights, and the volumes."""

import math
import re
from collections.abc import Iterator

from layersite.adopt.compose_services import Service, label
from layersite.adopt.objects import every, first
from layersite.model.yaml import Yaml

__all__ = ["pod"]

_IS_TRUE = (True, "true")
_RESOURCES = (
    ("limits", "memory", ("limits", "memory"), "mem_limit"),
    ("limits", "cpu", ("limits", "cpus"), "cpus"),
    ("requests", "memory", ("reservations", "memory"), "mem_reservation"),
    ("requests", "cpu", ("reservations", "cpus"), ""),
)
"""Where a pod has it, and where compose has it: below `deploy.resources`, or else as a key of the service."""
_SECONDS = {"ms": 0.001, "us": 0.000001, "ns": 0.000000001, "s": 1, "m": 60, "h": 3600, "d": 86400}


def pod(service: Service) -> dict[str, Yaml]:
    """Return the pod spec of `service`. Raises ValueError where a short form cannot be read."""
    mounts = _mounts(service)
    parts = [*_volumes(service, mounts), *_secret_volumes(service)]
    fields = {
        "command": service.entrypoint,
        "args": service.command,
        "env": [{"name": name, "value": text} for name, text in service.env.items()],
        "ports": [port.under("containerPort") for port in service.ports.values()],
        "workingDir": service.data.get("working_dir"),
        "tty": service.data.get("tty"),
        "stdin": service.data.get("stdin_open"),
        "readinessProbe": _probe(service, mounts),
        "resources": _resources(service),
        "securityContext": _rights(service),
        "volumeMounts": [mount for _, mount in parts],
    }
    container = {"name": service.name, "image": service.image, **{key: value for key, value in fields.items() if value}}
    # As in compose: no account of the cluster, and no `DB_PORT=tcp://…` for each Service beside it.
    spec: dict[str, Yaml] = {"automountServiceAccountToken": False, "enableServiceLinks": False}
    spec["containers"] = [container]
    if parts:
        spec["volumes"] = list({volume["name"]: volume for volume, _ in parts}.values())
    if "stop_grace_period" in service.data:
        spec["terminationGracePeriodSeconds"] = _seconds(service.data["stop_grace_period"])
    return spec


def _mounts(service: Service) -> list[dict[str, Yaml]]:
    """Return what a service mounts, in compose's long form. Raises ValueError."""
    found = []
    for entry in service.data.get("volumes") or []:
        if isinstance(entry, str):
            parts = entry.rsplit(":", 2) if ":" in entry else ["", entry]
            source, target, mode = (*parts, "")[:3]
            is_path = source.startswith((".", "/", "~", "$")) or re.match(r"[A-Za-z]:?\\", source)
            long = {"type": "bind" if is_path else "volume", "source": source, "target": target}
            found.append({**long, "read_only": "ro" in mode.split(",")})
        elif "target" in entry:
            found.append(entry)
        else:
            raise ValueError("a volume has no `target`; give the path in the container")
    return [*found, *({"type": "tmpfs", "target": entry.split(":")[0]} for entry in every(service.data, "tmpfs"))]


def _is_foreign(mount: dict[str, Yaml]) -> bool:
    return mount["type"] not in ("volume", "tmpfs")


def _volumes(service: Service, mounts: list[dict[str, Yaml]]) -> Iterator[tuple[Yaml, Yaml]]:
    """Yield each volume that a pod can have, with its mount."""
    for mount in mounts:
        kind, target = mount["type"], mount["target"]
        if _is_foreign(mount):
            service.leave_out(f"{kind} mount on {target}", "points at a developer's machine; put it in the image")
            continue
        source = mount.get("source") or target
        name = label(source) or "root"
        is_read_only = mount.get("read_only") in _IS_TRUE
        volume = {"name": name, "emptyDir": {"medium": "Memory"} if kind == "tmpfs" else {}}
        yield volume, {"name": name, "mountPath": target, **({"readOnly": True} if is_read_only else {})}
        if kind == "volume":
            reason = "becomes an emptyDir: empty in each environment, gone with the pod, shared with no other service"
            service.leave_out(f"the data of volume {source}", reason)


def _secret_volumes(service: Service) -> Iterator[tuple[Yaml, Yaml]]:
    """Yield a volume for each of compose's secrets, with its mount where compose has it."""
    for entry in service.data.get("secrets") or []:
        long = entry if isinstance(entry, dict) else {"source": entry}
        if "source" not in long:
            raise ValueError("a secret has no `source`; name one of the file's `secrets`")
        source, target = long["source"], long.get("target") or long["source"]
        name = first(service.composition.document.data, "secrets", source, "name") or source
        secret, volume = label(name) or "root", label(f"secret-{source}")
        if secret != name:
            service.leave_out(f"the secret name {name}", f"is no DNS label; the Secret is `{secret}`")
        path = target if target.startswith("/") else f"/run/secrets/{target}"
        mount = {"name": volume, "mountPath": path, "subPath": source, "readOnly": True}
        yield {"name": volume, "secret": {"secretName": secret, "items": [{"key": source, "path": source}]}}, mount


def _probe(service: Service, mounts: list[dict[str, Yaml]]) -> Yaml:
    check = service.data.get("healthcheck") or {}
    test = check.get("test") or ["NONE"]
    words = ["CMD-SHELL", test] if isinstance(test, str) else test
    if check.get("disable") in _IS_TRUE or words[0] == "NONE":
        return None
    if any(mount["target"] in word for word in words for mount in mounts if _is_foreign(mount)):
        service.leave_out("healthcheck", "runs a file from a mount that is left out; add a probe to the base")
        return None
    probe: dict[str, Yaml] = {"exec": {"command": [*(["sh", "-c"] if words[0] == "CMD-SHELL" else []), *words[1:]]}}
    for key, field in (("interval", "periodSeconds"), ("timeout", "timeoutSeconds")):
        if key in check:
            probe[field] = _seconds(check[key])
    if check.get("retries"):
        probe["failureThreshold"] = int(check["retries"])
    return probe


def _resources(service: Service) -> Yaml:
    found: dict[str, dict[str, str]] = {}
    for kind, resource, path, key in _RESOURCES:
        deployed = first(service.data, "deploy", "resources", *path)
        value = service.data.get(key) if deployed is None else deployed
        if value not in (None, "", 0, "0"):
            text = _quantity(str(value)) if resource == "memory" else f"{round(float(value) * 1000)}m"
            found.setdefault(kind, {})[resource] = text
    return found


def _quantity(size: str) -> str:
    """Return a Kubernetes quantity for a compose size such as `300M`; compose's units are powers of two."""
    match = re.fullmatch(r"([0-9.]+)\s*([kmgt]?)i?b?", size.lower())
    if match is None:
        raise ValueError(f"`{size}` is no size; write a number with b, k, m or g")
    unit = f"{match[2].upper()}i" if match[2] else ""
    return f"{match[1].removesuffix('.')}{unit}"


def _seconds(duration: Yaml) -> int:
    """Return a compose duration such as `1m30s` in whole seconds, at least one."""
    parts = re.findall(r"([0-9.]+)\s*(ms|us|ns|s|m|h|d)", str(duration))
    return max(1, math.ceil(sum(float(number) * _SECONDS[unit] for number, unit in parts)))


def _rights(service: Service) -> Yaml:
    context: dict[str, Yaml] = {}
    if service.data.get("read_only") in _IS_TRUE:
        context["readOnlyRootFilesystem"] = True
    for option in service.data.get("security_opt") or []:
        if re.fullmatch("no-new-privileges([:=]true)?", option):
            context["allowPrivilegeEscalation"] = False
        else:
            service.leave_out(f"security_opt {option}", "has no counterpart in the pod")
    for field in ("add", "drop"):
        if names := service.data.get(f"cap_{field}"):
            context.setdefault("capabilities", {})[field] = [name.upper().removeprefix("CAP_") for name in names]
    user = str(service.data.get("user", ""))
    numbers = re.fullmatch(r"(\d+|root)(?::(\d+|root))?", user)
    if numbers:
        parts = [int(part.replace("root", "0")) for part in numbers.groups() if part]
        context.update(zip(("runAsUser", "runAsGroup"), parts, strict=False))
    elif user:
        service.leave_out(f"user {user}", "a pod takes numbers only; set runAsUser if the image needs it")
    return context
