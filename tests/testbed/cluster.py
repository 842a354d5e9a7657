"""Run Kubernetes in the bed: a control plane, one real node, DNS, and a Gateway."""

import secrets
from pathlib import Path

from tests.testbed.configure import answers, configure, tool
from tests.testbed.images import push_base_images
from tests.testbed.programs import asset, binary, build
from tests.testbed.space import ADDRESS, Space

__all__ = [
    "REGISTRY",
    "apply",
    "install_definitions",
    "kubectl",
    "start_control_plane",
    "start_controllers",
    "start_gateway",
    "start_node",
    "start_registry",
    "start_runtime",
    "wait_ready",
]

_NODE = "bed"
REGISTRY = f"{ADDRESS}:5000"
_API = f"https://{ADDRESS}:6443"
_MANIFESTS = Path(__file__).parent / "manifests"


def start_registry(space: Space) -> None:
    """Start an OCI registry that keeps its images in memory."""
    space.start("registry", binary("crane"), "registry", "serve", "--address", f"0.0.0.0:{REGISTRY.rpartition(':')[2]}")


def start_control_plane(space: Space) -> None:
    """Start etcd, the API server, the controllers and the scheduler; they need not be ready yet."""
    pki, token = space.directory / "pki", secrets.token_hex(24)
    pki.mkdir()
    tool(space, "openssl", "ecparam", "-genkey", "-noout", "-name", "prime256v1", "-out", pki / "accounts.key")
    configure(space, "kubeconfig", token=token, namespace="default")
    tokens = configure(space, "tokens.csv", token=token)
    etcd = "http://127.0.0.1:2379"
    space.start(
        "etcd",
        binary("etcd"),
        f"--data-dir={space.directory / 'etcd'}",
        f"--listen-client-urls={etcd}",
        f"--advertise-client-urls={etcd}",
        "--listen-peer-urls=http://127.0.0.1:2380",
        "--unsafe-no-fsync",
        "--log-level=warn",
    )
    space.start(
        "kube-apiserver",
        binary("kube-apiserver"),
        f"--etcd-servers={etcd}",
        f"--advertise-address={ADDRESS}",
        f"--cert-dir={pki}",
        "--service-cluster-ip-range=10.96.0.0/16",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={pki / 'accounts.key'}",
        f"--service-account-signing-key-file={pki / 'accounts.key'}",
        f"--token-auth-file={tokens}",
        "--authorization-mode=Node,RBAC",
        "--kubelet-preferred-address-types=InternalIP",
        "--allow-privileged",
    )


def start_controllers(space: Space) -> None:
    """Start what needs an API server that answers."""
    space.wait("Kubernetes API", lambda: answers(f"{_API}/readyz"))
    kubeconfig = f"--kubeconfig={space.directory / 'kubeconfig'}"
    space.start(
        "kube-controller-manager",
        binary("kube-controller-manager"),
        kubeconfig,
        "--leader-elect=false",
        f"--service-account-private-key-file={space.directory / 'pki/accounts.key'}",
        f"--root-ca-file={space.directory / 'pki/apiserver.crt'}",
    )
    space.start("kube-scheduler", binary("kube-scheduler"), kubeconfig, "--leader-elect=false")


def start_runtime(space: Space) -> None:
    """Start containerd, and push the images that the node cannot do without."""
    configure(space, "10-bed.conflist", into="cni")
    configure(space, "hosts.toml", into=f"registries/{REGISTRY}", registry=REGISTRY)
    settings = configure(space, "containerd.toml", cni=build("cni"), registry=REGISTRY)
    space.start("containerd", binary("containerd"), "--config", settings)
    space.wait("image registry", lambda: answers(f"http://{REGISTRY}/v2/"))
    push_base_images(REGISTRY, ("coredns", "podinfo"))


def start_node(space: Space) -> None:
    """Start the kubelet and kube-proxy."""
    kubeconfig = f"--kubeconfig={space.directory / 'kubeconfig'}"
    space.start(
        "kubelet",
        binary("kubelet"),
        f"--config={configure(space, 'kubelet.yaml', cgroup=space.netns)}",
        kubeconfig,
        f"--root-dir={space.directory / 'kubelet'}",
        f"--cert-dir={space.directory / 'pki'}",
        f"--node-ip={ADDRESS}",
        f"--hostname-override={_NODE}",
    )
    space.start(
        "kube-proxy",
        binary("kube-proxy"),
        kubeconfig,
        "--proxy-mode=nftables",
        "--cluster-cidr=10.244.0.0/16",
        "--conntrack-max-per-core=0",
        f"--hostname-override={_NODE}",
    )


def start_gateway(space: Space) -> None:
    """Start Traefik, which serves the Gateway and Ingress objects."""
    space.start(
        "traefik",
        binary("traefik"),
        "--entrypoints.web.address=:80",
        "--providers.kubernetesgateway",
        f"--providers.kubernetesgateway.statusaddress.ip={ADDRESS}",
        "--providers.kubernetesingress",
        "--global.checknewversion=false",
        "--global.sendanonymoususage=false",
    )


def install_definitions(space: Space) -> None:
    """Add the kinds of Argo CD and of the Gateway API."""
    argocd, gateway = asset("kubernetes", "crds"), asset("traefik", "gateway-api")
    files = [*argocd.glob("*-crd.yaml"), *gateway.glob("*_*.yaml")]
    kubectl(space, "create", *(f"--filename={file}" for file in files))
    # `kubectl wait` fails at once on a kind that has no conditions yet
    look = '{{if eq .type "Established"}}{{.status}} {{end}}'
    form = f"go-template={{{{range .items}}}}{{{{range .status.conditions}}}}{look}{{{{end}}}}{{{{end}}}}"
    space.wait("new kinds", lambda: kubectl(space, "get", "crd", "-o", form).split().count("True") == len(files))


def apply(space: Space, name: str) -> None:
    """Apply a file of `manifests/`."""
    kubectl(space, "apply", "--server-side", "--force-conflicts", f"--filename={_MANIFESTS / name}")


def wait_ready(space: Space) -> None:
    """Wait until the node, DNS and the Gateway can be used."""
    kubectl(space, "wait", "--for=create", "--timeout=60s", f"node/{_NODE}")
    kubectl(space, "wait", "--for=condition=Ready", "--timeout=60s", f"node/{_NODE}")
    kubectl(space, "wait", "--for=condition=Available", "--timeout=60s", "-nkube-system", "deployment/coredns")
    kubectl(space, "wait", "--for=condition=Programmed", "--timeout=60s", "-ngateway-system", "gateway/gateway")


def kubectl(space: Space, *arguments: str, stdin: str = "") -> str:
    """Run kubectl as the administrator."""
    return tool(space, binary("kubectl"), *arguments, stdin=stdin)
