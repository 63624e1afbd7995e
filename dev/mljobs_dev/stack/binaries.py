"""Which binaries a development stack needs, and which kubectl its user is shown."""

import os
import shutil
from pathlib import Path

from mljobs_dev.controlplane.binaries import ASSETS_VARIABLE, missing
from mljobs_dev.controlplane.command import ensure_with_progress

KUBECTL = "kubectl"


def provide() -> Path:
    """Provide the control plane's binaries, and kubectl if there is none on the path.

    A folder that the user names in KUBEBUILDER_ASSETS is enough without kubectl.

    Returns:
        The folder with the binaries.

    Raises:
        BinariesError: they can be neither found nor made; the message says what to do.
    """
    assets = os.environ.get(ASSETS_VARIABLE)
    wanted = shutil.which(KUBECTL) is None and not (assets and missing(Path(assets), [KUBECTL]))
    return ensure_with_progress([KUBECTL] if wanted else [])


def kubectl(binaries: Path) -> Path | None:
    """The user's kubectl, else the one among the binaries; None if there is neither."""
    found = shutil.which(KUBECTL)
    if found:
        return Path(found)
    return None if missing(binaries, [KUBECTL]) else binaries / KUBECTL
