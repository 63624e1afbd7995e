"""Projects by id and by number: a request may name either, and Vertex AI answers with the number."""

import hashlib


def project_number(project: str) -> str:
    """The number of a project: made up, the same for the same id every time."""
    if project.isdigit():
        return project
    digest = hashlib.blake2b(project.encode(), digest_size=5).digest()
    return f"{int.from_bytes(digest):012d}"


class Projects:
    """The projects that were named by their ids, so that their numbers can be understood."""

    def __init__(self) -> None:
        self._ids: dict[str, str] = {}

    def named(self, project: str) -> str:
        """The id of a project that is named by its id or, once the id was heard of, by its number."""
        if project.isdigit():
            return self._ids.get(project, project)
        self._ids.setdefault(project_number(project), project)
        return project
