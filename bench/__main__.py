"""Runs the measurements one after the other, each in a process of its own: `python -m bench [NAME ...]`."""

import subprocess
import sys

PARTS = ("burst", "emulator", "rules_cost", "scale", "vertex")
"""All measurements."""


def main() -> int:
    """Run the named measurements, or all; the exit code tells whether each was taken and met its goals."""
    chosen = sys.argv[1:] or PARTS
    unknown = sorted(set(chosen) - set(PARTS))
    if unknown:
        print(f"bench: there is no {unknown[0]!r}: choose from {', '.join(PARTS)}", file=sys.stderr)
        return 2
    failed = []
    for name in chosen:
        print(f"\n## {name}\n", flush=True)
        if subprocess.run([sys.executable, "-m", f"bench.{name}"], check=False).returncode:
            failed.append(name)
    if failed:
        print(f"bench: not measured, or a goal was missed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
