"""Lines of a training input as people write them, and what becomes of each.

One table for all that read them: `mljobs plan` of a manifest and of a config file, the API server behind the
real kubectl, and the real gcloud.
"""

from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True)
class Refused:
    """A snippet that is not taken: the path of the problem that `mljobs plan` tells, below the input."""

    path: str = ""


Verdict = Json | Refused
"""The fields of the request that a snippet makes, or that it is refused."""


@dataclass(frozen=True)
class Snippet:
    """Some fields of a training input.

    Attributes:
        text: the fields, as a part of an object in flow style.
        manifest: what `mljobs plan` makes of them in a manifest.
        config: what it makes of them in gcloud's config file; as in a manifest where left out.
        applied: what kubectl and the API server make of them, where that differs from `manifest`.
        gcloud: what gcloud makes of them, where that differs from `config`.
    """

    text: str
    manifest: Verdict
    config: Verdict | None = None
    applied: Verdict | None = None
    gcloud: Verdict | None = None

    def __str__(self) -> str:
        return self.text

    @property
    def in_config(self) -> Verdict:
        return self.manifest if self.config is None else self.config

    @property
    def by_kubectl(self) -> Verdict:
        return self.manifest if self.applied is None else self.applied

    @property
    def by_gcloud(self) -> Verdict:
        return self.in_config if self.gcloud is None else self.gcloud


MACHINES = "scaleTier: CUSTOM, masterType: n1-standard-4, workerType: n1-standard-4"
CUSTOM: Json = {"scaleTier": "CUSTOM", "masterType": "n1-standard-4", "workerType": "n1-standard-4"}
ARGUMENT = Refused("args[0]")
PRIORITY = Refused("scheduling.priority")
COUNT = Refused("workerCount")
NOTHING: Json = {}


def workers(count: str) -> Json:
    return {**CUSTOM, "workerCount": count}


def priority(number: int) -> Json:
    return {"scheduling": {"priority": number}}


def search(parameter: Json, **fields: Any) -> Json:
    return {"hyperparameters": {**fields, "params": [parameter]}}


def argument(text: str) -> Json:
    return {"args": [text]}


def tuned(fields: str) -> str:
    return f"hyperparameters: {{params: [{{parameterName: a, type: DOUBLE, {fields}}}]}}"


def bounds(low: float, high: float) -> Json:
    return search({"parameterName": "a", "type": "DOUBLE", "minValue": low, "maxValue": high})


TEXTS = [
    Snippet("args: [y]", ARGUMENT),
    Snippet("args: [N]", ARGUMENT),
    Snippet("args: [yes]", ARGUMENT),
    Snippet("args: [Off]", ARGUMENT),
    Snippet("args: [true]", ARGUMENT),
    Snippet("args: [yEs]", argument("yEs")),
    Snippet("args: ['y']", argument("y")),
    Snippet("args: [~]", ARGUMENT),
    Snippet("args: [null]", ARGUMENT),
    Snippet("args: ['']", argument("")),
    Snippet("args: [5]", ARGUMENT),
    Snippet("args: ['5']", argument("5")),
    Snippet("args: [!!str 5]", argument("5")),
    Snippet("args: [1e3]", ARGUMENT),
    Snippet("args: [1.5]", ARGUMENT),
    Snippet("args: [1_000]", ARGUMENT),
    Snippet("args: [0x1F]", ARGUMENT),
    Snippet("args: [0o17]", ARGUMENT, config=argument("0o17")),
    Snippet("args: [08]", ARGUMENT, config=argument("08")),
    Snippet("args: [1:30]", argument("1:30"), config=ARGUMENT),
    Snippet("args: [2019-01-01]", argument("2019-01-01"), config=ARGUMENT),
    Snippet("args: [=]", argument("="), config=Refused()),
    Snippet("args: [.inf]", Refused(), config=ARGUMENT),
    Snippet("args: [1e400]", argument("1e400"), config=ARGUMENT),
    Snippet("args: ['caf\u00e9 \U0001f600']", argument("caf\u00e9 \U0001f600")),
    Snippet('args: ["\\U0001F600"]', argument("\U0001f600")),
    Snippet('args: ["\\uD83D\\uDE00"]', Refused(), config=argument("\U0001f600")),
    Snippet("args: [&a x, *a]", {"args": ["x", "x"]}),
    Snippet("args: --x", Refused("args"), config=argument("--x")),
    Snippet("runtimeVersion: 1.15", Refused("runtimeVersion")),
    Snippet("args: [x], packageUris: []", argument("x")),
]

