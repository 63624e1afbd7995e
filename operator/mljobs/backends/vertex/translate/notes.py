"""What a translation notes while it is made: losses and substitutions as warnings, refusals as errors."""

from typing import Any

from mljobs.api.field_error import FieldErrorType
from mljobs.backends.vertex.translate.fields import FIELDS
from mljobs.domain.spec.problems import MISSING, Problem, Severity, Source


class Notes:
    """Collects the problems of one translation, in the order in which they are met."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def changed(
        self, name: str, path: str, value: Any, rule: str, source: Source = Source.DOCUMENTATION
    ) -> None:
        """Note that something is lost, or became something else; it does not refuse the spec.

        Args:
            name: the note's name.
            path: the field in the resource's spelling, without `spec.`.
            value: what stands there, or `MISSING`.
            rule: what it became or why it is lost, in one sentence.
            source: where that comes from.
        """
        self._add(name, path, value, rule, source, Severity.WARNING, FieldErrorType.INVALID)

    def refused(
        self,
        name: str,
        path: str,
        value: Any,
        rule: str,
        source: Source = Source.DOCUMENTATION,
    ) -> None:
        """Note that the spec cannot become a job of Vertex AI; see `changed`."""
        error_type = FieldErrorType.REQUIRED if value is MISSING else FieldErrorType.INVALID
        self._add(name, path, value, rule, source, Severity.ERROR, error_type)

    def field(self, path: str, value: Any) -> None:
        """Note of a field with a value what `FIELDS` says of it: that it is lost, or refused."""
        about = FIELDS[path]
        self._add(about.id, path, value, about.text, about.source, about.severity, FieldErrorType.INVALID)

    def add(self, problem: Problem) -> None:
        """Note a problem as it is, once."""
        if problem not in self.problems:
            self.problems.append(problem)

    def _add(
        self,
        name: str,
        path: str,
        value: Any,
        rule: str,
        source: Source,
        severity: Severity,
        error_type: FieldErrorType,
    ) -> None:
        self.add(Problem(f"spec.{path}", value, rule, severity, source, error_type, name))
