"""What can be said of a site offline: whether everything renders, and whether what is committed was rendered."""

from collections.abc import Iterable
from pathlib import Path

from layersite import __version__
from layersite.bootstrap import FOLDER, files, stale
from layersite.model.catalog import Catalog
from layersite.model.document import near_miss, read_document
from layersite.model.environment import Environment, Member
from layersite.model.errors import InvalidInputError, Problem, UnknownNameError
from layersite.model.names import is_environment_name, shard
from layersite.model.site import Site, load_site
from layersite.plan import World, build_environment
from layersite.render import Renderer
from layersite.render.layout import git_tree_id

__all__ = ["check_site", "render_offline"]

_NO_COMMIT = "0" * 40


def render_offline(
    site: Site, catalog: Catalog, root: Path, cache: Path, name: str | None, apps: Iterable[str]
) -> dict[str, bytes]:
    """Return the files of the committed environment `name`, or of an environment that isolates `apps`.

    Raises:
        UnknownNameError: there is no such environment or app.
        InvalidInputError: something does not render.
    """
    environment = _committed(root, name) if name else _isolating(site, catalog, "render", apps)
    return Renderer(site, catalog, cache).render(environment)


def check_site(site: Site, catalog: Catalog, root: Path, cache: Path) -> dict[str, int]:
    """Render every app by itself and all together, compare committed environments with their locks and bootstrap/ too.

    Returns how many apps and environments were checked. Raises InvalidInputError with every problem found.
    """
    renderer = Renderer(site, catalog, cache)
    deployed = [name for name, app in catalog.apps.items() if app.base is not None]
    problems: list[Problem] = []
    for apps in [*([app] for app in deployed), deployed]:
        try:
            renderer.render(_isolating(site, catalog, "check", apps))
        except InvalidInputError as error:
            problems += error.problems
    committed = sorted((root / "environments").glob("*/*/environment.yaml"))
    for path in committed:
        problems += _drift(path, root)
    if site.argocd is not None and (root / FOLDER).is_dir():
        problems += stale(root, files(load_site(root)[0]))
    if problems:
        raise InvalidInputError(problems)
    return {"apps": len(catalog.apps), "environments": len(committed)}


def _isolating(site: Site, catalog: Catalog, name: str, apps: Iterable[str]) -> Environment:
    members = []
    for app in sorted(apps):
        if app not in catalog.apps:
            raise UnknownNameError(f"there is no app `{app}`{near_miss(app, catalog.apps)}")
        repository = catalog.apps[app].repository or app
        members.append(Member(repository=repository, branch=app, sha=_NO_COMMIT, apps=(app,), change=False))
    heads = dict.fromkeys(site.repositories, _NO_COMMIT)
    return build_environment(World(site, catalog, __version__, heads), name, tuple(members), None, None)


def _committed(root: Path, name: str) -> Environment:
    path = root / "environments" / shard(name) / name / "environment.yaml"
    if not is_environment_name(name) or not path.exists():
        known = [found.parent.name for found in (root / "environments").glob("*/*/environment.yaml")]
        raise UnknownNameError(f"there is no environment `{name}` in this checkout{near_miss(name, known)}")
    return read_document(path, path.relative_to(root).as_posix()).parse(Environment)


def _drift(path: Path, root: Path) -> list[Problem]:
    """Say whether the manifests beside `path` are not the ones that its lock names."""
    source = path.relative_to(root).as_posix()
    try:
        environment = read_document(path, source).parse(Environment)
    except InvalidInputError as error:
        return list(error.problems)
    files = {file.name: file.read_bytes() for file in (path.parent / "manifests").iterdir()}
    if environment.render is None or git_tree_id(files) == environment.render.manifests:
        return []
    return [Problem(source, 0, "render.manifests", "the manifests are not as rendered; `reconcile` writes them anew")]
