"""What Argo CD sends of the objects in the cluster, as far as it is read here; all the rest may be anything."""

from datetime import datetime

from layersite.argocd.received import Health, Many, Received, Text

__all__ = ["ContainerStatus", "Event", "LogEntry", "LogLine", "Node", "Pod", "Tree"]


class Info(Received):
    """One remark of the resource tree."""

    name: str
    value: Text = ""


class Reference(Received):
    """The owner of an object."""

    uid: Text = ""


class Node(Received):
    """One object of the resource tree: what the application made, and what the cluster made of that."""

    group: Text = ""
    version: Text = ""
    kind: str
    name: str
    namespace: Text = ""
    uid: Text = ""
    parent_refs: Many[Reference] = ()
    info: Many[Info] = ()
    health: Health | None = None
    created_at: datetime | None = None

    def remark(self, name: str) -> str:
        """Return the value of the remark `name`, empty if there is none."""
        return next((item.value for item in self.info if item.name == name), "")


class Tree(Received):
    """All objects of one application."""

    nodes: Many[Node] = ()


class Waiting(Received):
    """Why a container does not run yet."""

    reason: Text = ""
    message: Text = ""


class Terminated(Received):
    """How a container ended."""

    exit_code: int = 0
    reason: Text = ""
    message: Text = ""


class ContainerState(Received):
    """One of both, or neither if it runs."""

    waiting: Waiting | None = None
    terminated: Terminated | None = None


class ContainerStatus(Received):
    """One container."""

    name: str
    ready: bool = False
    restart_count: int = 0
    state: ContainerState = ContainerState()
    last_state: ContainerState = ContainerState()


class PodCondition(Received):
    """One of the steps that a pod goes through."""

    type: str
    status: Text = ""
    reason: Text = ""
    message: Text = ""


class PodStatus(Received):
    """How a pod is."""

    phase: Text = ""
    conditions: Many[PodCondition] = ()
    init_container_statuses: Many[ContainerStatus] = ()
    container_statuses: Many[ContainerStatus] = ()


class Container(Received):
    """What a container is to be; all that may hold what nobody else should read is left out."""

    name: str
    readiness_probe: dict[str, object] | None = None


class PodSpec(Received):
    """What a pod is to be."""

    containers: Many[Container] = ()


class Pod(Received):
    """One pod."""

    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()


class Event(Received):
    """What the cluster noted about an object."""

    type: Text = ""
    reason: Text = ""
    message: Text = ""
    last_timestamp: datetime | None = None
    event_time: datetime | None = None


class LogEntry(Received):
    """One line of a log; the last one is empty and says so."""

    content: str = ""
    last: bool = False


class LogLine(Received):
    """One line of a stream of logs."""

    result: LogEntry | None = None
