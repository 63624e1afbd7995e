"""Cases of the rules that keep a spec small enough to be stored with its status."""

from tests.unit.domain.rule_case import CATEGORICAL, DISCRETE, image, job, predict, tune

CHARACTERS = 256 * 1024
LINE = ["x" * 32768] * 4  # half of what all command lines may have
ESCAPED = "<" * 32768
"""Takes six bytes a character as it is stored."""


def binding(size: int, text: str = "m") -> dict[str, object]:
    return {"role": "roles/viewer", "members": [f"user:{text * 500}{number}" for number in range(size)]}


SIZE_CASES = [
    *image(
        "command-lines-size",
        [
            {"args": [*LINE, *LINE, "x"]},
            {
                "masterConfig": {"containerArgs": LINE, "containerCommand": ["x"]},
                "workerConfig": {"imageUri": "gcr.io/p/w:1", "containerArgs": LINE},
                "scaleTier": "CUSTOM",
                "masterType": "n1-standard-4",
                "workerType": "n1-standard-4",
                "workerCount": "1",
            },
        ],
        [{"args": [*LINE, *LINE]}, {"args": []}, {"masterConfig": {"containerArgs": LINE}}],
    ),
    *tune(
        "categorical-values-size",
        [
            {
                "params": [
                    {**CATEGORICAL, "parameterName": name, "categoricalValues": ["x" * 1000] * 33}
                    for name in ("a", "b")
                ]
            }
        ],
        [{"params": [{**CATEGORICAL, "categoricalValues": ["x" * 1024] * 64}]}],
    ),
    *tune(
        "categorical-values-count",
        [
            {
                "params": [
                    {**CATEGORICAL, "parameterName": f"p{n}", "categoricalValues": ["x"] * (1000 if n else 1)}
                    for n in range(5)
                ]
            }
        ],
        [
            {
                "params": [
                    {**CATEGORICAL, "parameterName": f"p{n}", "categoricalValues": ["x"] * 1000}
                    for n in range(4)
                ]
            }
        ],
    ),
    *tune(
        "discrete-values-size",
        [
            {
                "params": [
                    {**DISCRETE, "parameterName": f"p{n}", "discreteValues": list(range(1000 if n else 1))}
                    for n in range(5)
                ]
            }
        ],
        [
            {
                "params": [
                    {**DISCRETE, "parameterName": f"p{n}", "discreteValues": list(range(1000))}
                    for n in range(4)
                ]
            }
        ],
    ),
    *predict(
        "input-paths-size",
        [{"inputPaths": ["gs://b/" + "o" * 1017] * 257}],
        [{"inputPaths": ["gs://b/" + "o" * 1017] * 256}],
    ),
    *job(
        "iam-bindings-size",
        [
            {"iamBindings": [binding(17)]},
            {"iamBindings": [{**binding(9), "condition": {"expression": "x" * 4000}}]},
        ],
        [{"iamBindings": [binding(15)]}, {"iamBindings": [binding(1)] * 14}],
    ),
    *job(
        "iam-bindings-stored-size",
        [{"iamBindings": [{**binding(1), "condition": {"expression": "<" * 2500}}]}],
        [{"iamBindings": [{**binding(1), "condition": {"expression": "<" * 1500}}]}],
    ),
    *image("spec-stored-size", [{"args": [ESCAPED] * 6}], [{"args": [ESCAPED] * 5}]),
]
