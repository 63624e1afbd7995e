"""Runs the measurements one after the other, each in a process of its own: `python -m bench [NAME ...]`."""

import subprocess
import sys
from pathlib import Path


def parts() -> list[str]:
    """The names of all measurements."""
    return sorted(file.stem for file in Path(__file__).parent.glob("*.py") if not file.stem.startswith("_"))


def main() -> int:
    """Run the named measurements, or all; the exit code tells whether each could be taken."""
    chosen = sys.argv[1:] or parts()
    unknown = sorted(set(chosen) - set(parts()))
    if unknown:
        print(f"bench: there is no {unknown[0]!r}: choose from {', '.join(parts())}", file=sys.stderr)
        return 2
    failed = []
    for name in chosen:
        print(f"\n## {name}\n", flush=True)
        if subprocess.run([sys.executable, "-m", f"bench.{name}"], check=False).returncode:
            failed.append(name)
    if failed:
        print(f"bench: not measured: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
