"""What a repository of environments consists of: ten files each, as one of nine services has them."""

from pathlib import Path

from benchmarks.git import git
from layersite.model.environment import Environment, Member, Slot, to_yaml
from layersite.store.snapshot import directory_of

__all__ = ["APPS", "SHA", "build", "files_of"]

APPS = [
    f"{name}-service"
    for name in ["cart", "catalog", "checkout", "delivery", "email", "payment", "search", "shipping", "user"]
]
SHA = "8f3a1c5e9b7d2046a8c4e6f0123456789abcdef0"

MANIFEST = """---
apiVersion: apps/v1
kind: Deployment
metadata:
  labels:
    app.kubernetes.io/instance: {name}
    app.kubernetes.io/managed-by: layersite
    app.kubernetes.io/name: {app}
    app.kubernetes.io/part-of: {name}
  name: {app}
  namespace: env-{name}
spec:
  replicas: 1
  revisionHistoryLimit: 2
  selector:
    matchLabels:
      app.kubernetes.io/instance: {name}
      app.kubernetes.io/name: {app}
  template:
    metadata:
      annotations:
        layersite.dev/commit: {sha}
      labels:
        app.kubernetes.io/instance: {name}
        app.kubernetes.io/name: {app}
    spec:
      automountServiceAccountToken: false
      containers:
        - env:
{variables}
          image: registry.example.com/shop/{app}:{sha}
          name: {app}
          ports:
            - containerPort: 8080
              name: http
          readinessProbe:
            httpGet:
              path: /healthz
              port: http
            periodSeconds: 2
          resources:
            limits:
              memory: 256Mi
            requests:
              cpu: 50m
              memory: 128Mi
          securityContext:
            allowPrivilegeEscalation: false
            readOnlyRootFilesystem: true
            runAsNonRoot: true
---
apiVersion: v1
kind: Service
metadata:
  labels:
    app.kubernetes.io/instance: {name}
    app.kubernetes.io/managed-by: layersite
    app.kubernetes.io/name: {app}
  name: {app}
  namespace: env-{name}
spec:
  ports:
    - name: http
      port: 80
      targetPort: http
  selector:
    app.kubernetes.io/instance: {name}
    app.kubernetes.io/name: {app}
"""


def files_of(name: str) -> dict[str, bytes]:
    """Return ten files, about 22 KB, as one environment of nine services has them."""
    variables = "\n".join(
        f"            - name: {other.upper().replace('-', '_')}_ADDR\n              value: {other}.env-{name}.svc:80"
        for other in APPS[:5]
    )
    environment = Environment(
        name=name,
        cluster="in-cluster",
        namespace=f"env-{name}",
        members=(Member(repository="shop", number=42, branch="change/42", sha=SHA, apps=tuple(APPS)),),
        slice={app: Slot(provision="isolated", reason="changed", sha=SHA) for app in APPS},
    )
    manifests = {
        f"manifests/{app}.yaml": MANIFEST.format(app=app, name=name, sha=SHA, variables=variables).encode()
        for app in APPS
    }
    return {"environment.yaml": to_yaml(environment).encode(), **manifests}


def build(path: Path, count: int) -> None:
    """Make a bare repository with `count` environments in one commit."""
    git("init", "-q", "--bare", "-b", "main", str(path))
    stream = bytearray(b"commit refs/heads/main\ncommitter bench <bench@example.com> 1 +0000\ndata 0\n")
    for name in (f"shop-{number}" for number in range(count)):
        for file, content in files_of(name).items():
            stream += f"M 100644 inline {directory_of(name)}/{file}\ndata {len(content)}\n".encode() + content + b"\n"
    git(f"--git-dir={path}", "fast-import", "--quiet", stdin=bytes(stream))
