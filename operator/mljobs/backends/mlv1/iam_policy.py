"""A job's IAM policy: our bindings are maintained in it, everybody else's are kept."""

from collections.abc import Mapping, Sequence
from typing import Any

from mljobs.domain.port import Binding

IamPolicy = Mapping[str, Any]
"""An IAM `Policy` as JSON: `bindings` (list of `{role, members}`), `etag`, `version`."""

_Place = tuple[str, tuple[tuple[str, Any], ...]]


def merged(policy: IamPolicy, wanted: Sequence[Binding], applied: Sequence[Binding]) -> IamPolicy | None:
    """Set our bindings in a policy.

    Args:
        policy: as read; its etag is kept, so that a concurrent change is detected.
        wanted: what the spec asks for.
        applied: what we have set before; members of these that are no longer wanted are removed.

    Returns:
        The new policy, or None if nothing has to be changed.
    """
    before = list(policy.get("bindings") or ())
    members: dict[_Place, list[str]] = {}
    for binding in before:
        _add(members.setdefault(_place(binding), []), binding)
    obsolete = _pairs(applied) - _pairs(wanted)
    for place, names in members.items():
        names[:] = [name for name in names if (place, name) not in obsolete]
    for binding in wanted:
        _add(members.setdefault(_place(binding), []), binding)
    if _pairs(before) == {(place, name) for place, names in members.items() for name in names}:
        return None
    after = [_binding(place, names) for place, names in members.items() if names]
    conditional = any("condition" in binding for binding in after)
    version = {"version": 3} if conditional else {}
    return {**policy, **version, "bindings": after}


def _place(binding: Binding) -> _Place:
    condition = binding.get("condition") or {}
    return str(binding.get("role", "")), tuple(sorted((k, v) for k, v in condition.items() if v))


def _add(names: list[str], binding: Binding) -> None:
    names.extend(name for name in binding.get("members") or () if name not in names)


def _pairs(bindings: Sequence[Binding]) -> set[tuple[_Place, str]]:
    return {(_place(binding), name) for binding in bindings for name in binding.get("members") or ()}


def _binding(place: _Place, names: list[str]) -> dict[str, Any]:
    role, condition = place
    return {"role": role, "members": names, **({"condition": dict(condition)} if condition else {})}
