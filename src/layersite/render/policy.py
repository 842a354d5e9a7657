"""What an environment may contain: rules for the objects of an app, each refusal with the place and the mend.

What the bot itself adds (namespace, limits, network policies, routes, secrets) is not checked here.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence

from layersite.model.errors import Problem
from layersite.model.yaml import Yaml
from layersite.render.pod_security import Rule, absent, applied, found_at, one_of, pod_refusals

__all__ = ["check", "kinds"]

_RBAC = "rbac.authorization.k8s.io"
_KINDS = frozenset(
    [f"core/{kind}" for kind in ("ConfigMap", "Service", "ServiceAccount", "PersistentVolumeClaim", "Pod")]
    + [f"apps/{kind}" for kind in ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet")]
    + ["batch/Job", "batch/CronJob", "autoscaling/HorizontalPodAutoscaler", "policy/PodDisruptionBudget"]
    + [f"{_RBAC}/Role", f"{_RBAC}/RoleBinding"]
)
_FURTHER = frozenset(
    [
        *("core/ReplicationController", "core/PodTemplate", "coordination.k8s.io/Lease"),
        *("resource.k8s.io/ResourceClaim", "resource.k8s.io/ResourceClaimTemplate"),
    ]
)
"""Kubernetes' own kinds that `allowed_kinds` may add; all others reach outside the namespace or are the bot's."""
_BUILTIN_GROUPS = frozenset(
    f"{name}.k8s.io"
    for name in (
        *("admissionregistration", "apiextensions", "apiregistration", "authentication", "authorization"),
        *("certificates", "coordination", "discovery", "events", "flowcontrol.apiserver", "internal.apiserver"),
        *("networking", "node", "rbac.authorization", "resource", "scheduling", "storage", "storagemigration"),
    )
)
_NEVER = ("argoproj.io/App", "argoproj.io/Cluster", "external-secrets.io/", "gateway.networking.k8s.io/")
"""What the kinds of Argo CD and those that the bot itself writes begin with."""
_INSTEAD = {
    "core/Secret": "declare it by name under `secrets` of app.yaml; values never stand in the repository",
    "core/Namespace": "leave it out; the namespace is the bot's",
    "core/ResourceQuota": "leave it out; `limits` of layersite.yaml says what an environment may use",
    "core/LimitRange": "leave it out; `limits` of layersite.yaml says what a container gets",
    "networking.k8s.io/NetworkPolicy": "leave it out; the bot derives it from `needs` and `expose` of app.yaml",
    "networking.k8s.io/Ingress": "leave it out and set `expose` in app.yaml",
    "gateway.networking.k8s.io/HTTPRoute": "leave it out and set `expose` in app.yaml",
    "external-secrets.io/ExternalSecret": "declare it under `secrets` of app.yaml with `source: external`",
}

_SYNC_OPTIONS = frozenset(
    ["PruneLast=true", "ServerSideApply=true", "SkipDryRunOnMissingResource=true", "Validate=false"]
)
_PODS_AT = {"Pod": "", "PodTemplate": "template", "CronJob": "spec.jobTemplate.spec.template"}
"""Where kinds have their pod template; all others have it at `spec.template`."""
_METADATA_RULES = (
    Rule(["finalizers", "ownerReferences"], absent, "leave it out; it would keep the environment from going away"),
)
_CLAIM_RULES = (Rule(["spec.volumeName"], absent, "leave it out; the claim gets a volume of its own"),)
_KIND_RULES = {
    "core/Service": (
        Rule(["spec.type"], one_of(None, "ClusterIP"), "use ClusterIP; `expose` in app.yaml gives it a host name"),
        Rule(["spec.externalIPs", "spec.externalName"], absent, "leave it out; make an `external` app of the target"),
        Rule(["spec.selector"], lambda value: bool(value), "select pods of the app; a Service leads nowhere else"),
    ),
    f"{_RBAC}/RoleBinding": (
        Rule(["roleRef.kind"], one_of("Role"), "bind a Role that the app brings along"),
        Rule(["subjects.*.kind"], one_of("ServiceAccount"), "bind a ServiceAccount of this environment"),
    ),
}


def check(objects: Sequence[Yaml], namespace: str, source: str, allowed_kinds: Collection[str]) -> list[Problem]:
    """Return what of an app's `objects` may not be in the environment `namespace`; `source` is named in problems.

    `allowed_kinds` are further namespaced kinds as `group/Kind`, with `core` for Kubernetes' nameless group. They never
    open up kinds that reach outside the namespace, are the bot's own, or belong to Argo CD.
    """
    problems = []
    for item in objects:
        for path, message in _refusals(item, namespace, allowed_kinds):
            key = f"{item['kind']}/{item['metadata']['name']}: {path}"
            problems.append(Problem(source, 0, key, message))
    return problems


def kinds(allowed_kinds: Collection[str]) -> frozenset[str]:
    """Return every kind that an app may contain, as `group/Kind` with `core` for Kubernetes' nameless group."""
    return _KINDS | {kind for kind in allowed_kinds if _is_kind_allowed(kind, allowed_kinds)}


