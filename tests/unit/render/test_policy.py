from collections.abc import Collection
from pathlib import Path

import pytest

from layersite.model.yaml import Yaml, load_all
from layersite.render.policy import check

SAMPLES = Path(__file__).parents[3] / ".." / "shared" / "samples"


def refusals(*objects: Yaml, allowed: Collection[str] = ()) -> list[str]:
    return [str(problem) for problem in check(objects, "env-web-1", "apps/web", allowed)]


def parsed(text: str) -> Yaml:
    return load_all(text, "text")[0]


def an_object(api_version: str, kind: str, rest: str = "{}") -> Yaml:
    """Return an object named `web` with the fields of `rest`, which is YAML."""
    content = parsed(rest)
    metadata = {"name": "web", **content.get("metadata", {})}
    return {"apiVersion": api_version, "kind": kind, **content, "metadata": metadata}


def workload(kind: str, pod: Yaml) -> Yaml:
    """Return a workload of `kind` with the pod spec `pod`."""
    version = {"Pod": "v1", "CronJob": "batch/v1", "Job": "batch/v1"}.get(kind, "apps/v1")
    template = {"template": {"spec": pod}}
    spec = {"Pod": pod, "CronJob": {"jobTemplate": {"spec": template}}}.get(kind, template)
    return {**an_object(version, kind), "spec": spec}


WORKLOADS = {
    "Pod": "spec",
    "Deployment": "spec.template.spec",
    "StatefulSet": "spec.template.spec",
    "DaemonSet": "spec.template.spec",
    "ReplicaSet": "spec.template.spec",
    "Job": "spec.template.spec",
    "CronJob": "spec.jobTemplate.spec.template.spec",
}


@pytest.mark.parametrize(("kind", "place"), WORKLOADS.items(), ids=WORKLOADS)
@pytest.mark.parametrize("containers", ["containers", "initContainers", "ephemeralContainers"])
def test_every_container_of_every_workload_is_checked(kind: str, place: str, containers: str) -> None:
    item = workload(kind, {containers: [{"name": "a"}, {"name": "b", "securityContext": {"privileged": True}}]})
    (found,) = refusals(item)
    key = f"{kind}/web: {place}.{containers}.1.securityContext.privileged"
    assert found == f"apps/web: {key}: True is not allowed here; leave it out; add single capabilities if need be"


PODS = {
    "hostNetwork": ("{hostNetwork: true}", "hostNetwork: True"),
    "hostPID": ("{hostPID: true}", "hostPID: True"),
    "hostIPC": ("{hostIPC: true}", "hostIPC: True"),
    "text instead of a boolean": ("{hostNetwork: 'true'}", "hostNetwork: 'true'"),
    "nodeName": ("{nodeName: node-1}", "nodeName: 'node-1'"),
    "system priority": ("{priorityClassName: system-node-critical}", "priorityClassName: 'system-node-critical'"),
    "hostPath": ("{volumes: [{name: v, hostPath: {path: /}}]}", "volumes.0.hostPath: {'path': '/'}"),
    "empty hostPath": ("{volumes: [{name: v, hostPath: {}}]}", "volumes.0.hostPath: {}"),
    "sysctl": ("{securityContext: {sysctls: [{name: kernel.msgmax}]}}", "sysctls.0.name: 'kernel.msgmax'"),
    "seccomp": ("{securityContext: {seccompProfile: {type: Unconfined}}}", "seccompProfile.type: 'Unconfined'"),
    "AppArmor": ("{securityContext: {appArmorProfile: {type: Unconfined}}}", "appArmorProfile.type: 'Unconfined'"),
    "SELinux type": ("{securityContext: {seLinuxOptions: {type: spc_t}}}", "seLinuxOptions.type: 'spc_t'"),
    "SELinux user": ("{securityContext: {seLinuxOptions: {user: root}}}", "seLinuxOptions.user: 'root'"),
    "SELinux role": ("{securityContext: {seLinuxOptions: {role: r}}}", "seLinuxOptions.role: 'r'"),
    "hostProcess": ("{securityContext: {windowsOptions: {hostProcess: true}}}", "windowsOptions.hostProcess: True"),
    "claim of another namespace": (
        "{volumes: [{ephemeral: {volumeClaimTemplate: {spec: {dataSourceRef: {namespace: other}}}}}]}",
        "volumes.0.ephemeral.volumeClaimTemplate.spec.dataSourceRef.namespace: 'other'",
    ),
}
CONTAINERS = {
    "hostPort": ("ports: [{containerPort: 1, hostPort: 80}]", "ports.0.hostPort: 80"),
    "capability": ("securityContext: {capabilities: {add: [CHOWN, SYS_ADMIN]}}", "capabilities.add.1: 'SYS_ADMIN'"),
    "all capabilities": ("securityContext: {capabilities: {add: [ALL]}}", "capabilities.add.0: 'ALL'"),
    "procMount": ("securityContext: {procMount: Unmasked}", "procMount: 'Unmasked'"),
    "seccomp": ("securityContext: {seccompProfile: {type: Unconfined}}", "seccompProfile.type: 'Unconfined'"),
    "AppArmor": ("securityContext: {appArmorProfile: {type: Unconfined}}", "appArmorProfile.type: 'Unconfined'"),
    "SELinux": ("securityContext: {seLinuxOptions: {type: spc_t}}", "seLinuxOptions.type: 'spc_t'"),
    "hostProcess": ("securityContext: {windowsOptions: {hostProcess: true}}", "windowsOptions.hostProcess: True"),
    "probe of another host": ("livenessProbe: {httpGet: {host: 10.0.0.1}}", "livenessProbe.httpGet.host: '10.0.0.1'"),
    "hook to another host": ("lifecycle: {preStop: {tcpSocket: {host: x}}}", "lifecycle.preStop.tcpSocket.host: 'x'"),
}


