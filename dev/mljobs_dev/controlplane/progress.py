"""The progress reports of the provisioning of binaries, and its errors."""

import logging
from collections.abc import Callable
from dataclasses import dataclass

WAY_OUT = (
    "The way out: put etcd, kube-apiserver and what else you need (kubectl, kube-controller-manager, helm) "
    "into one folder, and set the environment variable KUBEBUILDER_ASSETS to that folder."
)


class BinariesError(Exception):
    """The binaries can be neither found nor made; the message says what to do."""


@dataclass(frozen=True)
class Step:
    """What is being done at this moment.

    Attributes:
        message: for a person, without the numbers below.
        done: how much of `total` is done.
        total: bytes or packages in all; 0 if nobody knows.
        unit: what `done` and `total` count.
        warning: whether it needs attention although the work continues.
    """

    message: str
    done: int = 0
    total: int = 0
    unit: str = ""
    warning: bool = False


Reporter = Callable[[Step], None]


def log_step(step: Step) -> None:
    """The reporter of callers without a terminal: one log line for each new message."""
    if step.done == 0:
        logging.getLogger(__name__).log(logging.WARNING if step.warning else logging.INFO, "%s", step.message)