def _refusals(item: Yaml, namespace: str, allowed_kinds: Collection[str]) -> Iterator[tuple[str, str]]:
    kind = f"{item['apiVersion'].rpartition('/')[0] or 'core'}/{item['kind']}"
    if not _is_kind_allowed(kind, allowed_kinds):
        mend = _INSTEAD.get(
            kind, "leave it out, or name it under `allowed_kinds` of layersite.yaml if it is namespaced"
        )
        yield "kind", f"`{kind}` is not allowed in an environment; {mend}"
        return
    pod = _PODS_AT.get(item["kind"], "spec.template")
    claims = ("", "spec.volumeClaimTemplates.*", f"{pod}.spec.volumes.*.ephemeral.volumeClaimTemplate")
    mend = f"leave it out; everything is in `{namespace}`"
    here = Rule(
        ["metadata.namespace", "spec.dataSourceRef.namespace", "subjects.*.namespace"], one_of(None, namespace), mend
    )
    yield from applied(_KIND_RULES.get(kind, ()), item)
    yield from pod_refusals(item, pod)
    for path, value in _each(item, {*claims, pod, "spec.jobTemplate"}):
        yield from applied([here], value, path)
        yield from _metadata_refusals(value, path)
    for path, value in _each(item, claims):
        yield from applied(_CLAIM_RULES, value, path)
    if kind == f"{_RBAC}/Role":
        yield from _role_refusals(item)


def _each(item: Yaml, patterns: Iterable[str]) -> Iterator[tuple[str, Yaml]]:
    """Yield every place of `item` that one of `patterns` fits; the empty one is `item` itself."""
    for pattern in sorted(patterns):
        yield from found_at(item, pattern.removeprefix(".")) if pattern else [("", item)]


def _is_kind_allowed(kind: str, allowed_kinds: Collection[str]) -> bool:
    group = kind.partition("/")[0]
    if kind in _KINDS:
        return True
    if "." not in group or group in _BUILTIN_GROUPS:
        return kind in _FURTHER and kind in allowed_kinds
    return kind in allowed_kinds and not kind.startswith(_NEVER)


def _metadata_refusals(value: Yaml, place: str) -> Iterator[tuple[str, str]]:
    """Judge the metadata of `value`, an object or a template of one."""
    for path, metadata in found_at(value, "metadata"):
        at = f"{place}.{path}".removeprefix(".")
        yield from applied(_METADATA_RULES, metadata, at)
        annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
        for key, text in annotations.items() if isinstance(annotations, dict) else ():
            if mend := _annotation_mend(str(key), str(text)):
                yield f"{at}.annotations.{key}", f"{text!r} is not allowed here; {mend}"


def _annotation_mend(key: str, text: str) -> str | None:
    """Return what to do about an annotation, None if it may stand."""
    if key.startswith("container.apparmor.security.beta.kubernetes.io/"):
        return None if text == "runtime/default" or text.startswith("localhost/") else "use runtime/default"
    if key == "argocd.argoproj.io/sync-options":
        is_harmless = set(text.replace(" ", "").split(",")) <= _SYNC_OPTIONS
        return None if is_harmless else f"only {', '.join(sorted(_SYNC_OPTIONS))} do not hinder the teardown"
    if key.startswith("argocd.argoproj.io/") and key != "argocd.argoproj.io/sync-wave":
        return "leave it out; of Argo CD's only sync-wave and sync-options may be set"
    return None


_READ = frozenset(["get", "list", "watch"])
_GUARDED = frozenset(["*", "roles", "rolebindings", "networkpolicies", "resourcequotas", "limitranges"])


def _role_refusals(item: Yaml) -> Iterator[tuple[str, str]]:
    """Refuse a Role by which a pod could give itself more rights or take down the environment's walls."""
    for path, rule in found_at(item, "rules.*"):
        verbs, resources = ({str(name) for _, name in found_at(rule, f"{key}.*")} for key in ("verbs", "resources"))
        refused = verbs & {"escalate", "bind", "impersonate"}
        if resources & _GUARDED:
            refused |= verbs - _READ
        if "secrets" in resources:
            refused |= verbs & {"*"}
        for verb in sorted(refused):
            mend = "name the resources and verbs that the app needs"
            yield f"{path}.verbs", f"{verb!r} is not allowed on {', '.join(sorted(resources))}; {mend}"
