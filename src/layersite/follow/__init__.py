"""After the plan and its commit: wait until the cluster is as committed, and tell each change's people how it stands.

Environments proceed together, and one that fails holds back no other. Whatever was left unsaid by a run that was killed
is said by the next: nothing is remembered but in the environments repository, the cluster and the comments themselves.
"""

from layersite.follow.follower import Follower
from layersite.follow.protocols import Stores
from layersite.follow.standings import first_standings

__all__ = ["Follower", "Stores", "first_standings"]
