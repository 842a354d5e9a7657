"""The figures as people read them: percentiles by nearest rank, the ratio to the peer, and whether a goal is met."""

import json
import math
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import httpx

from tests.testbed import Bed

__all__ = ["SIDES", "machine", "table"]

SIDES = ("layersite", "Argo CD, same objects", "Argo CD, app alone", "Argo CD, app alone, 30 s poll")
Seconds = Mapping[tuple[str, str], Sequence[float]]
_GOALS = {
    "opened -> commit": (0.5, 0.5),
    "opened -> Healthy": (0.5, 2.5),
    "16 opened at once -> commit": (0.95, 3.0),
}
"""Percentile, and the seconds that it must stay below."""
_NO_SLOWER = ("16 opened at once: first call -> all Healthy", "200 in one push -> all Healthy")


def _rank(seconds: Sequence[float], share: float) -> float:
    """Return the nearest-rank percentile of `seconds`."""
    return sorted(seconds)[max(math.ceil(share * len(seconds)), 1) - 1]


def _cell(seconds: Sequence[float]) -> str:
    if not seconds:
        return ""
    figures = [f"{_rank(seconds, share):.2f}" for share in ((0.5, 0.95) if len(seconds) > 1 else (0.5,))]
    return f"{' / '.join(figures)} (n={len(seconds)})"


def _ratio(ours: Sequence[float], peer: Sequence[float]) -> str:
    return f"{_rank(ours, 0.5) / _rank(peer, 0.5):.2f}" if ours and peer else ""


def _goal(what: str, ours: Sequence[float], peer: Sequence[float]) -> str:
    if ours and what in _GOALS:
        share, limit = _GOALS[what]
        return f"p{share * 100:.0f} < {limit:g} s: {'met' if _rank(ours, share) < limit else 'missed'}"
    if ours and peer and what in _NO_SLOWER:
        return f"no slower than {SIDES[1]}: {'met' if _rank(ours, 0.5) <= _rank(peer, 0.5) else 'missed'}"
    return ""


def table(seconds: Seconds) -> str:
    """Return a Markdown table, p50 and p95 of each side, with the ratio of the medians to the first two peers."""
    lines = [["seconds", *SIDES, "ratio, same objects", "ratio, app alone", "goal"]]
    for what in dict.fromkeys(what for what, _ in seconds):
        found = [seconds.get((what, side), ()) for side in SIDES]
        ours, twin, alone, _ = found
        lines.append([what, *map(_cell, found), _ratio(ours, twin), _ratio(ours, alone), _goal(what, ours, twin)])
    lines.insert(1, ["---"] * len(lines[0]))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def machine(bed: Bed) -> Mapping[str, str]:
    """Return what the figures hold for."""
    memory = int(Path("/proc/meminfo").read_text(encoding="utf-8").split()[1]) // 2**20
    git = subprocess.run(["git", "version"], check=True, capture_output=True, text=True).stdout.split()[2]
    with httpx.Client(timeout=30, trust_env=False) as client:
        argocd = client.get(f"{bed.argocd_url}/api/version").raise_for_status().json()["Version"]
        gitea = client.get(f"{bed.gitea_url}/api/v1/version").raise_for_status().json()["version"]
    return {
        "cores": str(len(os.sched_getaffinity(0))),
        "memory": f"{memory} GiB",
        "load before": " ".join(f"{each:.1f}" for each in os.getloadavg()),
        "Kubernetes": json.loads(bed.kubectl("version", "-o", "json"))["serverVersion"]["gitVersion"],
        "Argo CD": argocd.partition("+")[0],
        "Gitea": gitea,
        "git": git,
        "Python": platform.python_version(),
        "kernel": f"{platform.system()} {platform.release().partition('-')[0]}",
    }
