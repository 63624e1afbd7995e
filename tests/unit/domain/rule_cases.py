"""One table of specs that keep or break each rule; it drives core, plan and API server alike."""

from tests.unit.domain.job_cases import JOB_CASES, PREDICTION_CASES, PROGRAM_CASES
from tests.unit.domain.machine_cases import MACHINE_CASES, ROLE_CASES
from tests.unit.domain.rule_case import Case
from tests.unit.domain.size_cases import SIZE_CASES
from tests.unit.domain.tuning_cases import TUNING_CASES
from tests.unit.domain.vertex_batch_cases import VERTEX_BATCH_CASES
from tests.unit.domain.vertex_job_cases import VERTEX_JOB_CASES
from tests.unit.domain.vertex_size_cases import VERTEX_SIZE_CASES
from tests.unit.domain.vertex_study_cases import VERTEX_STUDY_CASES
from tests.unit.domain.vertex_whole_cases import VERTEX_WHOLE_CASES

CASES: list[Case] = [
    *JOB_CASES,
    *PROGRAM_CASES,
    *MACHINE_CASES,
    *ROLE_CASES,
    *TUNING_CASES,
    *PREDICTION_CASES,
    *SIZE_CASES,
    *VERTEX_WHOLE_CASES,
    *VERTEX_JOB_CASES,
    *VERTEX_STUDY_CASES,
    *VERTEX_BATCH_CASES,
    *VERTEX_SIZE_CASES,
]
"""All cases."""
