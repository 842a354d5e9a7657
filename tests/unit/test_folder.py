"""What a run keeps in a folder is for its user alone, and goes when the run does, or with the next."""

import multiprocessing
import os
import signal
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from layersite.folder import private_folder
from layersite.model.errors import ToolError

PROCESSES = multiprocessing.get_context("spawn")


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path / f"layersite-{os.geteuid()}"


def keep(told: Connection) -> None:
    """Hold a folder with a file in it until somebody kills us."""
    with private_folder() as folder:
        (folder / "dump").write_text("anna@real.example")
        told.send(folder)
        signal.pause()


def test_only_what_a_killed_run_left_goes_with_the_next(root: Path) -> None:
    here, there = PROCESSES.Pipe()
    holder = PROCESSES.Process(target=keep, args=(there,))
    holder.start()
    held: Path = here.recv()
    assert (root.stat().st_mode & 0o777, held.stat().st_mode & 0o777) == (0o700, 0o700)
    with private_folder() as mine:
        assert {*root.iterdir()} == {held, mine}
    holder.kill()
    holder.join()
    assert (held / "dump").is_file()
    with private_folder() as mine:
        assert [*root.iterdir()] == [mine]
    assert [*root.iterdir()] == []


def test_a_place_that_others_may_read_is_refused(root: Path) -> None:
    root.mkdir()
    root.chmod(0o755)
    with pytest.raises(ToolError, match="is not this user's alone; remove it"), private_folder():
        pass


def test_a_place_that_leads_elsewhere_is_refused(root: Path) -> None:
    root.symlink_to(root.parent)
    with pytest.raises(ToolError, match="cannot be used as a private folder"), private_folder():
        pass