NUMBERS = [
    Snippet("scheduling: {priority: 5}", priority(5)),
    Snippet("scheduling: {priority: '5'}", PRIORITY, config=priority(5)),
    Snippet("scheduling: {priority: 1:30}", PRIORITY, config=priority(90)),
    Snippet("scheduling: {priority: 1e1}", priority(10), gcloud=PRIORITY),
    Snippet("scheduling: {priority: 5.0}", priority(5), gcloud=PRIORITY),
    Snippet("scheduling: {priority: 010}", priority(8)),
    Snippet("scheduling: {priority: 0b101}", priority(5)),
    Snippet("scheduling: {priority: +5}", priority(5)),
    Snippet("scheduling: {priority: 0.5}", PRIORITY),
    Snippet("scheduling: {priority: true}", PRIORITY),
    Snippet(f"{MACHINES}, workerCount: 3", workers("3")),
    Snippet(f"{MACHINES}, workerCount: '3'", workers("3")),
    Snippet(f"{MACHINES}, workerCount: 3.0", workers("3"), gcloud=COUNT),
    Snippet(f"{MACHINES}, workerCount: '3.0'", COUNT, config=workers("3"), gcloud=COUNT),
    Snippet(f"{MACHINES}, workerCount: 9007199254740993", workers("9007199254740993")),
    Snippet(
        f"{MACHINES}, workerCount: 9007199254740993.0",
        workers("9007199254740992"),
        config=COUNT,
        gcloud=COUNT,
    ),
    Snippet(f"{MACHINES}, workerCount: 9223372036854775808", COUNT),
    Snippet(tuned("minValue: 1e-3, maxValue: .5"), bounds(0.001, 0.5)),
    Snippet(
        tuned("minValue: '0.5', maxValue: 1"),
        Refused("hyperparameters.params[0].minValue"),
        config=bounds(0.5, 1),
    ),
]

NAMES = [
    Snippet("scale_tier: STANDARD_1", Refused("scale_tier"), config={"scaleTier": "STANDARD_1"}),
    Snippet("scaleTier: standard_1", Refused("scaleTier"), config={"scaleTier": "STANDARD_1"}),
    Snippet(
        "scaleTier: standard-1",
        Refused("scaleTier"),
        config={"scaleTier": "STANDARD_1"},
        gcloud=Refused("scaleTier"),
    ),
    Snippet("wrokerCount: 1", Refused("wrokerCount")),
    Snippet("jobDir: ~", NOTHING),
    Snippet("scheduling: {priority: null}", NOTHING),
    Snippet("hyperparameters: {enableTrialEarlyStopping: yes}", Refused("hyperparameters.params")),
    Snippet(
        "hyperparameters: {enableTrialEarlyStopping: on, params: [{parameterName: n, type: CATEGORICAL, "
        "categoricalValues: [a]}]}",
        Refused("hyperparameters.params[0].parameterName"),
    ),
    Snippet(
        "hyperparameters: {enableTrialEarlyStopping: 'true', resumePreviousJobId: a}",
        Refused("hyperparameters.enableTrialEarlyStopping"),
        config={"hyperparameters": {"enableTrialEarlyStopping": True, "resumePreviousJobId": "a"}},
        gcloud=Refused("hyperparameters.enableTrialEarlyStopping"),
    ),
    Snippet(
        "hyperparameters: {enableTrialEarlyStopping: Yes, resumePreviousJobId: a}",
        {"hyperparameters": {"enableTrialEarlyStopping": True, "resumePreviousJobId": "a"}},
    ),
]

TWICE = [
    Snippet(
        "jobDir: gs://a/b, jobDir: gs://c/d",
        Refused("jobDir"),
        config={"jobDir": "gs://a/b"},
        applied={"jobDir": "gs://c/d"},
    ),
    Snippet("<<: {jobDir: gs://a/b}, jobDir: gs://c/d", {"jobDir": "gs://c/d"}),
    Snippet(
        "jobDir: gs://c/d, <<: {jobDir: gs://a/b}", {"jobDir": "gs://a/b"}, config={"jobDir": "gs://c/d"}
    ),
    Snippet("<<: [{jobDir: gs://a/b}, {jobDir: gs://c/d}]", {"jobDir": "gs://a/b"}),
]

SNIPPETS = [*TEXTS, *NUMBERS, *NAMES, *TWICE]
