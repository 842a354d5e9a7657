import copy
import json
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from layersite.model.errors import InvalidInputError
from layersite.model.yaml import Yaml, dump, dump_all, load_all
from layersite.process import run
from layersite.render.merge import merge
from layersite.render.schema import schemas

BASES: dict[str, Yaml] = {
    item["kind"]: item
    for item in load_all(
        """
apiVersion: apps/v1
kind: Deployment
metadata: {name: base, labels: {app: web}, annotations: {a: "1", b: "2"}, finalizers: [x/a, x/b]}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  strategy: {type: RollingUpdate, rollingUpdate: {maxSurge: 1}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
        - name: web
          image: web:1
          args: [serve, --fast]
          env: [{name: A, value: "1"}, {name: B, value: "2"}, {name: C, valueFrom: {fieldRef: {fieldPath: x}}}]
          ports: [{containerPort: 80, name: http}, {containerPort: 81}]
          volumeMounts: [{mountPath: /a, name: v}, {mountPath: /b, name: w}]
          livenessProbe: {httpGet: {path: /live, port: 80}, periodSeconds: 5}
          resources: {limits: {cpu: 1, memory: 1Gi}}
        - {name: side, image: "side:1"}
      initContainers: [{name: init, image: "init:1", command: [wait]}]
      volumes: [{name: v, emptyDir: {}}, {name: w, configMap: {name: c}}]
      tolerations: [{key: x, operator: Exists}]
      hostAliases: [{ip: 10.0.0.1, hostnames: [a]}]
      imagePullSecrets: [{name: one}, {name: two}]
      nodeSelector: {disk: ssd, zone: a}
      topologySpreadConstraints:
        - {topologyKey: zone, maxSkew: 1, whenUnsatisfiable: DoNotSchedule}
---
apiVersion: v1
kind: Service
metadata: {name: base}
spec:
  selector: {app: web}
  ports: [{port: 80, name: http}, {port: 443, name: https}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: base}
data: {a: "1", b: "2"}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: base}
spec: {selector: {matchLabels: {app: web}}, minAvailable: 1}
---
apiVersion: example.com/v1
kind: Thing
metadata: {name: base}
spec: {list: [{name: a, x: 1}, {name: b}], map: {a: 1, b: {c: 2}}}
""",
        "bases",
    )
}


def patch(kind: str, text: str) -> Yaml:
    """Return `text` as a patch of the base of `kind`; `pod:` stands for the spec of its pods."""
    content = load_all(text, "patch")[0]
    if "pod" in content:
        content.setdefault("spec", {})["template"] = {"spec": content.pop("pod")}
    head = {key: BASES[kind][key] for key in ("apiVersion", "kind")}
    return {**head, **content, "metadata": {"name": "base", **content.get("metadata", {})}}


def merged(kind: str, change: Yaml) -> Yaml:
    definition = schemas("1.34").definition(BASES[kind]["apiVersion"], kind)
    return merge(BASES[kind], change, definition, "x.yaml.j2")


def web(text: str) -> str:
    return f"pod: {{containers: [{{name: web, {text}}}]}}"


