"""A cluster in memory: objects by path with versions, and no controllers but the one that removes namespaces."""

from layersite.cluster.api import ClusterError, Json

__all__ = ["FakeClock", "FakeCluster", "namespace", "secret"]


class FakeClock:
    """Time passes only while somebody waits."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


class FakeCluster:
    """Objects by path. `trouble` holds errors by path, raised once each; a namespace in `held` never goes."""

    def __init__(self, *items: Json) -> None:
        self.objects: dict[str, Json] = {}
        self.trouble: dict[str, list[ClusterError]] = {}
        self.held: set[str] = set()
        for item in items:
            self.put(item)

    def put(self, item: Json) -> None:
        path = _path(item)
        version = int(self.objects.get(path, {"metadata": {"resourceVersion": "0"}})["metadata"]["resourceVersion"])
        metadata = {**item["metadata"], "resourceVersion": str(version + 1), "uid": path}
        self.objects[path] = {**item, "metadata": metadata}

    def get(self, path: str) -> Json | None:
        self._meet_trouble(path)
        return self.objects.get(path)

    def items(self, path: str) -> list[Json]:
        self._meet_trouble(path)
        return [item for found, item in self.objects.items() if found.rpartition("/")[0] == path]

    def volumes(self) -> list[Json]:
        return self.items("/api/v1/persistentvolumes")

    def listable(self) -> list[tuple[str, str]]:
        return [("ConfigMap", "/api/v1/namespaces/{}/configmaps"), ("Secret", "/api/v1/namespaces/{}/secrets")]

    def create(self, path: str, item: Json) -> None:
        self._meet_trouble(path)
        self.put(item)

    def replace(self, path: str, item: Json) -> None:
        self._check_version(path, item)
        self.put(item)

    def patch(self, path: str, changes: Json) -> None:
        merged = {key: {**self.objects[path][key], **changes[key]} for key in changes}
        kept = {key: {name: value for name, value in part.items() if value is not None} for key, part in merged.items()}
        self.put({**self.objects[path], **kept})

    def delete(self, path: str, item: Json) -> None:
        self._check_version(path, item)
        if path in self.held:
            self.patch(path, {"metadata": {"deletionTimestamp": "now"}})
        else:
            del self.objects[path]

    def _check_version(self, path: str, item: Json) -> None:
        if self.objects[path]["metadata"]["resourceVersion"] != item["metadata"]["resourceVersion"]:
            raise ClusterError(409, "it changed")

    def _meet_trouble(self, path: str) -> None:
        if self.trouble.get(path):
            raise self.trouble[path].pop(0)


def _path(item: Json) -> str:
    kinds = {"Namespace": "namespaces", "PersistentVolume": "persistentvolumes"}
    metadata = item["metadata"]
    if item["kind"] in kinds:
        return f"/api/v1/{kinds[item['kind']]}/{metadata['name']}"
    return f"/api/v1/namespaces/{metadata['namespace']}/{item['kind'].lower()}s/{metadata['name']}"


def namespace(name: str, environment: str | None = None) -> Json:
    labels = {"layersite.dev/environment": environment} if environment else {}
    return {"kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def secret(where: str, data: dict[str, str], kind: str = "Opaque", **labels: str) -> Json:
    place, _, name = where.partition("/")
    metadata = {"name": name, "namespace": place, "labels": labels}
    return {"kind": "Secret", "metadata": metadata, "type": kind, "data": data}
