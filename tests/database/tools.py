"""Migration tools in Java, JavaScript and Ruby, brought from their registries once, and kept by what pins them."""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.testbed.programs import cache, locked

__all__ = ["flyway", "liquibase", "prisma", "rails"]

_PROGRAMS = Path(__file__).parent / "programs"
_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies"
_JAVA = ("java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp")
_RUBY = ("ruby", "ruby-activerecord", "ruby-mysql2", "ruby-pg")


def flyway() -> list[str]:
    """Return how to run Flyway: one of its commands, then settings such as `flyway.url=…`."""
    home = _brought("flyway", "java", "mvn")
    return [*_JAVA, f"{home}/jars/*", str(home / "Migrate.java")]


def liquibase() -> list[str]:
    """Return how to run Liquibase's own command line."""
    home = _brought("liquibase", "java", "mvn")
    return [*_JAVA, f"{home}/jars/*", "liquibase.integration.commandline.LiquibaseCommandLine"]


def prisma() -> list[str]:
    """Return how to call a function of Prisma's schema engine on the migrations of the working directory."""
    return ["node", "--no-warnings", str(_brought("prisma", "node", "npm") / "migrate.mjs")]


def rails() -> list[str]:
    """Return how to call a function of Active Record's migrations on those of the working directory."""
    argv = ["ruby", str(_PROGRAMS / "rails" / "migrate.rb")]
    if not _has_ruby() and shutil.which("apt-get") and os.geteuid() == 0:
        for arguments in (["update"], ["install", "--yes", "--no-install-recommends", *_RUBY]):
            environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
            subprocess.run(["apt-get", "-qq", *arguments], check=False, capture_output=True, env=environment)
    if not _has_ruby():
        pytest.skip(f"Active Record is not installed; on Debian: apt-get install {' '.join(_RUBY)}")
    return argv


def _has_ruby() -> bool:
    needed = ["ruby", "-e", "require 'active_record'; require 'mysql2'; require 'pg'"]
    return shutil.which("ruby") is not None and subprocess.run(needed, capture_output=True, check=False).returncode == 0


def _brought(tool: str, *runtime: str) -> Path:
    """Return the folder that holds `tool`, brought first if need be; skip where a program of `runtime` lacks."""
    if missing := [program for program in runtime if shutil.which(program) is None]:
        pytest.skip(f"{tool} needs {' and '.join(runtime)}, and {missing[0]} is not there")
    source = _PROGRAMS / tool
    seed = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(source.iterdir())))
    home = cache() / seed.hexdigest()[:16]
    with locked(f"bring-{tool}"):
        if not home.is_dir():
            half = cache() / f"bringing-{tool}"
            shutil.rmtree(half, ignore_errors=True)
            shutil.copytree(source, half)
            _bring(runtime[-1], half)
            half.rename(home)
    return home


def _bring(client: str, folder: Path) -> None:
    commands: dict[str, Sequence[str]] = {
        "mvn": ("mvn", "--quiet", "--batch-mode", _COPY, "-DoutputDirectory=jars"),
        "npm": ("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"),
    }
    subprocess.run(commands[client], cwd=folder, check=True, capture_output=True)