@pytest.mark.parametrize(("pod", "message"), PODS.values(), ids=PODS)
def test_a_pod_that_leaves_its_sandbox_is_refused(pod: str, message: str) -> None:
    (found,) = refusals(workload("Deployment", parsed(pod)))
    assert f"{message} is not allowed here; " in found


@pytest.mark.parametrize(("container", "message"), CONTAINERS.values(), ids=CONTAINERS)
def test_a_container_that_leaves_its_sandbox_is_refused(container: str, message: str) -> None:
    (found,) = refusals(workload("Pod", {"containers": [parsed(f"{{name: a, {container}}}")]}))
    assert f"{message} is not allowed here; " in found


OBJECTS = {
    "another namespace": (("v1", "ConfigMap", "metadata: {namespace: other}"), "metadata.namespace: 'other'"),
    "pods of another namespace": (
        ("apps/v1", "Deployment", "spec: {template: {metadata: {namespace: other}}}"),
        "spec.template.metadata.namespace: 'other'",
    ),
    "finalizers": (("v1", "ConfigMap", "metadata: {finalizers: [x/y]}"), "metadata.finalizers: ['x/y']"),
    "finalizers of pods": (
        ("apps/v1", "Deployment", "spec: {template: {metadata: {finalizers: [x/y]}}}"),
        "spec.template.metadata.finalizers: ['x/y']",
    ),
    "finalizers of jobs": (
        ("batch/v1", "CronJob", "spec: {jobTemplate: {metadata: {finalizers: [x/y]}}}"),
        "spec.jobTemplate.metadata.finalizers: ['x/y']",
    ),
    "finalizers of claims": (
        ("apps/v1", "StatefulSet", "spec: {volumeClaimTemplates: [{metadata: {finalizers: [x/y]}}]}"),
        "spec.volumeClaimTemplates.0.metadata.finalizers: ['x/y']",
    ),
    "owner": (
        ("v1", "ConfigMap", "metadata: {ownerReferences: [{uid: x}]}"),
        "metadata.ownerReferences: [{'uid': 'x'}]",
    ),
    "Argo CD hook": (
        ("batch/v1", "Job", "metadata: {annotations: {argocd.argoproj.io/hook: PostDelete}}"),
        "metadata.annotations.argocd.argoproj.io/hook: 'PostDelete'",
    ),
    "Argo CD without prune": (
        (
            "v1",
            "ConfigMap",
            "metadata: {annotations: {argocd.argoproj.io/sync-options: 'PruneLast=true, Prune=false'}}",
        ),
        "metadata.annotations.argocd.argoproj.io/sync-options: 'PruneLast=true, Prune=false'",
    ),
    "Argo CD with replace": (
        ("v1", "ConfigMap", "metadata: {annotations: {argocd.argoproj.io/sync-options: Replace=true}}"),
        "metadata.annotations.argocd.argoproj.io/sync-options: 'Replace=true'",
    ),
    "AppArmor annotation": (
        ("v1", "Pod", "metadata: {annotations: {container.apparmor.security.beta.kubernetes.io/a: unconfined}}"),
        "metadata.annotations.container.apparmor.security.beta.kubernetes.io/a: 'unconfined'",
    ),
    "LoadBalancer": (("v1", "Service", "spec: {type: LoadBalancer, selector: {a: b}}"), "spec.type: 'LoadBalancer'"),
    "NodePort": (("v1", "Service", "spec: {type: NodePort, selector: {a: b}}"), "spec.type: 'NodePort'"),
    "external IPs": (("v1", "Service", "spec: {externalIPs: [1.1.1.1], selector: {a: b}}"), "externalIPs: ['1.1.1.1']"),
    "no selector": (("v1", "Service", "spec: {ports: [{port: 80}]}"), "spec.selector: None"),
    "claim of another namespace": (
        ("v1", "PersistentVolumeClaim", "spec: {dataSourceRef: {namespace: other}}"),
        "spec.dataSourceRef.namespace: 'other'",
    ),
    "claim of another's volume": (
        ("v1", "PersistentVolumeClaim", "spec: {volumeName: pv-1}"),
        "spec.volumeName: 'pv-1'",
    ),
    "claim template of another's volume": (
        ("apps/v1", "StatefulSet", "spec: {volumeClaimTemplates: [{spec: {volumeName: pv-1}}]}"),
        "spec.volumeClaimTemplates.0.spec.volumeName: 'pv-1'",
    ),
    "binding of a ClusterRole": (
        ("rbac.authorization.k8s.io/v1", "RoleBinding", "roleRef: {kind: ClusterRole, name: admin}"),
        "roleRef.kind: 'ClusterRole'",
    ),
    "binding to another namespace": (
        (
            "rbac.authorization.k8s.io/v1",
            "RoleBinding",
            "{roleRef: {kind: Role}, subjects: [{kind: ServiceAccount, namespace: other}]}",
        ),
        "subjects.0.namespace: 'other'",
    ),
    "binding to a group": (
        ("rbac.authorization.k8s.io/v1", "RoleBinding", "{roleRef: {kind: Role}, subjects: [{kind: Group}]}"),
        "subjects.0.kind: 'Group'",
    ),
}


