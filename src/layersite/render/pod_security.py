"""The Pod Security Standards' level `baseline` as a table of places and the values that may stand there."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from layersite.model.yaml import Yaml

__all__ = ["Rule", "absent", "applied", "found_at", "one_of", "pod_refusals"]

_CAPABILITIES = (
    *("AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "SETFCAP"),
    *("SETGID", "SETPCAP", "SETUID", "SYS_CHROOT"),
)
_SYSCTLS = (
    "kernel.shm_rmid_forced",
    *(f"net.ipv4.ip_{name}" for name in ("local_port_range", "local_reserved_ports", "unprivileged_port_start")),
    *(f"net.ipv4.tcp_{name}" for name in ("fin_timeout", "keepalive_intvl", "keepalive_probes", "keepalive_time")),
    *("net.ipv4.tcp_syncookies", "net.ipv4.ping_group_range"),
)
_LISTS = ("containers", "initContainers", "ephemeralContainers")
_HANDLERS = ("livenessProbe.", "readinessProbe.", "startupProbe.", "lifecycle.postStart.", "lifecycle.preStop.")


@dataclass(frozen=True)
class Rule:
    """The values that may stand at any of `paths` (`*` is every item of a list or map), and the mend for others."""

    paths: Sequence[str]
    is_allowed: Callable[[Yaml], bool]
    mend: str


def one_of(*values: Yaml) -> Callable[[Yaml], bool]:
    """Return a check for exactly these values: `0` is not `False`."""
    return lambda value: any(value is one or (value == one and type(value) is type(one)) for one in values)


def absent(value: Yaml) -> bool:
    """Whether `value` says nothing."""
    return value is None or value in ("", [], {})


def _is_user_priority(value: Yaml) -> bool:
    return not str(value).startswith("system-")


_OFF = one_of(None, False)
_PROFILE = one_of(None, "RuntimeDefault", "Localhost")
_LABELS = one_of(None, "", "container_t", "container_init_t", "container_kvm_t", "container_engine_t")
_CONTEXT_RULES = (
    Rule(["securityContext.windowsOptions.hostProcess"], _OFF, "leave it out"),
    Rule(["securityContext.seccompProfile.type"], _PROFILE, "use RuntimeDefault or Localhost"),
    Rule(["securityContext.appArmorProfile.type"], _PROFILE, "use RuntimeDefault or Localhost"),
    Rule(["securityContext.seLinuxOptions.type"], _LABELS, "leave it out, or use container_t"),
    Rule(["securityContext.seLinuxOptions.user", "securityContext.seLinuxOptions.role"], absent, "leave it out"),
)
"""For pods and containers alike."""
_POD_RULES = (
    Rule(["hostNetwork", "hostPID", "hostIPC"], _OFF, "leave it out; a pod keeps to its own namespaces"),
    Rule(["nodeName"], absent, "leave it out; use `nodeSelector` or `affinity`"),
    Rule(["priorityClassName"], _is_user_priority, "use a priority class of your own"),
    Rule(["volumes.*.hostPath"], one_of(None), "use `emptyDir` or a PersistentVolumeClaim"),
    Rule(["securityContext.sysctls.*.name"], one_of(*_SYSCTLS), f"only {', '.join(_SYSCTLS)} are safe"),
    *_CONTEXT_RULES,
)
_CONTAINER_RULES = (
    Rule(["ports.*.hostPort"], one_of(None, 0), "leave it out; a Service reaches `containerPort`"),
    Rule(["securityContext.privileged"], _OFF, "leave it out; add single capabilities if need be"),
    Rule(
        ["securityContext.capabilities.add.*"],
        one_of(*_CAPABILITIES),
        f"only {', '.join(_CAPABILITIES)} may be added",
    ),
    Rule(["securityContext.procMount"], one_of(None, "Default"), "leave it out"),
    Rule(
        [f"{at}{way}.host" for at in _HANDLERS for way in ("httpGet", "tcpSocket")],
        absent,
        "leave it out; a probe or hook reaches its own pod",
    ),
    *_CONTEXT_RULES,
)


def pod_refusals(item: Yaml, place: str) -> Iterator[tuple[str, str]]:
    """Yield path and message of what the pod template at `place` of `item` (`spec.template`, say) may not hold."""
    for path, pod in found_at(item, f"{place}.spec".removeprefix(".")):
        yield from applied(_POD_RULES, pod, path)
        for name in _LISTS:
            for index, container in found_at(pod, f"{name}.*"):
                yield from applied(_CONTAINER_RULES, container, f"{path}.{index}")


def applied(rules: Iterable[Rule], value: Yaml, place: str = "") -> Iterator[tuple[str, str]]:
    """Yield path and message of every part of `value`, which stands at `place`, that breaks one of `rules`."""
    for rule in rules:
        for pattern in rule.paths:
            for path, found in found_at(value, pattern):
                if not rule.is_allowed(found):
                    yield f"{place}.{path}".removeprefix("."), f"{found!r} is not allowed here; {rule.mend}"


def found_at(value: Yaml, pattern: str) -> Iterator[tuple[str, Yaml]]:
    """Yield every place of `value` that `pattern` fits, with its value; a last key that is missing counts as None."""
    step, _, rest = pattern.partition(".")
    if step == "*":
        pairs: list[tuple[object, Yaml]] = list(enumerate(value)) if isinstance(value, list) else []
    else:
        pairs = [(step, value.get(step))] if isinstance(value, dict) else []
    for key, child in pairs:
        if not rest:
            yield str(key), child
        else:
            yield from ((f"{key}.{path}", found) for path, found in found_at(child, rest))