SAME_AS_KUSTOMIZE = {
    "scalar": ("Deployment", "spec: {replicas: 5}"),
    "null deletes": ("Deployment", "spec: {replicas: null}"),
    "null deletes nested": ("Deployment", web("livenessProbe: {httpGet: {path: null}}")),
    "null of what is absent": ("Deployment", "spec: {paused: null, strategy: {x: {y: null}}}"),
    "annotations": ("Deployment", "metadata: {annotations: {a: null, b: new, c: '3'}, labels: {}}"),
    "finalizers": ("Deployment", "metadata: {finalizers: [x/c, x/b]}"),
    "image": ("Deployment", web("image: web:2")),
    "args are replaced": ("Deployment", web("args: [serve]")),
    "env": ("Deployment", web("env: [{name: Z, value: z}, {name: B, value: new}, {name: Y, value: y}]")),
    "env from value to reference": (
        "Deployment",
        web("env: [{name: A, value: null, valueFrom: {secretKeyRef: {name: s, key: k}}}]"),
    ),
    "env delete": ("Deployment", web("env: [{name: A, $patch: delete}, {name: none, $patch: delete}]")),
    "env replace": ("Deployment", web("env: [{$patch: replace}, {name: Z, value: z}]")),
    "env merge": ("Deployment", web("env: [{$patch: merge}, {name: Z, value: z}]")),
    "env null": ("Deployment", web("env: null")),
    "env empty": ("Deployment", web("env: []")),
    "ports": ("Deployment", web("ports: [{containerPort: 81, name: x}, {containerPort: 82}]")),
    "volumeMounts": ("Deployment", web("volumeMounts: [{mountPath: /b, name: v}, {mountPath: /c, name: w}]")),
    "probe": ("Deployment", web("livenessProbe: {httpGet: null, exec: {command: [x]}}, readinessProbe: {exec: {}}")),
    "probe replace": ("Deployment", web("livenessProbe: {$patch: replace, exec: {command: [x]}}")),
    "probe delete": ("Deployment", web("livenessProbe: {$patch: delete}")),
    "resources": ("Deployment", web("resources: {limits: {cpu: 2}, requests: {cpu: 1}}")),
    "container added": (
        "Deployment",
        "pod: {containers: [{name: new, image: 'new:1', env: [{name: A, value: null}]}]}",
    ),
    "container delete": ("Deployment", "pod: {containers: [{name: side, $patch: delete}]}"),
    "containers reordered": ("Deployment", "pod: {containers: [{name: side, image: 'side:2'}, {name: web}]}"),
    "initContainers": ("Deployment", "pod: {initContainers: [{name: first, image: f}, {name: init, command: []}]}"),
    "volumes": ("Deployment", "pod: {volumes: [{name: w, configMap: {name: d}}, {name: new, emptyDir: {}}]}"),
    "volume switches source": ("Deployment", "pod: {volumes: [{name: v, emptyDir: null, configMap: {name: d}}]}"),
    "volume keeps both sources": ("Deployment", "pod: {volumes: [{name: v, configMap: {name: d}}]}"),
    "tolerations are replaced": ("Deployment", "pod: {tolerations: [{key: y}]}"),
    "hostAliases": (
        "Deployment",
        "pod: {hostAliases: [{ip: 10.0.0.2, hostnames: [b]}, {ip: 10.0.0.1, hostnames: []}]}",
    ),
    "imagePullSecrets": ("Deployment", "pod: {imagePullSecrets: [{name: three}, {name: two}]}"),
    "nodeSelector": ("Deployment", "pod: {nodeSelector: {disk: null, arch: arm64}}"),
    "spread of both keys": (
        "Deployment",
        """pod:
      topologySpreadConstraints:
        - {topologyKey: zone, maxSkew: 2, whenUnsatisfiable: ScheduleAnyway}
        - {topologyKey: zone, maxSkew: 3, whenUnsatisfiable: DoNotSchedule}""",
    ),
    "strategy type": ("Deployment", "spec: {strategy: {type: Recreate, rollingUpdate: null}}"),
    "strategy replace": ("Deployment", "spec: {strategy: {$patch: replace, type: Recreate}}"),
    "service port": ("Service", "spec: {ports: [{port: 443, targetPort: 8443}]}"),
    "service port added": ("Service", "spec: {ports: [{port: 8080, name: other}], type: ClusterIP}"),
    "service port delete": ("Service", "spec: {ports: [{port: 80, $patch: delete}]}"),
    "config map": ("ConfigMap", "data: {a: null, b: new, c: '3'}"),
    "config map replace": ("ConfigMap", "data: {$patch: replace, c: '3'}"),
    "resource without schema": ("Thing", "spec: {list: [{name: b, y: 2}], map: {a: null, b: {d: 3}}}"),
    "map replace without schema": ("Thing", "spec: {map: {$patch: replace, z: 1, y: null}}"),
    "map delete without schema": ("Thing", "spec: {map: {b: {$patch: delete}}}"),
    "empty": ("Deployment", "{}"),
}