@pytest.mark.parametrize(("parts", "message"), OBJECTS.values(), ids=OBJECTS)
def test_an_object_that_reaches_out_is_refused(parts: tuple[str, str, str], message: str) -> None:
    (found,) = refusals(an_object(*parts))
    assert found.startswith(f"apps/web: {parts[1]}/web: ")
    assert f"{message} is not allowed here; " in found


def test_an_external_name_is_refused_for_type_name_and_missing_selector() -> None:
    found = refusals(an_object("v1", "Service", "spec: {type: ExternalName, externalName: db.example.com}"))
    assert [line.split(": ")[2] for line in found] == ["spec.type", "spec.externalName", "spec.selector"]


@pytest.mark.parametrize(
    ("rule", "verbs"),
    [
        pytest.param("{resources: [pods], verbs: [get, impersonate]}", ["impersonate"], id="impersonate"),
        pytest.param("{resources: [roles], verbs: [get, bind, escalate]}", ["bind", "escalate"], id="roles"),
        pytest.param("{resources: ['*'], verbs: [get, '*']}", ["*"], id="all"),
        pytest.param("{resources: [secrets], verbs: ['*']}", ["*"], id="secrets"),
        pytest.param("{resources: [networkpolicies], verbs: [delete]}", ["delete"], id="walls"),
        pytest.param("{resources: ['*'], verbs: [get, list, watch]}", [], id="reading all"),
        pytest.param("{resources: [pods, pods/exec], verbs: ['*']}", [], id="pods"),
        pytest.param("{resources: [leases], verbs: [get, create, update]}", [], id="leader election"),
    ],
)
def test_a_role_may_not_widen_itself(rule: str, verbs: list[str]) -> None:
    found = refusals(an_object("rbac.authorization.k8s.io/v1", "Role", f"rules: [{rule}]"))
    assert [line.split("'")[1] for line in found] == verbs


