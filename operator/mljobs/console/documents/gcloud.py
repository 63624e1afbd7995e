"""Reads the file of `--config` as gcloud does: with ruamel.yaml, by version 1.1 of YAML."""

import warnings
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.constructor import SafeConstructor
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from mljobs.console.documents.loaded import Loaded, Unreadable, twice
from mljobs.domain.spec.problems import Problem, Severity

_BROKEN = (ValueError, TypeError, KeyError, AttributeError)
"""What ruamel.yaml raises for values that are not what their tags say."""


def load(text: str, line: int = 1) -> Loaded:
    """Read one document.

    Args:
        text: the document.
        line: of the text's beginning, for messages.

    Returns:
        Its value, null for an empty text; a date stays a date, which no field can be. Of a key that stands
        there twice it has the first, as gcloud, and a warning.

    Raises:
        Unreadable: gcloud could not read it.
    """
    problems: list[Problem] = []

    class Constructor(SafeConstructor):
        """Reports keys that are given twice."""

        def check_mapping_key(self, _: Any, key_node: Any, mapping: Any, key: Any, __: Any) -> bool:
            if key not in mapping:
                return True
            rule = f"line {key_node.start_mark.line + line} sets it again, and gcloud takes the first"
            problems.append(twice("", str(key), mapping[key], rule, Severity.WARNING))
            return False

    reader = YAML(typ="safe", pure=True)
    reader.version = (1, 1)
    reader.Constructor = Constructor
    try:
        with warnings.catch_warnings(action="ignore"):
            value = reader.load(text)
    except RecursionError:
        raise Unreadable("it is nested too deeply") from None
    except MarkedYAMLError as error:
        raise Unreadable(_worded(error, line)) from None
    except YAMLError as error:
        raise Unreadable(" ".join(str(error).split())) from None
    except _BROKEN as error:
        raise Unreadable(f"a value is not what its tag says: {error}") from None
    return Loaded(_joined(value, set()), tuple(problems))


def _worded(error: MarkedYAMLError, line: int) -> str:
    mark = error.problem_mark or error.context_mark
    where = f"line {mark.line + line}, column {mark.column + 1}: " if mark else ""
    return f"{where}{error.problem or error.context}"


def _joined(value: Any, seen: set[int]) -> Any:
    """A value whose texts have characters in place of pairs of surrogates, which is how JSON escapes some.

    The service, which gets both halves from gcloud, does the same.
    """
    if isinstance(value, str):
        return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
    if isinstance(value, dict | list) and id(value) not in seen:  # a text can contain itself
        seen.add(id(value))
        for key, item in list(value.items() if isinstance(value, dict) else enumerate(value)):
            value[key] = _joined(item, seen)
    return value
