"""What Argo CD sends, as far as it is read here; all the rest may be anything."""

from datetime import datetime
from typing import Annotated, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel

__all__ = [
    "Application",
    "ApplicationSet",
    "Health",
    "Managed",
    "Many",
    "Received",
    "Resource",
    "Text",
]

T = TypeVar("T")
Many = Annotated[tuple[T, ...], BeforeValidator(lambda value: value or ())]
"""A list; Go writes an empty one as null."""
Text = Annotated[str, BeforeValidator(lambda value: value or "")]


class Received(BaseModel):
    """The base of what Argo CD sends."""

    model_config = ConfigDict(extra="ignore", frozen=True, alias_generator=to_camel, populate_by_name=True)


class Metadata(Received):
    """Which object it is."""

    name: str
    deletion_timestamp: datetime | None = None


class Health(Received):
    """Healthy, Progressing, Degraded, Suspended, Missing or Unknown."""

    status: Text = ""
    message: Text = ""


class Sync(Received):
    """How the cluster compares with `revision`: Synced, OutOfSync or Unknown."""

    status: Text = ""
    revision: Text = ""


class Resource(Received):
    """One object of an application: after a sync with its result, in a comparison with its state."""

    kind: str
    name: str
    namespace: Text = ""
    status: Text = ""
    message: Text = ""
    hook_phase: Text = ""
    health: Health | None = None


class SyncResult(Received):
    """What a sync did."""

    revision: Text = ""
    resources: Many[Resource] = ()


class SyncOperation(Received):
    """What a sync is to do."""

    revision: Text = ""


class Operation(Received):
    """Something Argo CD is asked to do."""

    sync: SyncOperation | None = None


class OperationState(Received):
    """How the last operation goes: Running, Terminating, Succeeded, Failed or Error."""

    phase: Text = ""
    message: Text = ""
    started_at: datetime | None = None
    finished_at: datetime | None = None
    operation: Operation = Operation()
    sync_result: SyncResult | None = None

    @property
    def is_between_tries(self) -> bool:
        """Whether it failed and is to be tried again."""
        return self.phase == "Running" and self.finished_at is not None

    @property
    def revision(self) -> str:
        """The commit that it applies."""
        wanted = self.operation.sync.revision if self.operation.sync else ""
        return (self.sync_result.revision if self.sync_result else "") or wanted


class Condition(Received):
    """A fault of the application itself, such as a ComparisonError."""

    type: str
    status: Text = ""
    message: Text = ""


class Status(Received):
    """What the controller last saw."""

    sync: Sync = Sync()
    health: Health = Health()
    operation_state: OperationState | None = None
    conditions: Many[Condition] = ()
    resources: Many[Resource] = ()


class Application(Received):
    """One Application."""

    metadata: Metadata
    operation: Operation | None = None
    status: Status = Status()

    @property
    def name(self) -> str:
        """Its name."""
        return self.metadata.name

    @property
    def is_well(self) -> bool:
        """Whether what it shows is in the cluster and healthy."""
        return self.status.sync.status == "Synced" and self.status.health.status == "Healthy"

    @property
    def is_busy(self) -> bool:
        """Whether an operation runs or is about to."""
        state = self.status.operation_state
        return self.operation is not None or (state is not None and state.phase in ("Running", "Terminating"))


class Managed(Received):
    """One object that an application manages, as JSON: as it lives, and as it would after a sync."""

    kind: str
    name: str
    namespace: Text = ""
    live: Annotated[Text, Field(alias="normalizedLiveState")] = ""
    wanted: Annotated[Text, Field(alias="predictedLiveState")] = ""


class ApplicationSetStatus(Received):
    """What its controller last saw."""

    conditions: Many[Condition] = ()


class ApplicationSet(Received):
    """What makes the applications."""

    metadata: Metadata
    status: ApplicationSetStatus = ApplicationSetStatus()