@pytest.mark.parametrize(
    ("api_version", "kind", "mend"),
    [
        ("v1", "Secret", "declare it by name under `secrets`"),
        ("v1", "Namespace", "the namespace is the bot's"),
        ("v1", "ResourceQuota", "`limits` of layersite.yaml"),
        ("networking.k8s.io/v1", "NetworkPolicy", "derives it from `needs` and `expose`"),
        ("networking.k8s.io/v1", "Ingress", "set `expose`"),
        ("gateway.networking.k8s.io/v1", "HTTPRoute", "set `expose`"),
        ("external-secrets.io/v1", "ExternalSecret", "`source: external`"),
        ("external-secrets.io/v1", "ClusterSecretStore", "leave it out"),
        ("rbac.authorization.k8s.io/v1", "ClusterRole", "leave it out"),
        ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "leave it out"),
        ("apiextensions.k8s.io/v1", "CustomResourceDefinition", "leave it out"),
        ("argoproj.io/v1alpha1", "Application", "leave it out"),
        ("argoproj.io/v1alpha1", "ApplicationSet", "leave it out"),
        ("argoproj.io/v1alpha1", "AppProject", "leave it out"),
        ("v1", "PersistentVolume", "leave it out"),
        ("v1", "Endpoints", "leave it out"),
        ("discovery.k8s.io/v1", "EndpointSlice", "leave it out"),
        ("v1", "List", "leave it out"),
    ],
)
def test_a_forbidden_kind_is_refused_even_if_a_site_allows_it(api_version: str, kind: str, mend: str) -> None:
    group = api_version.rpartition("/")[0] or "core"
    (found,) = refusals(an_object(api_version, kind), allowed=[f"{group}/{kind}"])
    assert found.startswith(f"apps/web: {kind}/web: kind: `{group}/{kind}` is not allowed in an environment; ")
    assert mend in found


@pytest.mark.parametrize(
    ("api_version", "kind", "name"),
    [
        ("monitoring.coreos.com/v1", "ServiceMonitor", "monitoring.coreos.com/ServiceMonitor"),
        ("argoproj.io/v1alpha1", "Rollout", "argoproj.io/Rollout"),
        ("v1", "ReplicationController", "core/ReplicationController"),
    ],
)
def test_a_further_kind_is_allowed_by_name_only(api_version: str, kind: str, name: str) -> None:
    assert len(refusals(an_object(api_version, kind))) == 1
    assert refusals(an_object(api_version, kind), allowed=[name]) == []


def test_the_pods_of_a_further_kind_are_checked_too() -> None:
    rollout = an_object("argoproj.io/v1alpha1", "Rollout", "spec: {template: {spec: {hostNetwork: true}}}")
    assert "spec.template.spec.hostNetwork" in refusals(rollout, allowed=["argoproj.io/Rollout"])[0]


HARMLESS = """
apiVersion: apps/v1
kind: StatefulSet
metadata:
  name: web
  namespace: env-web-1
  finalizers: []
  annotations:
    argocd.argoproj.io/sync-wave: "1"
    argocd.argoproj.io/sync-options: ServerSideApply=true,PruneLast=true
spec:
  volumeClaimTemplates: [{metadata: {name: data}, spec: {dataSourceRef: {namespace: env-web-1, kind: x, name: y}}}]
  template:
    metadata: {annotations: {container.apparmor.security.beta.kubernetes.io/a: runtime/default}}
    spec:
      hostNetwork: false
      serviceAccountName: web
      automountServiceAccountToken: true
      priorityClassName: low
      volumes: [{name: t, projected: {sources: [{serviceAccountToken: {path: token}}]}}, {name: e, emptyDir: {}}]
      securityContext: {seccompProfile: {type: RuntimeDefault}, sysctls: [{name: net.ipv4.tcp_syncookies, value: "1"}]}
      containers:
        - name: a
          ports: [{containerPort: 80, hostPort: 0}]
          securityContext: {privileged: false, capabilities: {add: [NET_BIND_SERVICE], drop: [ALL]}, procMount: Default}
          livenessProbe: {httpGet: {port: 80}}
"""


def test_what_an_ordinary_app_holds_is_allowed() -> None:
    assert refusals(parsed(HARMLESS)) == []


def test_every_problem_of_every_object_is_told() -> None:
    found = refusals(workload("Pod", {"hostPID": True, "hostIPC": True}), an_object("v1", "Secret"))
    assert [line.split(": ")[1] for line in found] == ["Pod/web", "Pod/web", "Secret/web"]


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="the sample manifests are not beside this checkout")
def test_a_real_application_needs_one_mend() -> None:
    text = (SAMPLES / "online-boutique" / "release" / "kubernetes-manifests.yaml").read_text(encoding="utf-8")
    objects = [item for item in load_all(text, "sample") if item]
    assert [problem.key for problem in check(objects, "env", "apps", [])] == ["Service/frontend-external: spec.type"]
