"""Make images with crane alone: a layer of files on a static busybox, pushed in a fraction of a second."""

import csv
import io
import platform
import subprocess
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.testbed.programs import BedError, binary, build

__all__ = ["push_base_images", "push_files"]

_BUSYBOX = Path("/bin/busybox")
_ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}


def push_base_images(registry: str, programs: Sequence[str] = ("podinfo",)) -> None:
    """Push what tests start from: busybox, pause, and an image of each of `programs`."""
    with tempfile.TemporaryDirectory() as folder:
        layer = Path(folder, "layer.tar")
        with tarfile.open(layer, "w") as archive:
            archive.add(_BUSYBOX, "bin/busybox")
            for name in subprocess.run([_BUSYBOX, "--list"], capture_output=True, text=True, check=True).stdout.split():
                if name != "busybox":
                    archive.addfile(_link(f"bin/{name}"))
            archive.addfile(_folder("tmp"))
        _append(layer, f"{registry}/busybox:latest")
    where = f"--set-platform=linux/{_ARCHITECTURE[platform.machine()]}"
    _crane("mutate", f"{registry}/busybox:latest", where, "--entrypoint=/bin/sh", f"--tag={registry}/busybox:latest")
    _crane("mutate", f"{registry}/busybox:latest", "--entrypoint=/bin/sleep,infinity", f"--tag={registry}/pause:latest")
    for program in programs:
        _append(_program_layer(program), f"{registry}/{program}:latest", f"{registry}/busybox:latest")
        _entrypoint(f"{registry}/{program}:latest", [f"/bin/{program}"])


def push_files(registry: str, repository: str, tag: str, files: Mapping[str, bytes], entrypoint: Sequence[str]) -> str:
    """Push an image of busybox and `files` (path -> content, all executable); return its digest."""
    reference = f"{registry}/{repository}:{tag}"
    with tempfile.TemporaryDirectory() as folder:
        layer = Path(folder, "layer.tar")
        with tarfile.open(layer, "w") as archive:
            for name, content in files.items():
                member = tarfile.TarInfo(name.lstrip("/"))
                member.size, member.mode = len(content), 0o755
                archive.addfile(member, io.BytesIO(content))
        _append(layer, reference, f"{registry}/busybox:latest")
    return _entrypoint(reference, entrypoint)


def _append(layer: Path, reference: str, base: str = "") -> None:
    _crane("append", f"--new_layer={layer}", f"--new_tag={reference}", *([f"--base={base}"] if base else []))


def _entrypoint(reference: str, entrypoint: Sequence[str]) -> str:
    quoted = io.StringIO()
    csv.writer(quoted, lineterminator="").writerow(entrypoint)
    return _crane("mutate", reference, f"--entrypoint={quoted.getvalue()}", f"--tag={reference}").rpartition("@")[2]


def _program_layer(program: str) -> Path:
    """Return a compressed layer with one program, kept beside it: compressing takes longer than all the rest."""
    layer = build(program) / "layer.tar.gz"
    if not layer.exists():
        half = layer.with_suffix(".new")
        with tarfile.open(half, "w:gz", compresslevel=1) as archive:
            archive.add(binary(program), f"bin/{program}")
        half.rename(layer)
    return layer


def _link(name: str) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = tarfile.SYMTYPE, "busybox"
    return member


def _folder(name: str) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.mode = tarfile.DIRTYPE, 0o1777
    return member


def _crane(*arguments: str) -> str:
    done = subprocess.run([binary("crane"), *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BedError(f"`crane {arguments[0]}` failed: {done.stderr.strip()}")
    return done.stdout.strip()
