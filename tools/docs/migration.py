"""The page that shows what manifests of `ml` v1 become on Vertex AI, request beside request.

The requests are what `mljobs plan` prints for the samples. Called by `tools.generate`.
"""

from collections.abc import Iterator
from pathlib import Path

import typer
from typer.testing import CliRunner

from mljobs.admin.plan import plan

SAMPLES = Path("deploy/samples")

PAIRS = {
    "package": "A Python package",
    "gpu-container": "A container with accelerators",
    "distributed": "Workers and parameter servers",
    "tuning": "A search for hyperparameters",
    "prediction-uri": "A batch prediction with the files of a model",
}
"""The samples that are shown, by file name, and what each has."""

_INTRODUCTION = """# From ml v1 to Vertex AI

A manifest for `ml` v1 runs on Vertex AI as it is, unless something in it has no counterpart there. Each
section below shows the requests that one of the [samples](samples.md) makes on either service, as
this command
prints them, and every difference that is more than another name; [what a spec
becomes](reference/vertex.md) has all fields and tables.

```sh
mljobs plan -f MANIFEST --service MLv1 --service VertexAI
```

Lines with the same value face each other. Google's own migration notebooks, which asked both services for the
same training, are what the translation is tested against: their requests of `ml` v1 become their requests of
Vertex AI, but for the names of jobs and buckets, which have the day in them, and the images, whose old names
(`gcr.io/cloud-aiplatform/…`) Google has replaced.

What has no counterpart at all is refused before any call: `resumePreviousJobId`, `tpuTfVersion`, Python 2.7
and 3.5, a signature other than `serving_default`, and models, until the table of
[models](vertex-ai.md#the-tables) says where they are.
"""


def page() -> str:
    """All pairs."""
    return "".join([_INTRODUCTION, *(_section(name, title) for name, title in PAIRS.items())])


def _section(name: str, title: str) -> str:
    command = typer.Typer(pretty_exceptions_enable=False)
    command.command()(plan)
    options = ["--project=my-project", "--uid=11111111-2222-3333-4444-555555555555"]
    services = ["--service=MLv1", "--service=VertexAI"]
    done = CliRunner().invoke(command, [f"--filename={SAMPLES / name}.yaml", *services, *options])
    if done.exit_code:
        raise ValueError(f"{name}: {done.stdout}{done.stderr}")
    told = "".join(f"- {line}\n" for line in _told(done.stderr))
    heading = f"\n## {title}\n\n`{SAMPLES / name}.yaml`\n\n```text\n{done.stdout}```\n"
    return f"{heading}\n{told}" if told else heading


def _told(output: str) -> Iterator[str]:
    """What is lost or becomes something else: the field in front of each as code."""
    for line in output.splitlines():
        _, mark, rest = line.partition("warning: VertexAI: ")
        if mark:
            field, _, text = rest.partition(": ")
            yield f"`{field}`: {text}"
