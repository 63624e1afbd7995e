"""From `kubectl apply` through the job's life to its outcome, for both kinds."""

import pytest
from tests.e2e.support import Namespace, of_kind
from tests.e2e.support_stack import Emulator

from mljobs.api.resources import KINDS, Kind

both = pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)


@both
def test_smoke(namespace: Namespace, emulator: Emulator, kind: Kind) -> None:
    job = namespace.create(of_kind(kind, "census"))
    job.until_state("QUEUED")
    emulator.force(job.job_id, "PREPARING")
    job.until_state("PREPARING")
