#!/bin/sh
# uvloop 0.23.0: call_later and call_at give no TimerHandle for a call that is due at once.
#
# asyncio documents that both return a TimerHandle, whatever the delay, and that its `when()` tells the time. On
# uvloop a delay that rounds to no millisecond, or a time that has passed, is a call_soon: what comes back is a
# Handle, which has no `when`. A program that keeps its timers, and compares a new one with the one that it has,
# works until two short delays of the same thing meet, and then ends with AttributeError.
#
# The script asks both loops for the same calls. It exits with 0 while uvloop does so, and with 1 once it does not.
# What it needs is installed into a folder that it removes, from wherever pip is configured to look.
#
# Seen on 2026-11-30:
#   asyncio: call_later(0) TimerHandle, call_later(0.0004) TimerHandle, call_at(past) TimerHandle, call_later(1) TimerHandle
#   uvloop 0.23.0: call_later(0) Handle, call_later(0.0004) Handle, call_at(past) Handle, call_later(1) TimerHandle
#   with when(): asyncio 4 of 4, uvloop 1 of 4
#   as described
set -eu

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check uvloop==0.23.0

"$work/venv/bin/python" - <<'PYTHON'
import asyncio
import sys
from importlib.metadata import version

import uvloop


async def kinds():
    loop = asyncio.get_running_loop()
    made = {
        "call_later(0)": loop.call_later(0, print),
        "call_later(0.0004)": loop.call_later(0.0004, print),
        "call_at(past)": loop.call_at(loop.time() - 1, print),
        "call_later(1)": loop.call_later(1, print),
    }
    for handle in made.values():
        handle.cancel()
    return {call: (type(handle).__name__, hasattr(handle, "when")) for call, handle in made.items()}


seen = {"asyncio": asyncio.run(kinds()), f"uvloop {version('uvloop')}": uvloop.run(kinds())}
for loop, found in seen.items():
    print(f"{loop}: " + ", ".join(f"{call} {name}" for call, (name, _) in found.items()))
told = [sum(when for _, when in found.values()) for found in seen.values()]
print(f"with when(): asyncio {told[0]} of 4, uvloop {told[1]} of 4")
as_described = told == [4, 1]
print("as described" if as_described else "changed")
sys.exit(0 if as_described else 1)
PYTHON
