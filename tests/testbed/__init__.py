"""A real cluster, Argo CD and forge on one machine, without Docker: see README.md beside this file."""

from tests.testbed.bed import Bed, push_image
from tests.testbed.programs import BedError, binary
from tests.testbed.waiting import wait_for

__all__ = ["Bed", "BedError", "binary", "push_image", "wait_for"]
