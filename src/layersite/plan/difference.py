"""Why an environment must be written anew, in words, and whether anybody waits for that."""

from layersite.model.environment import Environment, Lease, RenderLock
from layersite.plan.lock import changed_parts, is_renewal

__all__ = ["difference", "renews"]


def difference(current: Environment, wanted: Environment, drifted: bool, rest: str) -> str:
    """Say why `current` must be written anew, or nothing if it need not."""
    before, after = _members(current), _members(wanted)
    parts = [f"{name} joined" for name in sorted(after.keys() - before.keys())]
    parts += [f"{name} left" for name in sorted(before.keys() - after.keys())]
    parts += [
        f"{name} moved from {before[name][:7]} to {after[name][:7]}"
        for name in sorted(after.keys() & before.keys())
        if after[name] != before[name]
    ]
    if not parts and (current.state, current.call) != (wanted.state, wanted.call):
        parts.append(rest)
    parts += [
        f"its database `{name}` comes from {data.golden}" if data.golden else f"its database `{name}` is made empty"
        for name, data in sorted((wanted.data or {}).items())
        if wanted.origins[name] != current.origins.get(name)
    ]
    if not parts and current.lease != wanted.lease:
        parts.append(_ending(wanted.lease) if current.heard == wanted.heard else "a comment changed its lease")
    if not parts and (current.render and current.render.inputs) != (wanted.render and wanted.render.inputs):
        parts.append(_cause(current.render, wanted.render))
    if not parts and drifted:
        parts.append("its files are not those that were rendered")
    return ", ".join(parts)


def renews(current: Environment, wanted: Environment) -> bool:
    """Whether only what `current` is rendered from changed: neither its commits nor a person ask for `wanted`."""
    if _members(current) != _members(wanted) or current.origins != wanted.origins:
        return False
    asked = (current.call, current.lease, current.heard) != (wanted.call, wanted.lease, wanted.heard)
    return not asked and is_renewal(current.render, wanted.render)


def _ending(lease: Lease | None) -> str:
    return f"its lease ends at {lease.until}" if lease is not None and lease.warned else "its lease changed"


def _cause(before: RenderLock | None, after: RenderLock | None) -> str:
    if before is None or after is None:
        return "the site, the catalog or layersite changed"
    parts = [f"{path} changed" for path in changed_parts(before, after)]
    if before.layersite != after.layersite:
        parts.append(f"layersite {before.layersite} became {after.layersite}")
    return ", ".join(parts) or "the site, the catalog or layersite changed"


def _members(environment: Environment) -> dict[str, str]:
    return {str(member): member.sha for member in environment.members}
