"""See environments go after a commit: Argo CD removes them, playbooks what it leaves, and last goes the tombstone."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from layersite.follow.protocols import Deploys, Reaps, Stores
from layersite.follow.voice import Voice
from layersite.model.change import Change
from layersite.model.environment import Tombstone, changes_of, to_yaml
from layersite.model.errors import LayersiteError
from layersite.model.site import Site
from layersite.model.standing import Standing
from layersite.store import Write

__all__ = ["Burial"]


@dataclass(frozen=True)
class Burial:
    """What speaks to the cluster, the repository and, by `voice`, to people about what goes in one run."""

    site: Site
    store: Stores
    is_open: Callable[[Change], bool]
    argocd: Deploys
    playbooks: Reaps | None
    voice: Voice
    tell: Callable[[str], None]

    def see(self, going: Mapping[str, Standing]) -> None:
        """Wait until applications are gone, remove what they leave, and then the tombstones, all that went together."""
        names = {self.site.application(name): name for name in going}
        if not names:
            return
        self.tell(f"waiting until {len(names)} environments are gone")
        gone = []
        seconds = self.site.argocd.timeout_minutes * 60 if self.site.argocd else 0
        try:
            for result in self.argocd.await_gone(names, deadline=seconds, tell=self.tell):
                if result.outcome == "gone":
                    gone.append(names[result.name])
                else:
                    text = result.reason or "its Application is still there"
                    self.voice.say(replace(going[names[result.name]], state="stuck", summary=text))
            if gone and self.playbooks is not None:
                self._bury({name: going[name] for name in gone}, self.playbooks)
        except LayersiteError as error:
            for name in (name for name in going if self.voice.ended[name].state != "stuck"):
                self.voice.say(replace(going[name], state="stuck", summary=str(error)))

    def _bury(self, gone: Mapping[str, Standing], playbooks: Reaps) -> None:
        """Reap, tell, and only then remove the tombstones: they remind the next run of what was left undone."""
        stones = {n: s.environment for n, s in gone.items() if isinstance(s.environment, Tombstone)}
        try:
            left = playbooks.reap(list(stones.values()))
        except LayersiteError as error:
            left = dict.fromkeys(stones, str(error))
        told = {}
        for name, standing in gone.items():
            if left.get(name, "it was not reaped") is None:
                summary = f"nothing is left of it: {standing.summary}"
                told[name] = self.voice.say(replace(standing, state="gone", summary=summary))
            else:
                self.voice.say(replace(standing, state="stuck", summary=str(left.get(name))))
        self._commit_ends({name: stones[name] for name, heard in told.items() if heard.result()})

    def _commit_ends(self, stones: Mapping[str, Tombstone]) -> None:
        """Remove the tombstones; one whose change is open stays, with nothing left to reap, for the next generation."""
        entries = self.store.read().entries
        writes = []
        for name, stone in stones.items():
            entry = entries.get(name)
            if entry is None or entry.tombstone is None or entry.tombstone.generation != stone.generation:
                continue
            stays = any(self.is_open(change) for change in changes_of(stone.members))
            files = {"tombstone.yaml": to_yaml(stone.model_copy(update={"reap": ()})).encode()} if stays else None
            writes.append(Write(name, files, entry.tree, f"{name} generation {stone.generation} reaped"))
        if writes:
            self.store.commit(writes, f"reap {', '.join(write.name for write in writes)}"[:72])
