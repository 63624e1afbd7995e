"""Makes a TrainingJob and waits for its outcome; no worker is busy while the job runs."""

from datetime import datetime, timedelta

from airflow.exceptions import AirflowException
from airflow.sdk import dag, task
from kubernetes import client, config

PLACE = {"group": "mljobs.dev", "version": "v1alpha1", "namespace": "team-a", "plural": "trainingjobs"}


@dag(schedule="@daily", start_date=datetime(2026, 1, 1), catchup=False)
def census():
    """Train once a day."""

    @task(retries=5)
    def train(ds_nodash=None):
        config.load_incluster_config()
        job = {
            "apiVersion": "mljobs.dev/v1alpha1",
            "kind": "TrainingJob",
            "metadata": {"name": f"census-{ds_nodash}"},
            "spec": {
                "projectId": "my-project",
                "ttlSecondsAfterFinished": 604800,
                "trainingInput": {
                    "region": "us-central1",
                    "masterConfig": {"imageUri": "gcr.io/my-project/census:1"},
                },
            },
        }
        try:
            client.CustomObjectsApi().create_namespaced_custom_object(body=job, **PLACE)
        except client.ApiException as error:
            if error.status != 409:  # it is there: an earlier try has made it
                raise
        return job["metadata"]["name"]

    @task.sensor(mode="reschedule", poke_interval=60, timeout=timedelta(days=1).total_seconds())
    def wait(name):
        config.load_incluster_config()
        job = client.CustomObjectsApi().get_namespaced_custom_object(name=name, **PLACE)
        outcome = job.get("status", {}).get("outcome")
        if outcome not in (None, "Succeeded"):
            raise AirflowException(f"{name}: {outcome}")
        return outcome == "Succeeded"

    wait(train())


census()
