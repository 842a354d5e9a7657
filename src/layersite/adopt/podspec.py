"""The pod of a compose service: its probe, resources, rights and volumes."""

import re
from collections.abc import Callable, Mapping

from layersite.adopt import shortforms
from layersite.model.names import dns_label
from layersite.model.yaml import Yaml

__all__ = ["pod"]

LeaveOut = Callable[[str, str], None]


def pod(
    service: Mapping[str, Yaml], container: dict[str, Yaml], declared: Mapping[str, Yaml], leave_out: LeaveOut
) -> tuple[dict[str, Yaml], list[str]]:
    """Complete `container` and return its pod spec with the names of the volumes that lose their data.

    `declared` are the secrets of the compose file; `leave_out` is told what has no counterpart, and why.

    Raises:
        ValueError: a short form cannot be read.
    """
    volumes: dict[str, Yaml] = {}
    mounts, bound, named = _mounts(service, volumes, leave_out)
    mounts += _secret_mounts(service, declared, volumes, leave_out)
    simple = {
        "workingDir": service.get("working_dir"),
        "tty": service.get("tty"),
        "stdin": service.get("stdin_open"),
        "readinessProbe": _probe(service, bound, leave_out),
        "resources": _resources(service),
        "securityContext": _rights(service, leave_out),
        "volumeMounts": mounts,
    }
    container.update({key: value for key, value in simple.items() if value})
    # As in compose: no account of the cluster, and no `DB_PORT=tcp://…` for each Service beside it.
    spec: dict[str, Yaml] = {"automountServiceAccountToken": False, "enableServiceLinks": False}
    spec["containers"] = [container]
    if volumes:
        spec["volumes"] = [{"name": name, **volume} for name, volume in volumes.items()]
    if "stop_grace_period" in service:
        spec["terminationGracePeriodSeconds"] = shortforms.seconds(service["stop_grace_period"])
    return spec, named


def _volume_name(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:63].rstrip("-") or "root"


def _mounts(
    service: Mapping[str, Yaml], volumes: dict[str, Yaml], leave_out: LeaveOut
) -> tuple[list[Yaml], list[str], list[str]]:
    mounts, bound, named = [], [], []
    for mount in shortforms.mounts(service.get("volumes"), service.get("tmpfs")):
        if mount.type not in ("volume", "tmpfs"):
            leave_out(f"{mount.type} mount on {mount.target}", "points at a developer's machine; put it in the image")
            bound.append(mount.target)
            continue
        name = _volume_name(mount.source or mount.target)
        volumes[name] = {"emptyDir": {"medium": "Memory"} if mount.type == "tmpfs" else {}}
        mounts.append({"name": name, "mountPath": mount.target, **({"readOnly": True} if mount.read_only else {})})
        if mount.type == "volume":
            named.append(mount.source or mount.target)
    return mounts, bound, named


def _secret_mounts(
    service: Mapping[str, Yaml], declared: Mapping[str, Yaml], volumes: dict[str, Yaml], leave_out: LeaveOut
) -> list[Yaml]:
    mounts = []
    for entry in service.get("secrets") or []:
        long = entry if isinstance(entry, dict) else {"source": entry}
        if "source" not in long:
            raise ValueError("a secret has no `source`; name one of the file's `secrets`")
        source, target = long["source"], long.get("target") or long["source"]
        name = (declared.get(source) or {}).get("name") or source
        label = name if dns_label(name) else _volume_name(name)
        if label != name:
            leave_out(f"the secret name {name}", f"is no DNS label; the Secret is `{label}`")
        volume = _volume_name(f"secret-{source}")
        volumes[volume] = {"secret": {"secretName": label, "items": [{"key": source, "path": source}]}}
        path = target if target.startswith("/") else f"/run/secrets/{target}"
        mounts.append({"name": volume, "mountPath": path, "subPath": source, "readOnly": True})
    return mounts


def _probe(service: Mapping[str, Yaml], bound: list[str], leave_out: LeaveOut) -> Yaml:
    check = service.get("healthcheck") or {}
    test = check.get("test")
    words = ["CMD-SHELL", test] if isinstance(test, str) else list(test or [])
    if check.get("disable") in (True, "true") or not words or words[0] == "NONE":
        return None
    if any(target in word for word in words for target in bound):
        leave_out("healthcheck", "runs a file from a mount that is left out; add a probe to the base")
        return None
    command = ["sh", "-c", *words[1:]] if words[0] == "CMD-SHELL" else words[1:]
    probe: dict[str, Yaml] = {"exec": {"command": command}}
    for key, field in (("interval", "periodSeconds"), ("timeout", "timeoutSeconds")):
        if key in check:
            probe[field] = shortforms.seconds(check[key])
    if check.get("retries"):
        probe["failureThreshold"] = int(check["retries"])
    return probe


def _resources(service: Mapping[str, Yaml]) -> Yaml:
    given = (service.get("deploy") or {}).get("resources") or {}
    limits, reservations = given.get("limits") or {}, given.get("reservations") or {}
    wanted = {
        ("limits", "memory"): limits.get("memory", service.get("mem_limit")),
        ("limits", "cpu"): limits.get("cpus", service.get("cpus")),
        ("requests", "memory"): reservations.get("memory", service.get("mem_reservation")),
        ("requests", "cpu"): reservations.get("cpus"),
    }
    found: dict[str, dict[str, str]] = {}
    for (kind, resource), value in wanted.items():
        if value not in (None, "", 0, "0"):
            text = shortforms.quantity(value) if resource == "memory" else f"{round(float(value) * 1000)}m"
            found.setdefault(kind, {})[resource] = text
    return found


def _rights(service: Mapping[str, Yaml], leave_out: LeaveOut) -> Yaml:
    context: dict[str, Yaml] = {}
    if service.get("read_only") in (True, "true"):
        context["readOnlyRootFilesystem"] = True
    for option in service.get("security_opt") or []:
        if option in ("no-new-privileges", "no-new-privileges:true", "no-new-privileges=true"):
            context["allowPrivilegeEscalation"] = False
        else:
            leave_out(f"security_opt {option}", "has no counterpart in the pod")
    lists = {"add": service.get("cap_add"), "drop": service.get("cap_drop")}
    capabilities = {key: [name.upper().removeprefix("CAP_") for name in names] for key, names in lists.items() if names}
    if capabilities:
        context["capabilities"] = capabilities
    user = re.fullmatch(r"(\d+|root)(?::(\d+|root))?", str(service.get("user", "")))
    if user:
        numbers = [int(part.replace("root", "0")) for part in user.groups() if part]
        context.update(zip(("runAsUser", "runAsGroup"), numbers, strict=False))
    elif service.get("user"):
        leave_out(f"user {service['user']}", "a pod takes numbers only; set runAsUser if the image needs it")
    return context
