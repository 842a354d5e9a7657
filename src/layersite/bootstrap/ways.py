"""How requests get into environments: is there a gateway that takes their routes, or the ingress class?"""

from layersite.bootstrap.finding import Finding, ok, wrong
from layersite.bootstrap.kubectl import Cluster
from layersite.model.site import Exposure
from layersite.model.yaml import Yaml

__all__ = ["way_in"]


def way_in(cluster: Cluster, exposure: Exposure) -> Finding:
    """See whether what the site names under `exposure` is there and takes its hosts."""
    if exposure.ingress is None:
        return _gateway(cluster, exposure)
    name = exposure.ingress.class_name
    if cluster.get("ingressclass", name) is None:
        mend = "install its controller, or name another one under `exposure.ingress` of layersite.yaml"
        return wrong(f"there is no ingress class `{name}`", mend)
    return ok(f"there is the ingress class `{name}`")


def _gateway(cluster: Cluster, exposure: Exposure) -> Finding:
    if cluster.get("customresourcedefinition", "httproutes.gateway.networking.k8s.io") is None:
        return wrong("HTTPRoute is not defined", "install the Gateway API, or set `exposure.ingress` in layersite.yaml")
    wanted = exposure.gateway
    name = f"the gateway `{wanted.name}` in `{wanted.namespace}`"
    found = cluster.get("gateway.gateway.networking.k8s.io", wanted.name, wanted.namespace)
    if found is None:
        return wrong(f"{name} is not there", "create it, or name another one under `exposure` of layersite.yaml")
    fitting = [each for each in found["spec"]["listeners"] if _takes(each.get("hostname"), exposure.domain)]
    if not fitting:
        mend = f'add one with `hostname: "*.{exposure.domain}"`'
        return wrong(f"{name} has no listener for *.{exposure.domain}", mend)
    if all(_admits(each) == "Same" for each in fitting):
        mend = "set `allowedRoutes: {namespaces: {from: All}}` on that listener, or a selector of the environments"
        return wrong(f"{name} takes routes from its own namespace alone", mend)
    conditions = {each["type"]: each["status"] for each in found.get("status", {}).get("conditions") or ()}
    if "True" not in (conditions.get("Programmed"), conditions.get("Accepted")):
        return wrong(f"{name} is served by nobody", "see whether the controller of its class is running")
    return ok(f"{name} takes routes for *.{exposure.domain}")


def _takes(hostname: str | None, domain: str) -> bool:
    """Whether a listener for `hostname` takes hosts below `domain`."""
    return not hostname or (hostname.startswith("*.") and f".{domain}".endswith(hostname[1:]))


def _admits(listener: Yaml) -> str:
    return str(listener.get("allowedRoutes", {}).get("namespaces", {}).get("from", "Same"))
