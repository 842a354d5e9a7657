"""Show the whole path on one machine: a site, its services, three changes, their environments, and their end.

Every step runs the commands that a team would type; nothing is made up for the show. It needs git alone.
"""

import argparse
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

from layersite.model.yaml import dump, load_all

ROOT = Path(__file__).parents[2]
BOUTIQUE = ROOT.parent / "shared" / "samples" / "online-boutique" / "kubernetes-manifests"
BIN = Path(sys.executable).parent


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


@dataclass
class Demo:
    """One run of the demo in `folder`; remembers how long each step took, in seconds."""

    folder: Path
    shop: Shop
    console: Console
    steps: list[tuple[str, float]] = field(default_factory=list)

    @property
    def site(self) -> Path:
        """The checkout of the environments repository."""
        return self.folder / "site"

    def step(self, title: str) -> None:
        """Begin a step."""
        self.steps.append((title, time.perf_counter()))
        self.console.print(f"\n[bold]{len(self.steps)}. {title}[/bold]")

    def run(self, *argv: str, cwd: Path | None = None, show: bool = True) -> str:
        """Run a command as a person would, show it and what it says, and stop the demo if it fails."""
        if show:
            shown = shlex.join(
                argument.replace(str(self.folder), "…").replace(str(ROOT), "layersite") for argument in argv
            )
            self.console.print(f"  $ {shown}", style="cyan", markup=False, highlight=False)
        tool = str(BIN / argv[0]) if (BIN / argv[0]).exists() else argv[0]
        done = subprocess.run([tool, *argv[1:]], cwd=cwd or self.site, capture_output=True, text=True, check=False)
        if show or done.returncode:
            said = (done.stdout + done.stderr if done.returncode else done.stdout).replace(str(self.folder), "…")
            self.console.print(
                "".join(f"    {line}\n" for line in said.splitlines()),
                markup=False,
                highlight=False,
                soft_wrap=True,
                end="",
            )
        if done.returncode:
            sys.exit(f"`{shlex.join(argv)}` ended with exit code {done.returncode}")
        return done.stdout

    def git(self, *argv: str, cwd: Path) -> str:
        """Run git without showing it."""
        return self.run("git", *argv, cwd=cwd, show=False)

    def commit(self, cwd: Path, message: str) -> None:
        """Commit everything below `cwd`."""
        self.git("add", "-A", cwd=cwd)
        self.git("-c", "user.name=Demo", "-c", "user.email=demo@example.com", "commit", "-qm", message, cwd=cwd)

    def generate(self) -> None:
        """Make the site and the bare repository that it is pushed to."""
        self.step("copier copy: a team's environments repository")
        repositories = {name: {"url": str(self.folder / f"{name}.git")} for name in self.shop.repositories}
        answers = {
            "organization": "Demo",
            "environments_url": str(self.folder / "environments.git"),
            "repositories": repositories,
            "domain": "preview.example.com",
            "baseline": "existing",
            "baseline_namespace": "staging",
        }
        (self.folder / "answers.yaml").write_text(dump(answers))
        data = ("--data-file", str(self.folder / "answers.yaml"))
        self.run("copier", "copy", "--quiet", "--defaults", "--vcs-ref=HEAD", *data, str(ROOT), "site", cwd=self.folder)
        self.run("ls", "-A")
        self.git("init", "-q", "--bare", "-b", "main", str(self.folder / "environments.git"), cwd=self.folder)
        self.git("init", "-q", "-b", "main", cwd=self.site)
        self.git("remote", "add", "origin", str(self.folder / "environments.git"), cwd=self.site)

    def adopt(self) -> None:
        """Describe the services, and say which repository each is made in."""
        self.step(f"the catalog: {self.shop.title}")
        if self.shop.manifests is not None:
            shutil.rmtree(self.site / "apps")
            self.run("layersite", "adopt", str(self.shop.manifests))
        for repository, apps in self.shop.repositories.items():
            for app in apps:
                path = self.site / "apps" / app / "app.yaml"
                (described,) = load_all(path.read_text(), app)
                paths = [f"src/{app}/**"] if len(apps) > 1 else []
                path.write_text(dump({**described, "repository": repository, "paths": paths}))
        self.run("layersite", "check")
        self.commit(self.site, "Describe our services")
        self.git("push", "-q", "origin", "main", cwd=self.site)

    def open_changes(self) -> None:
        """Make the app repositories and three changes: one alone, two of one branch name."""
        self.step("three changes, two of them one branch name in two repositories")
        for repository, apps in self.shop.repositories.items():
            work = self.folder / repository
            self.git("init", "-q", "-b", "main", str(work), cwd=self.folder)
            self.git("init", "-q", "--bare", str(self.folder / f"{repository}.git"), cwd=self.folder)
            self.git("remote", "add", "origin", str(self.folder / f"{repository}.git"), cwd=work)
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
        work = self.folder / self.repository_of(app)
        exists = branch in self.git("branch", "--list", "--format=%(refname:short)", cwd=work).split()
        self.git("checkout", "-q", *([branch] if exists else ["-b", branch, "main"]), cwd=work)
        self.write(self.repository_of(app), (app,), branch, f"{branch} at {time.time_ns()}")
        self.console.print(f"    pushed {branch} to {work.name}, which touches {app}", highlight=False)

    def write(self, repository: str, apps: tuple[str, ...], branch: str, text: str) -> None:
        """Write a source file of each app, commit and push."""
        work = self.folder / repository
        for app in apps:
            source = work / "src" / app / "main.txt"
            source.parent.mkdir(parents=True, exist_ok=True)
            source.write_text(f"{text}\n")
        self.commit(work, f"Work on {', '.join(apps)}")
        self.git("push", "-q", "origin", branch, cwd=work)

    def reconcile(self, title: str) -> None:
        """Run the bot once."""
        self.step(title)
        self.run("layersite", "reconcile")

    def show_commit(self) -> None:
        """Show what the bot committed: its message, the tree, and one rendered directory."""
        self.step("what was committed")
        self.run("git", "pull", "-q", "--rebase", "origin", "main")
        self.run("git", "log", "-1", "--format=%B")
        self.run("git", "ls-tree", "-r", "--name-only", "HEAD", "environments/")
        name = next(path.parent.name for path in sorted(self.site.glob("environments/*/*-1/environment.yaml")))
        self.run("layersite", "render", name, "--directory", str(self.folder / "rendered"))
        self.run("cat", "environment.yaml", f"manifests/{self.shop.alone}.yaml", cwd=self.folder / "rendered")

    def summary(self) -> None:
        """Say what happened and how long each step took."""
        ends = [start for _, start in self.steps[1:]] + [time.perf_counter()]
        table = Table("step", "seconds", box=None, header_style="bold")
        for (title, start), end in zip(self.steps, ends, strict=True):
            table.add_row(title, f"{end - start:.1f}")
        self.console.print("\n[bold]What happened[/bold]")
        self.console.print(table)

    def play(self) -> None:
        """Run all steps."""
        self.generate()
        self.adopt()
        self.open_changes()
        self.reconcile("reconcile: every change becomes a committed environment")
        self.show_commit()
        self.reconcile("reconcile again: nothing changed, so no commit")
        self.step("a new commit to new-look, and change 1 is closed")
        self.change("change/new-look", self.shop.together[0])
        self.git("push", "-q", "origin", ":change/1", cwd=self.folder / self.repository_of(self.shop.alone))
        self.console.print(f"    deleted change/1 of {self.repository_of(self.shop.alone)}", highlight=False)
        self.reconcile("reconcile: one environment moves, one leaves a tombstone")
        self.step("teardown by hand")
        self.run("layersite", "teardown", "new-look")
        self.run("layersite", "status")
        self.summary()


def main() -> None:
    """Run the demo in a temporary folder, or in the folder given by `--keep`, which must not exist."""
    parser = argparse.ArgumentParser(prog="demo", description=main.__doc__)
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="leave everything in this new folder")
    parser.add_argument(
        "--example", action="store_true", help="show the shipped example even where samples are at hand"
    )
    options = parser.parse_args()
    shop = ONLINE_BOUTIQUE if BOUTIQUE.is_dir() and not options.example else EXAMPLE
    console = Console(highlight=False)
    if options.keep is None:
        with tempfile.TemporaryDirectory(prefix="layersite-demo-") as folder:
            Demo(Path(folder), shop, console).play()
        return
    options.keep.mkdir(parents=True)
    Demo(options.keep.resolve(), shop, console).play()
    console.print(f"everything is in {options.keep}")


if __name__ == "__main__":
    main()
