"""Shows what has changed in the outcomes of cases, or writes them again for review.

Run it as `python -m tests.unit.domain.cases [--write] [NAME ...]`; a name is a folder or a case.
"""

import argparse
import sys
from collections.abc import Sequence

from tests.unit.domain.cases.following import difference, following, text
from tests.unit.domain.cases.reading import case, names


def main(arguments: Sequence[str]) -> int:
    """Compare or write; 1 where something differs and was not written."""
    parser = argparse.ArgumentParser(prog="python -m tests.unit.domain.cases", description=__doc__)
    parser.add_argument("--write", action="store_true", help="write what follows into the files")
    parser.add_argument("names", nargs="*", metavar="NAME", help="of a case or of a folder; all by default")
    wanted = parser.parse_args(arguments)
    differing = 0
    for name in names():
        if wanted.names and not any(f"{name}/".startswith(f"{one.rstrip('/')}/") for one in wanted.names):
            continue
        one = case(name)
        changed = difference(one)
        if changed:
            differing += 1
            sys.stdout.write(changed)
            if wanted.write:
                one.answer.write_text(text(one.rule, following(one)), "utf-8")
    sys.stdout.write(f"{differing} outcomes {'were written' if wanted.write else 'differ'}\n")
    return 1 if differing and not wanted.write else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
