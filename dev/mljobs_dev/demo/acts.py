"""What the demo shows: which samples, how the emulated service runs them, and how each has to end."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

NAMESPACES = {"MLv1": "default", "VertexAI": "vertex"}
"""The namespace of each service's resources; those at Vertex AI name the JobClass `vertex`."""

SPEED = 10.0
"""Emulated seconds in a real second."""

DELETED = "DELETED"
"""The end of a resource that is gone; the other ends are states of the API."""


@dataclass(frozen=True)
class Act:
    """One sample and its story.

    Attributes:
        sample: the sample's name, which is also its resource's.
        shows: what it is there for.
        end: the state in which its job has to end, or `DELETED`: it is deleted once its job is RUNNING.
        timeline: emulated seconds in each state.
        error: the error message of a job that ends as FAILED.
        service: which one runs its job.
    """

    sample: str
    shows: str
    end: str
    timeline: Mapping[str, float]
    error: str = ""
    service: str = "MLv1"

    @property
    def namespace(self) -> str:
        """Where the sample is applied."""
        return NAMESPACES[self.service]

    @property
    def job_class(self) -> str:
        """The class that its resource names; empty for the default one."""
        return "vertex" if self.service == "VertexAI" else ""

    @property
    def name(self) -> str:
        """For people, and for telling the acts apart: the resource's, where need be with its namespace."""
        return self.sample if self.service == "MLv1" else f"{self.namespace}/{self.sample}"

    def script(self) -> dict[str, Any]:
        """The emulator's script for this sample's job."""
        readable = re.sub(r"[^A-Za-z0-9_]", "_", f"{self.namespace}_{self.sample}")
        wanted = f"^{self.name}$" if self.service == "VertexAI" else f"^{readable}_[0-9a-f]+_1$"
        script: dict[str, Any] = {"jobId": wanted, "timeline": dict(self.timeline)}
        if self.end != DELETED:
            script["final"] = self.end
        if self.error:
            script["errorMessage"] = self.error
        return script


ACTS = (
    Act("tuning", "hyperparameter tuning", "SUCCEEDED", {"QUEUED": 10, "PREPARING": 20, "RUNNING": 100}),
    Act("prediction", "batch prediction", "SUCCEEDED", {"QUEUED": 10, "PREPARING": 10, "RUNNING": 60}),
    Act(
        "failing",
        "a program that does not start",
        "FAILED",
        {"QUEUED": 15, "PREPARING": 25, "RUNNING": 20},
        error=(
            "The replica master 0 exited with a non-zero status of 1. Termination reason: Error. "
            "/usr/bin/python3: Error while finding module specification for 'trainer.tsak' "
            "(ModuleNotFoundError: No module named 'trainer.tsak')"
        ),
    ),
    Act("long-running", "deleted while it runs", DELETED, {"QUEUED": 15, "PREPARING": 30, "RUNNING": 36000}),
    Act(
        "tuning",
        "the same manifest",
        "SUCCEEDED",
        {"QUEUED": 10, "PREPARING": 20, "RUNNING": 100},
        service="VertexAI",
    ),
    Act(
        "vertex-overlay",
        "with what Vertex AI alone has",
        "SUCCEEDED",
        {"QUEUED": 10, "PREPARING": 20, "RUNNING": 60},
        service="VertexAI",
    ),
)
"""The acts, in the order in which they are shown."""
