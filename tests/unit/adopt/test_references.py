"""What counts as a call to another app, and what only looks like one."""

from pathlib import Path

import pytest

from layersite.adopt import adopt
from tests.unit.adopt.helpers import edges, manifests, service, workload


def _calls(folder: Path, field: str, *more: str) -> set[tuple[str, str]]:
    apps = [workload("cart"), service("cart", "cart", 7070), workload("db"), service("db", "db", 5432)]
    return edges(adopt(manifests(folder, workload("web", field), *apps, *more)))


@pytest.mark.parametrize(
    "field",
    [
        "env: [{name: X, value: 'cart:7070'}]",
        "env: [{name: X, value: 'http://cart'}]",
        "env: [{name: X, value: 'http://cart:7070/api'}]",
        "env: [{name: X, value: 'grpc://user:word@cart:7070'}]",
        "env: [{name: X, value: 'user:word@cart:7070'}]",
        "env: [{name: X, value: 'user:word@tcp(cart:7070)/x'}]",
        "env: [{name: X, value: 'jdbc:postgresql://cart:7070/x'}]",
        "env: [{name: X, value: 'other.example.com:1,cart:7070'}]",
        "env: [{name: X, value: 'http://cart.default:7070'}]",
        "env: [{name: X, value: 'cart.prod:7070'}]",
        "env: [{name: CART_URL, value: cart.prod.svc}]",
        "env: [{name: X, value: 'http://cart.prod.svc.cluster.local'}]",
        "env: [{name: CART_HOST, value: cart}]",
        "env: [{name: CART_SERVICE_ADDR, value: cart}]",
        "env: [{name: BROKERS, value: 'kafka, cart'}]",
        "env: [{name: X, value: 'cart:$(CART_PORT)'}]",
        "env: [{name: cartUrl, value: cart}]",
        "args: ['--cart=cart:7070']",
        "args: ['--cart-host=cart']",
        "args: ['--cart-host', 'cart']",
        "command: [sh, -c, 'exec app --url http://cart/']",
        "command: [sh, -c, 'until nc -z cart 7070; do sleep 1; done']",
        "command: [sh, -c, 'pg_isready -h cart']",
        'command: [sh, -c, "set -e\\nwget cart:7070/ok\\n"]',
    ],
)
def test_is_a_call(tmp_path: Path, field: str) -> None:
    assert _calls(tmp_path, field) == {("web", "cart")}


@pytest.mark.parametrize(
    "field",
    [
        "env: [{name: NAME, value: cart}]",
        "env: [{name: OTEL_SERVICE_NAME, value: cart}]",
        "env: [{name: X_HOST, value: shopping-cart-v2}]",
        "env: [{name: X, value: 'shopping-cart:7070'}]",
        "env: [{name: X, value: 'cart-v2:7070'}]",
        "env: [{name: X, value: 'http://example.com/cart'}]",
        "env: [{name: X, value: 'http://example.com/cart:7070'}]",
        "env: [{name: X, value: 'cart.example.com:7070'}]",
        "env: [{name: X, value: 'http://cart.example.com'}]",
        "env: [{name: X, value: 'https://cart.io'}]",
        "env: [{name: CART_IMAGE, value: 'cart:7070'}]",
        "env: [{name: X, value: 'registry.example.com/cart:7070'}]",
        "env: [{name: X_URL, value: /cart}]",
        "env: [{name: X, value: 'mail to cart@example.com'}]",
        "args: ['--name=cart']",
        "args: [serve, cart]",
    ],
)
def test_is_no_call(tmp_path: Path, field: str) -> None:
    assert _calls(tmp_path, field) == set()


def test_own_service_is_no_call(tmp_path: Path) -> None:
    field = "env: [{name: SELF_URL, value: 'http://web:80'}]"
    adoption = adopt(manifests(tmp_path, workload("web", field), service("web", "web")))
    assert (adoption.edges, adoption.unresolved) == ((), ())


CONFIG = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata:\n  "