@pytest.fixture(scope="module", params=["kustomize build", "kubectl kustomize"])
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Yaml]:
    """Return what kustomize makes of all cases, by case; one run for all, each case under a name of its own."""
    command = request.param.split()
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not on PATH")
    folder: Path = tmp_path_factory.mktemp("kustomize")
    names = {f"case-{index}": case for index, case in enumerate(SAME_AS_KUSTOMIZE)}
    for name, case in names.items():
        kind, text = SAME_AS_KUSTOMIZE[case]
        for file, item in ((f"{name}.base.yaml", BASES[kind]), (f"{name}.patch.yaml", patch(kind, text))):
            (folder / file).write_text(dump({**item, "metadata": {**item["metadata"], "name": name}}), "utf-8")
    kustomization = {
        "resources": [f"{name}.base.yaml" for name in names],
        "patches": [{"path": f"{name}.patch.yaml"} for name in names],
    }
    (folder / "kustomization.yaml").write_text(dump(kustomization), "utf-8")
    items = load_all(run([*command, str(folder)]).decode(), "kustomize")
    return {names[item["metadata"]["name"]]: item for item in items}


@pytest.mark.parametrize("case", SAME_AS_KUSTOMIZE)
def test_merges_as_kustomize_does(built: dict[str, Yaml], case: str) -> None:
    kind, text = SAME_AS_KUSTOMIZE[case]
    expected = {**built[case], "metadata": {**built[case]["metadata"], "name": "base"}}
    assert dump(merged(kind, patch(kind, text))) == dump(expected)


NOT_AS_KUSTOMIZE = {
    "retainKeys of the strategy": (  # kustomize writes the directive into the object
        "Deployment",
        "spec: {strategy: {type: Recreate, $retainKeys: [type]}}",
    ),
    "retainKeys of a volume": (  # kustomize writes the directive into the object
        "Deployment",
        "pod: {volumes: [{name: v, $retainKeys: [name, configMap], configMap: {name: d}}]}",
    ),
    "deleteFromPrimitiveList": (  # kustomize writes the directive into the object
        "Deployment",
        "metadata: {$deleteFromPrimitiveList/finalizers: [x/a, x/z]}",
    ),
    "setElementOrder of scalars": (  # kustomize writes the directive into the object
        "Deployment",
        "metadata: {finalizers: [x/c], $setElementOrder/finalizers: [x/b, x/c, x/a]}",
    ),
    "setElementOrder of items": (  # kustomize writes the directive into the object
        "Deployment",
        "pod: {$setElementOrder/volumes: [{name: n}, {name: w}, {name: v}], volumes: [{name: n, emptyDir: {}}]}",
    ),
    "setElementOrder of some": (  # kustomize writes the directive into the object
        "Deployment",
        "pod: {$setElementOrder/volumes: [{name: n}, {name: w}], volumes: [{name: n, emptyDir: {}}]}",
    ),
    "a field of strategy replace": (  # kustomize merges it
        "PodDisruptionBudget",
        "spec: {selector: {matchLabels: {tier: front}}}",
    ),
    "port with protocol on one without": (  # kustomize drops the patch
        "Service",
        "spec: {ports: [{port: 80, protocol: TCP, targetPort: 8080}]}",
    ),
}


