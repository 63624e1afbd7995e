"""The page that says what an `ml` v1 spec becomes on Vertex AI, from the tables that the translation goes by.

Called by `tools.generate`.
"""

from collections.abc import Iterable, Iterator, Sequence

from mljobs.backends.vertex.tables import Machine, Tables, shipped
from mljobs.backends.vertex.translate.fields import FIELDS, Fate, Field

_INTRODUCTION = """# What a spec becomes on Vertex AI

Every field of `trainingInput` and `predictionInput` is *translated*, *reported* (a warning of `mljobs plan`,
and the condition `Translated`) or *refused* before any call. What stands in `spec.vertex` is laid over the
result: messages merge field by field; `machineSpec` is replaced whole where it names a machine type; lists
replace, but `workerPoolSpecs` merge by position, `env` by `name`, `nfsMounts` and `lustreMounts` by
`mountPoint`; a container's image and a Python package drop each other.

"""

_TABLES = """An administrator's tables are laid over these: an entry replaces the one of its name, null takes
it away.

"""

_OTHER_ROLES = ("worker", "parameterServer", "evaluator")


def page() -> str:
    """Fields, machines, tiers and images."""
    tables = shipped()
    parts = (
        _INTRODUCTION,
        "## Fields\n\n",
        "The fields of workers, parameter servers and evaluators go to pools 1, 2 and 3 as those of the "
        "master to pool 0.\n\n",
        _table(("field", "", "where it goes, or why not"), _fields()),
        "\n## Machines\n\n",
        _TABLES,
        _table(("legacy type", "on Vertex AI", "instead of"), _machines(tables)),
        "\n",
        _table(("machine of Compute Engine", "what runs in its place"), tables.machine_substitutes.items()),
        "\n",
        _table(("scale tier", "master", "workers", "parameter servers"), _tiers(tables)),
        "\n`cloud_tpu` and `BASIC_TPU` are refused: on Vertex AI a TPU is the job's only machine. An entry "
        "`cloud_tpu` in `machineTypes` allows them for all, a machine in `spec.vertex` for one job.\n",
        "\n## Images of Python packages\n\n",
        f"The framework is {tables.framework}, unless the administrator's tables say `framework: …`.\n\n",
        _table(
            ("framework", "runtime version", "Python", "for", "image", "support ends", "availability ends"),
            _images(tables),
        ),
        "\n## Images that serve models\n\n",
        "For a batch prediction with a `uri`; one for another runtime is refused, and `servingImages` of the "
        "administrator's tables or `spec.vertex.batchPredictionJob` can name it.\n\n",
        _table(
            ("framework", "runtime version", "image", "support ends", "availability ends"),
            _serving_images(tables),
        ),
    )
    return "".join(parts)


def _fields() -> Iterator[Sequence[str]]:
    for path, field in FIELDS.items():
        if not path.split(".")[1].startswith(_OTHER_ROLES):
            yield f"`{path}`", field.fate.value, _where(field)


def _where(field: Field) -> str:
    return f"`{field.text}`" if field.fate is Fate.TRANSLATED and " " not in field.text else field.text


def _machines(tables: Tables) -> Iterator[Sequence[str]]:
    for name, machine in tables.machine_types.items():
        yield f"`{name}`", *_became(tables, machine)


def _became(tables: Tables, machine: Machine) -> tuple[str, str]:
    kind, count = machine.accelerator_type or "", machine.accelerator_count or 0
    was = f"{count} {kind}" if kind else ""
    name = tables.machine_substitutes.get(machine.machine_type, machine.machine_type)
    substitute = tables.accelerator_substitutes.get(kind)
    if substitute:
        kind, count = substitute.type, substitute.counts[count]
    accelerators = f" + {count} {kind}" if kind else ""
    changed = [machine.machine_type] if name != machine.machine_type else []
    changed += [was] if substitute else []
    changed += ["(its size was not documented)"] if machine.assumed else []
    return name + accelerators, " + ".join(changed)


def _tiers(tables: Tables) -> Iterator[Sequence[str]]:
    for name, tier in tables.tiers.items():
        roles = (tier.of(role) for role in ("master", "worker", "parameterServer"))
        yield name, *(f"{role.count} × `{role.type}`" if role else "" for role in roles)


def _images(tables: Tables) -> Iterator[Sequence[str]]:
    for framework, runtimes in tables.training_images.items():
        for runtime, versions in runtimes.items():
            for python, images in versions.items():
                for hardware in ("cpu", "gpu", "tpu"):
                    image = images.on(hardware)
                    if image:
                        yield framework, runtime, python, hardware, f"`{image}`", *_days(tables, image)


def _serving_images(tables: Tables) -> Iterator[Sequence[str]]:
    for framework, runtimes in tables.serving_images.items():
        for runtime, image in runtimes.items():
            yield framework, runtime, f"`{image}`", *_days(tables, image)


def _days(tables: Tables, image: str) -> tuple[str, str]:
    known = tables.lifetime(image)
    days = (known.end_of_support, known.end_of_availability) if known else (None, None)
    return str(days[0] or ""), str(days[1] or "")


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)
