"""Which images the apps of an environment run: by the tags that name its commits, and then by digest."""

import re
from collections.abc import Mapping

from layersite.model.app import App, Image
from layersite.model.environment import Environment
from layersite.plan.model import Action, Plan, Refusal
from layersite.plan.world import World

__all__ = ["await_images", "choose_images"]


def choose_images(
    world: World, app: App, sha: str | None, branch: str, number: int | None, known: Mapping[str, str]
) -> dict[str, str]:
    """Return the reference of each image that `app` replaces; `known` are those until now, whose digests still hold."""
    return {
        image.name: _pinned(world, image, ref, known.get(image.name, ""))
        for image in app.images
        if (ref := _reference(image, sha, branch, number)) is not None
    }


def await_images(world: World, plan: Plan) -> Plan:
    """Turn what would be rendered without the digest of an image into a leave that waits for it."""
    actions, refusals = [], list(plan.refusals)
    for action in plan.actions:
        missing = _missing(world, action.result) if isinstance(action.result, Environment) else ()
        if missing:
            text = f"waits for {', '.join(f'`{ref}`' for ref in missing)}, which the registry does not have yet"
            refusals.append(Refusal(action.name, text, is_error=False, waits_for=missing))
            action = Action("leave", action.name, text)
        actions.append(action)
    return Plan(tuple(actions), tuple(refusals))


def _missing(world: World, environment: Environment) -> tuple[str, ...]:
    """Return the references in the slice that no digest is known for, sorted; none where images go by tag."""
    references = {ref for slot in environment.slice.values() for ref in slot.images.values()}
    return tuple(sorted(ref for ref in references if "@" not in ref)) if world.images is not None else ()


def _pinned(world: World, image: Image, ref: str, known: str) -> str:
    """Return `ref` with its digest, if there is one; a tag that names a commit keeps the digest that it had."""
    if world.images is None or "@" in ref:
        return ref
    if known.startswith(f"{ref}@") and "sha}" in (image.tag or ""):
        return known
    digest = world.images.get(ref)
    return f"{ref}@{digest}" if digest else ref


def _reference(image: Image, sha: str | None, branch: str, number: int | None) -> str | None:
    """Return the image's reference, or None where the base's own stays: it has no `{number}` outside a change."""
    repository = image.repository or image.name
    if image.digest is not None:
        return f"{repository}@{image.digest}"
    if image.tag is None or (number is None and "{number}" in image.tag):
        return None
    values = {"sha": sha or "", "short_sha": (sha or "")[:7], "branch": _tag(branch), "number": str(number)}
    return f"{repository}:{image.tag.format(**values)[:128]}"


def _tag(branch: str) -> str:
    """Return `branch` with what no image tag may hold replaced by hyphens, as docker/metadata-action does."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", branch).strip("-.")
