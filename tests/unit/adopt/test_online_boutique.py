"""Online Boutique, a real application in three forms: all its calls are found, and no other."""

import shutil
from pathlib import Path

import pytest

from layersite.adopt import Adoption, adopt, write
from tests.unit.adopt.helpers import SAMPLES, edges, needs_samples, text_of

pytestmark = needs_samples
BOUTIQUE = SAMPLES / "online-boutique"
needs_kustomize = pytest.mark.skipif(
    not (shutil.which("kustomize") or shutil.which("kubectl")), reason="neither kustomize nor kubectl is installed"
)
CALLS = {
    ("cartservice", "redis-cart"),
    ("checkoutservice", "cartservice"),
    ("checkoutservice", "currencyservice"),
    ("checkoutservice", "emailservice"),
    ("checkoutservice", "paymentservice"),
    ("checkoutservice", "productcatalogservice"),
    ("checkoutservice", "shippingservice"),
    ("frontend", "adservice"),
    ("frontend", "cartservice"),
    ("frontend", "checkoutservice"),
    ("frontend", "currencyservice"),
    ("frontend", "productcatalogservice"),
    ("frontend", "recommendationservice"),
    ("frontend", "shippingservice"),
    ("recommendationservice", "productcatalogservice"),
}
LOAD = {("loadgenerator", "frontend")}


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    folder = tmp_path / "manifests"
    shutil.copytree(BOUTIQUE / "kubernetes-manifests", folder)
    (folder / "kustomization.yaml").unlink()
    return folder


@needs_kustomize
def test_kustomization_of_eleven_services() -> None:
    adoption = adopt(BOUTIQUE / "kubernetes-manifests")
    assert adoption.kind == "kustomize"
    assert len(adoption.apps) == 11
    assert edges(adoption) == CALLS


@needs_kustomize
def test_kustomization_with_a_base() -> None:
    assert edges(adopt(BOUTIQUE / "kustomize")) == CALLS | LOAD


def test_plain_folder(plain: Path) -> None:
    adoption = adopt(plain)
    assert adoption.kind == "manifests"
    assert len(adoption.apps) == 12
    assert edges(adoption) == CALLS | LOAD


def test_single_release_file() -> None:
    assert edges(adopt(BOUTIQUE / "release" / "kubernetes-manifests.yaml")) == CALLS | LOAD


def test_folder_of_several_sources_is_refused_with_a_hint() -> None:
    with pytest.raises(Exception, match="holds another source, kubernetes-manifests; name that one instead"):
        adopt(BOUTIQUE)


def test_call_to_an_app_that_is_not_there_is_listed(plain: Path) -> None:
    (unresolved,) = adopt(plain).unresolved
    assert (unresolved.app, unresolved.host) == ("frontend", "shoppingassistantservice")
    evidence = "frontend.yaml: env SHOPPING_ASSISTANT_SERVICE_ADDR = shoppingassistantservice:80"
    assert str(unresolved.evidence) == evidence


def test_need_carries_its_evidence(plain: Path) -> None:
    need = "  - app: productcatalogservice  # checkoutservice.yaml: env PRODUCT_CATALOG_SERVICE_ADDR = "
    assert need + "productcatalogservice:3550\n" in text_of(adopt(plain), "checkoutservice")


def test_frontend_is_exposed_by_its_inner_service(plain: Path) -> None:
    adoption = adopt(plain)
    text = text_of(adoption, "frontend")
    assert (
        "expose:\n  service: frontend  # frontend.yaml: Service frontend-external is a LoadBalancer\n  port: 80" in text
    )
    assert [entry.what for entry in adoption.left_out] == ["Service frontend-external"]
    assert [app.name for app in adoption.apps if "expose:" in app.files["app.yaml"]] == ["frontend"]


def test_images_without_a_tag_are_declared_for_the_team(plain: Path) -> None:
    adoption = adopt(plain)
    assert "images:\n  - name: cartservice\n    # repository: " in text_of(adoption, "cartservice")
    assert "images:" not in text_of(adoption, "redis-cart")


def test_second_run_changes_nothing(plain: Path, tmp_path: Path) -> None:
    first = write(adopt(plain), tmp_path)
    second = write(adopt(plain), tmp_path)
    assert {file.state for file in first} == {"created"}
    assert {file.state for file in second} == {"kept"}
    assert [file.path for file in first] == [file.path for file in second]


def test_an_edited_file_is_kept(plain: Path, tmp_path: Path) -> None:
    adoption: Adoption = adopt(plain)
    write(adoption, tmp_path)
    edited = tmp_path / "apps/frontend/app.yaml"
    edited.write_text("base: {directory: base}\n", encoding="utf-8")
    states = {file.path: file.state for file in write(adoption, tmp_path)}
    assert states["apps/frontend/app.yaml"] == "kept, differs"
    assert edited.read_text(encoding="utf-8") == "base: {directory: base}\n"
