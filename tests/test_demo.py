"""The README's first command, as a newcomer sees it."""

import re
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_the_demo_shows_environments_come_change_and_go(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-m", "layersite.demo"], cwd=tmp_path, capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(re.findall(r"(?m)^\d+\. ", done.stdout)) >= 9
    assert "remove  new-look     it was torn down by hand" in done.stdout
    assert "nothing to write" in done.stdout
    assert len(re.findall(r"(?m)^ +env_\w+__pagila +golden_pagila_\w+ +WAL log", done.stdout)) == 2
    assert "the column `passport` of public.customer is not listed" in done.stdout
    assert "kind: Deployment" in done.stdout
