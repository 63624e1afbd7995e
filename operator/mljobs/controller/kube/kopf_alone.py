"""kopf, imported without the official client of Kubernetes.

kopf imports that client only to recognize its objects, which the operator has none of. It takes 11 MB of
memory, and a third of a second of CPU at each start.
"""

import sys

_WITHOUT = "kubernetes"

_absent = _WITHOUT not in sys.modules
if _absent:
    sys.modules[_WITHOUT] = None  # type: ignore[assignment]  # an import of it fails, as kopf allows for
try:
    import kopf as kopf
finally:
    if _absent:
        del sys.modules[_WITHOUT]
