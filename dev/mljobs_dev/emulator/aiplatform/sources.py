"""Where each behaviour of the emulated service is known from.

Sources: D the discovery document, revision 20261106; O Google's documentation; R recorded traffic, of which
the tests replay extracts; M Google's migration notebooks; G gcloud 528 and what it sends; I public issue
threads; ? no public source: a choice of ours, which the documentation lists.
"""

from collections.abc import Mapping

from mljobs_dev.emulator.aiplatform.kinds import KINDS

_CREATE = {
    "answers PENDING, without startTime": "R, all three kinds",
    "gives an id of digits": "R, all three kinds",
    "makes another job of the same request": "D: no request id, no id of the client's",
    "fills in defaults, leaves proto defaults out": "R, custom and batch",
    "has the project's number in the name": "M, five notebooks; R shows ids",
    "ignores output-only fields": "D, readOnly",
}
_GET = {
    "404 without details": "R, custom; the same form for the others",
    "startTime from QUEUED on, which moves to a whole second": "R, custom and tuning; O, example of a get",
    "updateTime goes on changing after endTime": "R, failed batch jobs",
    "error 1 CANCELED": "R, all three kinds",
}
_LIST = {
    "an empty list is {}": "R, batch",
    "the last updated job first": "R, batch: 14 jobs whose createTime is in another order",
    "a new job is there within a second": "R, all three kinds; listLag changes it",
    "filter": "D, list.filter",
    "readMask": "D; which spellings it takes: ?",
    "size of pages": "?",
}
_CANCEL = {
    "answers {}": "R, all three kinds",
    "a finished job: 200 without effect": "?",
    "takes effect after a moment": "R: still QUEUED or RUNNING up to 2 s later",
    "a name in its body is unknown": "D, CancelCustomJobRequest has no fields",
}
_DELETE = {
    "answers an operation that is done": "R, all three kinds",
    "not before the end": "D for batch; ? for the others",
}
_BATCH = {
    "PENDING, then RUNNING within a second": "R, two recordings",
    "outputInfo, and completionStats of a failure": "R, list of 14 jobs",
    "completionStats and resourcesConsumed of a success": "D",
    "modelVersionId": "R for the first version; D for one that the model names",
    "the clock of the output directory is 8 h behind": "R, five directories",
}
_TRIALS = {
    "a custom job for each trial": "D, Trial.customJob",
    "display name and labels of these jobs": "?",
    "output directory below the tuning job's, by the trial's id": "D, CustomJobSpec.baseOutputDirectory",
    "trials in an order of neither ids nor values": "O, example of a get",
    "startTime with nine digits, endTime with none": "O, example of a get",
    "list has no trials": "D; R, list of a tuning job",
}
_VERBS = {"create": _CREATE, "get": _GET, "list": _LIST, "cancel": _CANCEL, "delete": _DELETE}

METHODS: Mapping[str, Mapping[str, str]] = {
    kind.method(verb): {
        **behaviours,
        **(_BATCH if kind.collection == "batchPredictionJobs" and verb == "get" else {}),
        **(_TRIALS if kind.collection == "hyperparameterTuningJobs" and verb == "get" else {}),
    }
    for kind in KINDS.values()
    for verb, behaviours in _VERBS.items()
}
"""What each method does, and where that is known from."""

RULES: Mapping[str, str] = {
    "capacity.needs": "O, names of quotas; I, a refusal that names one",
    "capacity.holds": "O: a training quota counts jobs at work",
    "capacity.room_since": "O: a job stays queued until there is quota",
    "defaults.with_defaults": "R, diskSpec and manualBatchTuningParameters; D, DiskSpec; ? for replicaCount",
    "errors.code_of": "R for 3 and 9 of batch jobs; I for 8, and for 3 of a replica; ? for the others",
    "errors.found_errors": "I, six threads",
    "errors.found_error": "I, six threads",
    "errors.not_found": "R, custom",
    "errors.permission_denied": "I, of another collection",
    "errors.no_capacity": "I, two threads",
    "errors.rate_limited": "O, the general form; ? for the metrics' names",
    "errors.wrong_bucket_region": "I, python-aiplatform 885, cut off after `servic`; ? for the rest",
    "errors.still_active": "D for batch; ? for the text",
    "lifecycle.default_pace": "R for everything up to the start and for cancels; ? for how long jobs run",
    "lifecycle.plan": "R: PENDING, QUEUED, PENDING; O for what follows",
    "lifecycle.replan": "?",
    "lifecycle.cancel": "R, four cancels; D: a job may end by itself before",
    "lifecycle.force": "?",
    "listing.page_of": "R, batch: the order",
    "listing.page_size": "?",
    "listing.job_filter": "D, list.filter",
    "listing.read_mask": "D, list.readMask",
    "listing.masked": "D, list.readMask",
    "log_entries.job_entries": "G, filters of stream-logs; I, addresses in error texts; ? for batch jobs",
    "machines.is_tpu": "O, compute resources",
    "machines.machine_problems": "O, compute resources; I, the text about accelerators",
    "study.check_study": "D, StudySpec and below",
    "tuning.make_trials": "D, Trial and Measurement",
    "tuning.scripted": "?",
    "tuning.scripted_trials": "?",
    "validation.check_job": "I, six threads",
    "validation.storage_uris": "I, python-aiplatform 885",
    "validation.name_and_labels": "D, CustomJob.displayName; I, the text about labels",
    "validation.required_fields": "D, descriptions that begin with Required",
    "validation.pools": "D, CustomJobSpec.workerPoolSpecs; O, distributed training",
    "validation.machines": "O, TPU training",
    "validation.disks": "D, DiskSpec; O, sizes",
    "validation.programs": "D, PythonPackageSpec; O, quotas",
    "validation.environment": "D, EnvVar; I, the text about unique names",
    "validation.mounts": "D, NfsMount and LustreMount",
    "validation.scheduling": "O, spot and flexible start",
    "validation.places": "D, CustomJobSpec.network and DnsPeeringConfig.domain",
    "validation.trial_counts": "D, HyperparameterTuningJob",
    "validation.sources": "D, BatchPredictionJob; G for the formats",
    "validation.batch_machines": "D, BatchDedicatedResources; I, the text about accelerators",
    "validation.model": "D, BatchPredictionJob.model",
    "options.list_lag": "?",
    "options.shuffle_lists": "?",
    "options.project_numbers": "M for numbers; R for ids",
    "options.trial_labels": "?",
    "face.refuse": "I, two threads",
    "face.queue": "O, understanding the training service",
    "face.fail": "I: error 8 of a failed job",
}
"""Where rules, texts, durations and options are known from."""
