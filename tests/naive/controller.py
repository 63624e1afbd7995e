"""A controller as many are written: while the status holds no job, it makes one.

JOBS_ENDPOINT=http://127.0.0.1:8900 JOBS_PROJECT=my-project kopf run --namespace=team-a controller.py
"""

import os
from typing import Any

import httplib2
import kopf
from googleapiclient import discovery

JOBS = (
    discovery.build(
        "aiplatform",
        "v1",
        static_discovery=True,
        http=httplib2.Http(),
        client_options={"api_endpoint": os.environ["JOBS_ENDPOINT"]},
    )
    .projects()
    .locations()
    .customJobs()
)
RESOURCE = ("mljobs.dev", "v1alpha1", "trainingjobs")


@kopf.on.login()
def login(**kwargs: Any) -> kopf.ConnectionInfo | None:
    return kopf.login_with_kubeconfig(**kwargs)


@kopf.on.startup()
def configure(settings: kopf.OperatorSettings, **_: Any) -> None:
    settings.scanning.disabled = True  # it has no right to look for new kinds and namespaces
    settings.networking.error_backoffs = []


@kopf.on.create(*RESOURCE)
@kopf.on.resume(*RESOURCE)
def reconcile(name: str, spec: kopf.Spec, status: kopf.Status, patch: kopf.Patch, **_: Any) -> None:
    if status.get("jobName"):
        return
    parent = f"projects/{os.environ['JOBS_PROJECT']}/locations/{spec['vertex']['region']}"
    job = {"displayName": name, "jobSpec": spec["vertex"]["jobSpec"]}
    made = JOBS.create(parent=parent, body=job).execute()
    patch.status["jobName"] = made["name"]


@kopf.on.delete(*RESOURCE)
def cancel(status: kopf.Status, **_: Any) -> None:
    if status.get("jobName"):
        JOBS.cancel(name=status["jobName"], body={}).execute()
