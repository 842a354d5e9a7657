import re

import pytest

from layersite.model.errors import InvalidInputError
from layersite.model.names import shard
from layersite.store import Snapshot, Store

from .conftest import Remote
from .writer import adding, files_of

WEB = f"environments/{shard('web-42')}/web-42"
FILES = files_of("web-42")
TOMBSTONE = b"name: web-42\ncluster: c\nnamespace: env-web-42\ngeneration: 2\ncause: closed\nreason: merged\n"


def test_a_repository_without_the_branch_holds_nothing(store: Store) -> None:
    assert store.read() == Snapshot(None, {})


def test_environments_come_back_by_name_with_their_tree_ids(store: Store, remote: Remote) -> None:
    committed = store.commit(adding("web-42", "api-7"), "add two")
    snapshot = store.read()
    assert snapshot.commit == committed.commit
    assert list(snapshot.entries) == ["api-7", "web-42"]
    entry = snapshot.entries["web-42"]
    assert entry.environment is not None
    assert entry.environment.namespace == "env-web-42"
    assert entry.tombstone is None
    assert entry.tree == remote.git("rev-parse", f"main:{WEB}").strip()
    assert entry.manifests == remote.git("rev-parse", f"main:{WEB}/manifests").strip()


def test_a_later_read_sees_what_changed_and_keeps_the_rest(store: Store) -> None:
    store.commit(adding("web-42", "api-7"), "add")
    before = store.read().entries
    store.commit(adding("web-42", generation=2, expected=before["web-42"].tree), "update")
    after = store.read().entries
    assert after["web-42"].environment != before["web-42"].environment
    assert after["api-7"] == before["api-7"]


def test_a_tombstone_is_read_as_one(store: Store, remote: Remote) -> None:
    remote.put({f"{WEB}/tombstone.yaml": TOMBSTONE})
    entry = store.read().entries["web-42"]
    assert entry.tombstone is not None
    assert entry.tombstone.cause == "closed"
    assert (entry.environment, entry.manifests) == (None, None)


def test_files_beside_the_environments_are_none_of_them(store: Store, remote: Remote) -> None:
    remote.put({"layersite.yaml": b"x", "environments/README.md": b"x", "apps/web/app.yaml": b"x"})
    assert store.read().entries == {}


@pytest.mark.parametrize(
    ("files", "message"),
    [
        pytest.param(
            {"environments/00/web-42/environment.yaml": FILES["environment.yaml"]},
            f"environments/00/web-42: the environment `web-42` belongs in `{WEB}`; move or remove it",
            id="in the wrong shard",
        ),
        pytest.param(
            {"environments/web-42/environment.yaml": FILES["environment.yaml"]},
            f"environments/web-42: the environment `web-42` belongs in `{WEB}`; move or remove it",
            id="without a shard",
        ),
        pytest.param(
            {"environments/3f/Web_42/environment.yaml": b"x"},
            "environments/3f/Web_42: 'Web_42' is not an environment's name",
            id="invalid name",
        ),
        pytest.param(
            {f"{WEB}/notes.txt": b"x"},
            f"{WEB}: must hold one of `environment.yaml` and `tombstone.yaml`, and holds none; revert",
            id="neither document",
        ),
        pytest.param(
            {f"{WEB}/environment.yaml": FILES["environment.yaml"], f"{WEB}/tombstone.yaml": TOMBSTONE},
            f"{WEB}: must hold one of `environment.yaml` and `tombstone.yaml`, and holds 2; revert",
            id="both documents",
        ),
        pytest.param(
            {f"{WEB}/environment.yaml": files_of("api-7")["environment.yaml"]},
            f"{WEB}/environment.yaml:5: name: `api-7` stands in the directory of `web-42`; restore the name",
            id="the name of another",
        ),
        pytest.param(
            {f"{WEB}/environment.yaml/deep": b"x"},
            f"{WEB}: must hold one of `environment.yaml` and `tombstone.yaml`, and holds none; revert",
            id="a folder for a document",
        ),
        pytest.param({f"{WEB}/environment.yaml": b"- 1\n"}, f"{WEB}/environment.yaml:1: expected keys", id="a list"),
    ],
)
def test_what_does_not_belong_there_is_named_with_its_mend(
    files: dict[str, bytes], message: str, store: Store, remote: Remote
) -> None:
    remote.put(files)
    with pytest.raises(InvalidInputError, match=re.escape(message)):
        store.read()


def test_a_document_that_is_not_utf_8_is_named(store: Store, remote: Remote) -> None:
    remote.put({f"{WEB}/other.txt": b"x"})
    (remote.path / "bytes").write_bytes(b"name: \xff\n")
    blob = remote.git("hash-object", "-w", str(remote.path / "bytes")).strip()
    stream = "commit refs/heads/main\ncommitter a <a@example.com> 1 +0000\ndata 0\nfrom refs/heads/main^0\n"
    remote.git("fast-import", "--quiet", stdin=f"{stream}M 100644 {blob} {WEB}/environment.yaml\n")
    with pytest.raises(InvalidInputError, match=rf"{WEB}/environment\.yaml: is not UTF-8"):
        store.read()


def test_all_problems_come_at_once(store: Store, remote: Remote) -> None:
    remote.put({"environments/00/web-42/environment.yaml": b"x", f"{WEB}/environment.yaml": b"colour: red\n"})
    with pytest.raises(InvalidInputError) as caught:
        store.read()
    assert {problem.file for problem in caught.value.problems} == {
        "environments/00/web-42",
        f"{WEB}/environment.yaml",
    }
