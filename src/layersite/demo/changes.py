"""The first part: a site, its services, and changes that become committed environments."""

import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from layersite.demo.stage import ROOT, Stage
from layersite.model.yaml import dump, load_all

__all__ = ["EXAMPLE", "ONLINE_BOUTIQUE", "Changes", "Shop"]

BOUTIQUE = ROOT.parent / "shared" / "samples" / "online-boutique" / "kubernetes-manifests"


@dataclass(frozen=True)
class Shop:
    """What is adopted: the manifests, and which app is made in which repository. The first app changes by itself."""

    title: str
    manifests: Path | None
    repositories: dict[str, tuple[str, ...]]
    alone: str
    together: tuple[str, str]


ONLINE_BOUTIQUE = Shop(
    "Online Boutique, eleven services in two repositories",
    BOUTIQUE,
    {"cart": ("cartservice",), "boutique": ("frontend", "checkoutservice", "productcatalogservice", "paymentservice")},
    alone="cartservice",
    together=("paymentservice", "cartservice"),
)
EXAMPLE = Shop(
    "the shipped example, two apps in two repositories",
    None,
    {"web": ("hello-web",), "api": ("hello-api",)},
    alone="hello-api",
    together=("hello-web", "hello-api"),
)


@dataclass(frozen=True)
class Changes:
    """The site of `shop` on `stage`, with the repositories in which its apps are made."""

    stage: Stage
    shop: Shop

    def generate(self) -> None:
        """Make the site and the bare repository that it is pushed to."""
        self.stage.step("copier copy: a team's environments repository")
        repositories = {name: {"url": str(self.stage.folder / f"{name}.git")} for name in self.shop.repositories}
        answers = {
            "organization": "Demo",
            "environments_url": str(self.stage.folder / "environments.git"),
            "repositories": repositories,
            "domain": "preview.example.com",
            "baseline": "existing",
            "baseline_namespace": "staging",
        }
        (self.stage.folder / "answers.yaml").write_text(dump(answers))
        data = ("--data-file", str(self.stage.folder / "answers.yaml"))
        self.stage.run(
            "copier", "copy", "--quiet", "--defaults", "--vcs-ref=HEAD", *data, str(ROOT), "site", cwd=self.stage.folder
        )
        self.stage.run("ls", "-A")
        self.stage.git(
            "init", "-q", "--bare", "-b", "main", str(self.stage.folder / "environments.git"), cwd=self.stage.folder
        )
        self.stage.git("init", "-q", "-b", "main", cwd=self.stage.site)
        self.stage.git("remote", "add", "origin", str(self.stage.folder / "environments.git"), cwd=self.stage.site)

    def adopt(self) -> None:
        """Describe the services, and say which repository each is made in."""
        self.stage.step(f"the catalog: {self.shop.title}")
        if self.shop.manifests is not None:
            shutil.rmtree(self.stage.site / "apps")
            self.stage.run("layersite", "adopt", str(self.shop.manifests))
        for repository, apps in self.shop.repositories.items():
            for app in apps:
                path = self.stage.site / "apps" / app / "app.yaml"
                (described,) = load_all(path.read_text(), app)
                paths = [f"src/{app}/**"] if len(apps) > 1 else []
                path.write_text(dump({**described, "repository": repository, "paths": paths}))
        self.stage.run("layersite", "check")
        self.stage.commit(self.stage.site, "Describe our services")
        self.stage.git("push", "-q", "origin", "main", cwd=self.stage.site)

    def open_changes(self) -> None:
        """Make the app repositories and three changes: one alone, two of one branch name."""
        self.stage.step("three changes, two of them one branch name in two repositories")
        for repository, apps in self.shop.repositories.items():
            work = self.stage.folder / repository
            self.stage.git("init", "-q", "-b", "main", str(work), cwd=self.stage.folder)
            self.stage.git("init", "-q", "--bare", str(self.stage.folder / f"{repository}.git"), cwd=self.stage.folder)
            self.stage.git("remote", "add", "origin", str(self.stage.folder / f"{repository}.git"), cwd=work)
            self.write(repository, apps, "main", "start")
        first, second = self.shop.together
        self.change("change/1", self.shop.alone)
        self.change("change/new-look", first)
        self.change("change/new-look", second)

    def repository_of(self, app: str) -> str:
        """Return the repository that `app` is made in."""
        return next(name for name, apps in self.shop.repositories.items() if app in apps)

    def change(self, branch: str, app: str) -> None:
        """Push a commit to `app` on `branch`."""
        work = self.stage.folder / self.repository_of(app)
        exists = branch in self.stage.git("branch", "--list", "--format=%(refname:short)", cwd=work).split()
        self.stage.git("checkout", "-q", *([branch] if exists else ["-b", branch, "main"]), cwd=work)
        self.write(self.repository_of(app), (app,), branch, f"{branch} at {time.time_ns()}")
        self.stage.console.print(f"    pushed {branch} to {work.name}, which touches {app}", highlight=False)

    def write(self, repository: str, apps: tuple[str, ...], branch: str, text: str) -> None:
        """Write a source file of each app, commit and push."""
        work = self.stage.folder / repository
        for app in apps:
            source = work / "src" / app / "main.txt"
            source.parent.mkdir(parents=True, exist_ok=True)
            source.write_text(f"{text}\n")
        self.stage.commit(work, f"Work on {', '.join(apps)}")
        self.stage.git("push", "-q", "origin", branch, cwd=work)

    def reconcile(self, title: str) -> None:
        """Run the bot once."""
        self.stage.step(title)
        self.stage.run("layersite", "reconcile")

    def show_commit(self) -> None:
        """Show what the bot committed: its message, the tree, and one rendered directory."""
        self.stage.step("what was committed")
        self.stage.run("git", "pull", "-q", "--rebase", "origin", "main")
        self.stage.run("git", "log", "-1", "--format=%B")
        self.stage.run("git", "ls-tree", "-r", "--name-only", "HEAD", "environments/")
        name = next(path.parent.name for path in sorted(self.stage.site.glob("environments/*/*-1/environment.yaml")))
        self.stage.run("layersite", "render", name, "--directory", str(self.stage.folder / "rendered"))
        self.stage.run(
            "cat", "environment.yaml", f"manifests/{self.shop.alone}.yaml", cwd=self.stage.folder / "rendered"
        )

    def move_and_close(self) -> None:
        """Push once more to the two of one branch name, and close the one that is alone."""
        self.stage.step("a new commit to new-look, and change 1 is closed")
        self.change("change/new-look", self.shop.together[0])
        repository = self.repository_of(self.shop.alone)
        self.stage.git("push", "-q", "origin", ":change/1", cwd=self.stage.folder / repository)
        self.stage.console.print(f"    deleted change/1 of {repository}", highlight=False)

    def tear_down(self) -> None:
        """Take an environment away by hand."""
        self.stage.step("teardown by hand")
        self.stage.run("layersite", "teardown", "new-look")
        self.stage.run("layersite", "status")
