"""A visitor of an environment that sleeps, by way of a real gateway, Argo CD and pods."""

import httpx

from tests.e2e.team import Team, wait_for

SERVICE = """
apiVersion: v1
kind: Service
metadata: {{name: layersite}}
spec: {{ports: [{{name: http, port: 8000}}]}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: layersite, labels: {{kubernetes.io/service-name: layersite}}}}
addressType: IPv4
endpoints: [{{addresses: [{address}], conditions: {{ready: true}}}}]
ports: [{{name: http, port: {port}}}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: waker}}
spec:
  parentRefs: [{{name: {gateway}, namespace: {namespace}}}]
  hostnames: ["*.{domain}"]
  rules: [{{backendRefs: [{{name: layersite, port: 8000}}]}}]
"""


def test_a_visitor_wakes_what_sleeps(team: Team) -> None:
    settings = team.site / "layersite.yaml"
    settings.write_text(settings.read_text().replace("waker: false", "waker: true"))
    number = team.open("web", "sleepy", "good morning")
    name = f"web-{number}"
    team.layersite("reconcile")
    team.shows(name, "good morning")
    team.layersite("sleep", name)
    assert team.bed.kubectl("get", "pods", "-n", f"{team.name}-{name}", "-o", "name").strip() == ""
    with team.serving(every=600, host="0.0.0.0") as url:  # noqa: S104 - the bed's own network
        address = team.bed.kubectl("get", "nodes", "-o", "jsonpath={.items[0].status.addresses[0].address}")
        service = SERVICE.format(
            address=address,
            port=url.rpartition(":")[2],
            gateway=team.bed.gateway_name,
            namespace=team.bed.gateway_namespace,
            domain=team.domain,
        )
        team.bed.kubectl("apply", "-n", f"stage-{team.name}", "-f", "-", stdin=service)
        host = f"{name}--web.{team.domain}"

        def page() -> httpx.Response:
            return httpx.get(team.bed.gateway_url, headers={"Host": host}, timeout=20, trust_env=False)

        first = wait_for("the page", lambda: (found := page()) and "is waking up" in found.text and found)
        assert (first.status_code, first.headers["Retry-After"]) == (503, "5")
        team.shows(name, "good morning")
    team.close("web", number)
    team.layersite("reconcile")
