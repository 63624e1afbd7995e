"""Completes names of resources, and the plugin's own words for kubectl."""

import contextlib
import io
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

_NO_FILES = ":4"
"""What kubectl reads as "these are all": the directive of its completion protocol."""

_VARIABLE = "_KUBECTL_MLJOBS_COMPLETE"


def names(given: Mapping[str, Any], incomplete: str) -> list[str]:
    """The names of the resources that a half-typed command may mean; none where no cluster answers."""
    from mljobs.api.resources import KINDS
    from mljobs.kubectl.cluster import open_cluster
    from mljobs.kubectl.failure import Failure

    try:
        cluster = open_cluster(given.get("namespace"), given.get("context"), given.get("kubeconfig"))
        found = cluster.items(KINDS.values())
    except Failure:
        return []
    known = sorted({str(item["metadata"]["name"]) for item in found})
    return [name for name in known if name.startswith(incomplete)]


def complete(run: Callable[[], Any], words: Sequence[str]) -> list[str]:
    """Complete a command line for kubectl.

    Args:
        run: runs the command itself, which answers its shell's question in the environment.
        words: what stands after `kubectl mljobs`, the unfinished word last.

    Returns:
        The lines of the answer.
    """
    import shlex

    os.environ[_VARIABLE] = "complete_bash"
    os.environ["COMP_WORDS"] = shlex.join(["kubectl-mljobs", *words])
    os.environ["COMP_CWORD"] = str(max(1, len(words)))
    answer = io.StringIO()
    with contextlib.redirect_stdout(answer), contextlib.suppress(SystemExit):
        run()
    return [*answer.getvalue().split(), _NO_FILES]
