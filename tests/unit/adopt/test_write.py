"""Writing the catalog: all of it or nothing, and never over what is there."""

from pathlib import Path

import pytest

from layersite.adopt import adopt, write
from layersite.model.app import App, Base
from layersite.model.catalog import Catalog, load_catalog
from layersite.model.errors import InvalidInputError
from layersite.model.site import Baseline, Cluster, EnvironmentsRepository, Exposure, Site
from tests.unit.adopt.helpers import edges, manifests, service, workload


def _tree(root: Path) -> set[str]:
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    web = workload("web", "env: [{name: DB_URL, value: 'pg://db:80'}]")
    return manifests(tmp_path / "in", web, workload("db"), service("db", "db"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "site").mkdir()
    return tmp_path / "site"


def test_what_is_written(source: Path, root: Path) -> None:
    written = write(adopt(source), root)
    assert (
        _tree(root)
        == {file.path for file in written}
        == {
            "apps/db/app.yaml",
            "apps/db/base/deployment-db.yaml",
            "apps/db/base/service-db.yaml",
            "apps/web/app.yaml",
            "apps/web/base/deployment-web.yaml",
        }
    )


def test_written_catalog_loads(source: Path, root: Path) -> None:
    write(adopt(source), root)
    site = Site(
        organization="shop",
        environments=EnvironmentsRepository(url="https://git.example.com/environments"),
        cluster=Cluster(baseline=Baseline(managed=True)),
        exposure=Exposure(domain="preview.example.com"),
    )
    catalog = load_catalog(root, site)
    assert [need.app for need in catalog.apps["web"].needs] == ["db"]


def test_dry_run_writes_nothing(source: Path, root: Path) -> None:
    assert {file.state for file in write(adopt(source), root, dry_run=True)} == {"created"}
    assert _tree(root) == set()


def test_same_source_same_bytes(source: Path) -> None:
    assert adopt(source) == adopt(source)


@pytest.mark.parametrize("path", ["apps", "apps/web", "apps/web/base"])
def test_file_where_a_folder_must_be_stops_all(source: Path, root: Path, path: str) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text("in the way", encoding="utf-8")
    with pytest.raises(InvalidInputError, match="is a file where a folder must be"):
        write(adopt(source), root)
    assert _tree(root) == {path}


def test_link_out_of_the_site_stops_all(source: Path, root: Path, tmp_path: Path) -> None:
    (root / "apps").mkdir()
    (root / "apps/web").symlink_to(tmp_path)
    with pytest.raises(InvalidInputError, match="leads out of the site"):
        write(adopt(source), root)
    assert not (root / "apps/db").exists()


def test_app_of_the_catalog_may_be_called(tmp_path: Path) -> None:
    web = manifests(tmp_path, workload("web", "env: [{name: X, value: 'http://search'}]"))
    known = Catalog(tmp_path, {"search": App(base=Base(directory="base"))}, {})
    adoption = adopt(web, known=known)
    assert (edges(adoption), adoption.unresolved) == ({("web", "search")}, ())
