"""The values that `mljobs plan --set` lays over what was read."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from mljobs.console.documents.loaded import Unreadable
from mljobs.console.documents.reading import value
from mljobs.domain.spec.lenient import Reading, canonical


def with_values(reading: Reading, values: Sequence[str], *, exact: bool) -> Reading:
    """Lay values over what was read; they are read as that was.

    Args:
        reading: the description.
        values: each `FIELD=VALUE`.
        exact: whether the description is a manifest.

    Raises:
        ValueError: one of them is not of this form, or not YAML.
    """
    spec: Mapping[str, Any] = reading.spec
    problems = list(reading.problems)
    for text in values:
        patch, found = canonical(reading.kind, _patch(text, exact), exact=exact)
        spec = _merged(spec, patch)
        problems += found
    return replace(reading, spec=spec, problems=tuple(problems))


def _patch(text: str, exact: bool) -> dict[str, Any]:
    """`a.b=1` as `{"a": {"b": 1}}`."""
    path, equals, written = text.partition("=")
    keys = path.removeprefix("spec.").split(".")
    if not equals or not all(keys):
        raise ValueError(f"--set {text}: must be FIELD=VALUE, such as trainingInput.region=us-central1")
    try:
        patch = value(written, exact=exact)
    except Unreadable as error:
        raise ValueError(f"--set {text}: the value is not YAML: {error}") from None
    for key in reversed(keys):
        patch = {key: patch}
    return dict(patch)


def _merged(base: Any, patch: Any) -> Any:
    if not isinstance(base, Mapping) or not isinstance(patch, Mapping):
        return patch
    return {**base, **{key: _merged(base.get(key), value) for key, value in patch.items()}}
