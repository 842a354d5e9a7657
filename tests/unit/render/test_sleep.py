"""What sleeps has no pods and starts none, and all else stays as it is."""

import copy

import pytest

from layersite.model.yaml import Yaml
from layersite.render.transform import asleep


def test_keda_pauses_what_it_scales_and_keeps_its_other_annotations() -> None:
    item: Yaml = {"kind": "ScaledObject", "metadata": {"name": "web", "annotations": {"team": "shop"}}, "spec": {}}
    (found,) = asleep([item])
    assert found["metadata"]["annotations"] == {"team": "shop", "autoscaling.keda.sh/paused-replicas": "0"}


def test_keda_pauses_what_has_no_annotations() -> None:
    (found,) = asleep([{"kind": "ScaledObject", "metadata": {"name": "web"}, "spec": {}}])
    assert found["metadata"]["annotations"] == {"autoscaling.keda.sh/paused-replicas": "0"}


@pytest.mark.parametrize("given", [{}, {"nodeSelector": {"disk": "fast"}}], ids=["any node", "nodes of its choice"])
def test_a_daemon_set_finds_no_node(given: Yaml) -> None:
    template = {"spec": {"containers": [{"name": "agent", "image": "agent:1"}], **given}}
    (found,) = asleep([{"kind": "DaemonSet", "metadata": {"name": "agent"}, "spec": {"template": template}}])
    assert found["spec"]["template"]["spec"]["nodeSelector"] == {"layersite.dev/asleep": "true"}
    assert found["spec"]["template"]["spec"]["containers"] == [{"name": "agent", "image": "agent:1"}]


@pytest.mark.parametrize("kind", ["PersistentVolumeClaim", "Service", "Secret", "ConfigMap", "ExternalSecret"])
def test_storage_addresses_and_what_leads_to_databases_stay(kind: str) -> None:
    item: Yaml = {"kind": kind, "metadata": {"name": "shop"}, "spec": {"replicas": 2}}
    assert asleep([copy.deepcopy(item)]) == [item]