def without_empty(value: Yaml) -> Yaml:
    """Drop what kubectl adds when it writes Go structs: nulls and empty maps."""
    if isinstance(value, dict):
        kept = {key: without_empty(child) for key, child in value.items()}
        return {key: child for key, child in kept.items() if child is not None and child != {}}
    return [without_empty(item) for item in value] if isinstance(value, list) else value


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not on PATH")
@pytest.mark.parametrize("case", NOT_AS_KUSTOMIZE)
def test_merges_as_kubernetes_does_where_kustomize_does_not(tmp_path: Path, case: str) -> None:
    kind, text = NOT_AS_KUSTOMIZE[case]
    (tmp_path / "base.yaml").write_text(dump(BASES[kind]), "utf-8")
    change = json.dumps(patch(kind, text))
    argv = [
        "kubectl",
        "patch",
        "--local",
        "--type=strategic",
        "-f",
        str(tmp_path / "base.yaml"),
        "-p",
        change,
        "-oyaml",
    ]
    expected = load_all(run(argv).decode(), "kubectl")[0]
    found = copy.deepcopy(merged(kind, patch(kind, text)))
    expected.pop("status", None)
    assert dump_all([without_empty(found)]) == dump_all([without_empty(expected)])


@pytest.mark.parametrize(
    ("ports", "change", "expected"),
    [
        pytest.param("[53 TCP, 53 UDP]", "53 UDP", "[53 UDP x, 53 TCP]", id="told apart"),
        pytest.param("[53, 53 UDP]", "53", "[53 x, 53 UDP]", id="TCP by default"),
        pytest.param("[53]", "53 UDP", "[53 UDP x, 53]", id="another protocol is another port"),
        pytest.param("[53 TCP]", "53", "[53 TCP x]", id="TCP may be left out"),
    ],
)
def test_ports_of_one_number_are_told_apart_by_protocol(ports: str, change: str, expected: str) -> None:
    def port(text: str) -> Yaml:
        number, *rest = text.split()
        keys = {"name" if word == "x" else "protocol": word for word in rest}
        return {"port": int(number), **keys}

    def service(texts: str) -> Yaml:
        return {"spec": {"ports": [port(text) for text in texts.strip("[]").split(", ")]}}

    definition = schemas("1.34").definition("v1", "Service")
    assert merge(service(ports), service(f"{change} x"), definition) == service(expected)


def test_a_spread_without_its_second_key_finds_the_only_one() -> None:
    change = patch("Deployment", "pod: {topologySpreadConstraints: [{topologyKey: zone, maxSkew: 7}]}")
    spread = merged("Deployment", change)["spec"]["template"]["spec"]["topologySpreadConstraints"]
    assert spread == [{"topologyKey": "zone", "maxSkew": 7, "whenUnsatisfiable": "DoNotSchedule"}]


def test_delete_of_the_whole_leaves_nothing() -> None:
    assert merged("Deployment", patch("Deployment", "$patch: delete")) is None


