"""How near the CRDs' rules are to the API server's limits, by its own estimates.

`python -m bench vertex` prints it. Estimates are only told where they pass a limit. So each CRD is sent with
its rules multiplied until the API server refuses it: the factor in the message, divided by the multiple, is
the share of the limit that is in use. Nothing is stored: the requests are dry runs.
"""

import copy
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from mljobs.admin import crds
from mljobs.api.crd import walk
from mljobs_dev.controlplane.client import ApiError
from mljobs_dev.controlplane.controlplane import ControlPlane

Json = dict[str, Any]
Make = Callable[[Json, int], Json]

PATH = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions?dryRun=All"
RULES = "x-kubernetes-validations"
TOTAL = re.compile(r"rule cost total for entire OpenAPIv3 schema exceeds budget by factor of ([0-9.]+)x")
ONE = re.compile(r"(?<!total for )estimated rule cost exceeds budget by factor of ([0-9.]+)x")
WHOLE_TIMES = (2, 3, 4, 6, 8, 16, 32, 64, 256)
"""Multiples of all rules together; below 1.5 the API server tells the factor with six decimals."""

RULE_TIMES = (2, 4, 8, 16, 32)
"""Multiples of each rule by itself."""


def headroom() -> Iterator[tuple[str, str]]:
    """For each CRD the shares of the two limits that are in use, as text."""
    with ControlPlane() as plane:
        for document in map(dict, crds.definitions()):
            name = document["metadata"]["name"]
            rules = sum(len(node.get(RULES, ())) for _, node in walk(_schema(document)))
            total = _share(plane, document, TOTAL, WHOLE_TIMES, _repeated)
            largest = _share(plane, document, ONE, RULE_TIMES, _longer)
            yield (
                f"`{name}`: cost of its {rules} rules, as the API server estimates it",
                f"together {total} of the limit of a CRD; the dearest one {largest} of the limit of a rule",
            )


def _share(
    plane: ControlPlane, document: Json, told: re.Pattern[str], times: Sequence[int], make: Make
) -> str:
    """The largest share of a limit that is in use."""
    for number in times:
        factors = [float(factor) for factor in told.findall(_refusal(plane, make(document, number)))]
        if factors:
            return f"{100 * max(factors) / number:.1f} %"
    return f"less than {100 / times[-1]:.1f} %"


def _refusal(plane: ControlPlane, document: Json) -> str:
    """What the API server says against a CRD; empty if nothing."""
    try:
        plane.client.request("POST", PATH, document)
    except ApiError as error:
        return str(error)
    return ""


def _schema(document: Json) -> Any:
    return document["spec"]["versions"][0]["schema"]["openAPIV3Schema"]


def _repeated(document: Json, number: int) -> Json:
    """A CRD in which each rule stands so many times."""
    made: Json = copy.deepcopy(document)
    for _, node in walk(_schema(made)):
        if RULES in node:
            node[RULES] = node[RULES] * number
    return made


def _longer(document: Json, number: int) -> Json:
    """A CRD whose rules say so many times what they say."""
    made: Json = copy.deepcopy(document)
    for _, node in walk(_schema(made)):
        for rule in node.get(RULES, ()):
            rule["rule"] = " && ".join([f"({rule['rule']})"] * number)
    return made
