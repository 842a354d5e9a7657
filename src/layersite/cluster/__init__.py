"""What the playbooks do in a cluster; Ansible's modules in `library/` are thin shells around it."""

from layersite.cluster.api import Place, Wish
from layersite.cluster.outcome import Outcome
from layersite.cluster.reap import reap
from layersite.cluster.secrets import provide

__all__ = ["Outcome", "Place", "Wish", "provide", "reap"]