@pytest.mark.parametrize(
    ("kind", "text", "place", "message"),
    [
        (
            "Deployment",
            "pod: {containers: [{image: x}]}",
            "spec.template.spec.containers",
            "lacks its merge key `name`",
        ),
        ("Deployment", "pod: {containers: [web]}", "spec.template.spec.containers", "lacks its merge key `name`"),
        (
            "Deployment",
            "pod: {volumes: [{$patch: delete}]}",
            "spec.template.spec.volumes",
            "lacks its merge key `name`",
        ),
        ("Deployment", "spec: {strategy: {$patch: remove}}", "spec.strategy", "write delete, replace or merge"),
        (
            "Deployment",
            web("env: [{name: A, $patch: remove}]"),
            "spec.template.spec.containers.web.env.A",
            "`$patch: remove`",
        ),
        (
            "Deployment",
            web("env: [{name: A, $patch: replace}]"),
            "spec.template.spec.containers.web.env",
            "in an item of its own",
        ),
        (
            "Deployment",
            web("env: [{name: A, value: '1'}, {name: A, value: '2'}]"),
            "spec.template.spec.containers.web.env",
            "holds `name: A` twice",
        ),
        (
            "Deployment",
            "pod: {tolerations: [{$patch: delete, key: x}]}",
            "spec.template.spec.tolerations",
            "as a whole",
        ),
        ("Thing", "spec: {list: [{name: a, $patch: delete}]}", "spec.list", "replaced as a whole"),
        ("Deployment", "spec: {strategy: {$retainKeys: type}}", "spec.strategy", "must be a list, not 'type'"),
        ("Deployment", "spec: {strategy: {$retainKeys: [], type: x}}", "spec.strategy", "`type` is set but not among"),
        ("Deployment", "metadata: {$setElementOrder/finalizers: x}", "metadata.finalizers", "must be a list, not 'x'"),
    ],
)
def test_a_patch_that_means_nothing_is_refused(kind: str, text: str, place: str, message: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        merged(kind, patch(kind, text))
    assert str(caught.value).startswith(f"x.yaml.j2: {place}: ")
    assert message in str(caught.value)


def test_a_patch_that_fits_two_items_is_refused() -> None:
    definition = schemas("1.34").definition("v1", "ServiceAccount")
    base = {"secrets": [{"name": "a", "uid": "1"}, {"name": "a", "uid": "2"}]}
    with pytest.raises(InvalidInputError, match=r"secrets\.a: 2 items of the base are meant"):
        merge(base, {"secrets": [{"name": "a"}]}, definition)


NAMES = st.sampled_from("abcd")
SCALARS = st.none() | st.integers(0, 3) | st.sampled_from(["x", "y"])
VALUES = st.recursive(SCALARS, lambda inner: st.dictionaries(NAMES, inner, max_size=3) | st.lists(inner, max_size=2))
MAPS = st.dictionaries(NAMES, VALUES, max_size=4)
ENV = st.lists(
    st.fixed_dictionaries({"name": NAMES, "value": SCALARS}), max_size=3, unique_by=lambda item: item["name"]
)
CONTAINERS = st.lists(
    st.fixed_dictionaries({"name": NAMES}, optional={"env": ENV, "args": st.lists(NAMES), "image": SCALARS}),
    max_size=3,
    unique_by=lambda item: item["name"],
)
PODS = st.fixed_dictionaries(
    {},
    optional={"containers": CONTAINERS, "nodeSelector": st.dictionaries(NAMES, SCALARS), "tolerations": st.lists(MAPS)},
).map(lambda pod: {"spec": {"template": {"spec": pod}}})
DEFINITION = schemas("1.34").definition("apps/v1", "Deployment")


def unchanged_by_null(value: Yaml) -> Yaml:
    """Drop nulls from maps: as bases they would be deletions that nobody asked for."""
    if isinstance(value, dict):
        return {key: unchanged_by_null(child) for key, child in value.items() if child is not None}
    return [unchanged_by_null(item) for item in value] if isinstance(value, list) else value


@given(st.tuples(PODS, PODS) | st.tuples(MAPS, MAPS))
def test_merging_twice_equals_merging_once(pair: tuple[Yaml, Yaml]) -> None:
    base, change = pair
    once = merge(base, change, DEFINITION)
    assert merge(once, change, DEFINITION) == once


@given(PODS | MAPS)
def test_the_empty_patch_changes_nothing(base: Yaml) -> None:
    assert merge(base, {}, DEFINITION) == base


@given(PODS)
def test_an_object_merged_into_itself_changes_nothing(base: Yaml) -> None:
    clean = unchanged_by_null(base)
    assert merge(clean, clean, DEFINITION) == clean


@given(PODS, PODS)
def test_the_inputs_stay_as_they_are(base: Yaml, change: Yaml) -> None:
    before = copy.deepcopy((base, change))
    merge(base, change, DEFINITION)
    assert (base, change) == before


@given(MAPS, MAPS, MAPS)
def test_patches_of_different_keys_may_come_in_any_order(base: Yaml, one: Yaml, other: Yaml) -> None:
    one, other = {f"one-{key}": one[key] for key in one}, {f"other-{key}": other[key] for key in other}
    base = {f"{prefix}-{key}": value for key, value in base.items() for prefix in ("one", "other")}
    assert merge(merge(base, one, None), other, None) == merge(merge(base, other, None), one, None)