@pytest.mark.parametrize(
    ("field", "data"),
    [
        ("envFrom: [{configMapRef: {name: settings}}]", "CART_ADDR: cart:7070"),
        ("envFrom: [{configMapRef: {name: settings}}]", "CART_HOST: cart"),
        ("env: [{name: C, valueFrom: {configMapKeyRef: {name: settings, key: at}}}]", "at: cart:7070"),
    ],
)
def test_call_through_a_config_map(tmp_path: Path, field: str, data: str) -> None:
    assert _calls(tmp_path, field, CONFIG + data + "\n") == {("web", "cart")}


@pytest.mark.parametrize(
    "line", ["proxy_pass http://cart/;", "server cart:7070;", "cart.host = cart", '"host": "cart",', "url: http://cart"]
)
def test_call_in_a_mounted_file(tmp_path: Path, line: str) -> None:
    pod = workload("web") + "      volumes: [{name: c, configMap: {name: settings}}]\n"
    other = [workload("cart"), service("cart", "cart", 7070)]
    config = f"{CONFIG}app.conf: |\n    {line}\n"
    adoption = adopt(manifests(tmp_path, pod, config, *other))
    assert edges(adoption) == {("web", "cart")}
    assert str(adoption.edges[0].evidence[0]) == f"all.yaml: ConfigMap settings key app.conf = {line}"


def test_init_container_calls(tmp_path: Path) -> None:
    pod = workload("web") + "      initContainers: [{name: wait, image: 'b:1', args: ['http://cart:7070']}]\n"
    assert edges(adopt(manifests(tmp_path, pod, workload("cart"), service("cart", "cart")))) == {("web", "cart")}


def test_one_pod_of_a_stateful_set_leads_to_its_service(tmp_path: Path) -> None:
    assert _calls(tmp_path, "env: [{name: X, value: 'db-0.db:5432'}]") == {("web", "db")}


def test_service_in_front_of_two_apps_is_ambiguous(tmp_path: Path) -> None:
    both = [workload(name).replace("labels: {", "labels: {tier: back, ") for name in ("blue", "green")]
    front = service("back", "x").replace("app: x", "tier: back")
    web = workload("web", "env: [{name: BACK_URL, value: 'http://back'}]")
    adoption = adopt(manifests(tmp_path, *both, front, web))
    (found,) = adoption.ambiguous
    assert adoption.edges == ()
    assert (found.app, found.host, found.reason) == ("web", "back", "leads to the pods of blue, green")


@pytest.mark.parametrize(
    ("value", "host"),
    [
        ("search:9200", "search"),
        ("http://search", "search"),
        ("postgres://search:5432/x", "search"),
        ("http://search.prod.svc.cluster.local", "search.prod.svc.cluster.local"),
    ],
)
def test_address_that_nobody_answers_is_listed(tmp_path: Path, value: str, host: str) -> None:
    adoption = adopt(manifests(tmp_path, workload("web", f"env: [{{name: X, value: '{value}'}}]")))
    assert [found.host for found in adoption.unresolved] == [host]


@pytest.mark.parametrize(
    "value", ["localhost:80", "127.0.0.1:80", "0.0.0.0:80", "https://example.com", "12:30", "0:0", "a sentence: 80"]
)
def test_what_is_no_address_inside_is_not_listed(tmp_path: Path, value: str) -> None:
    adoption = adopt(manifests(tmp_path, workload("web", f"env: [{{name: X, value: '{value}'}}]")))
    assert adoption.unresolved == ()


def test_address_with_a_namespace_is_noted(tmp_path: Path) -> None:
    web = workload("web", "env: [{name: X, value: 'http://cart.prod.svc'}]")
    adoption = adopt(manifests(tmp_path, web, workload("cart"), service("cart", "cart")))
    assert any("names a namespace; say `cart` alone" in note for note in adoption.notes)


def test_comment_holds_no_line_end_of_the_source(tmp_path: Path) -> None:
    value = '"http://cart/\\u2028\\u0085\\nbase: {}\\u202e"'
    web = workload("web", f"env: [{{name: X_URL, value: {value}}}]")
    adoption = adopt(manifests(tmp_path, web, workload("cart"), service("cart", "cart")))
    text = next(app.files["app.yaml"] for app in adoption.apps if app.name == "web")
    assert text.isascii()
    assert text.count("base:") == 1
