"""A loopback port that stays ours from its choice to the server's start, and over the server's restarts."""

import socket
from pathlib import Path

LOOPBACK = "127.0.0.1"


class PortReservation:
    """Holds a TCP port on 127.0.0.1, bound and not listening, for a server that binds it with SO_REUSEPORT.

    While it is held, the system does not assign the port to anybody else, so that two runs at once
    cannot meet; a connection to it is refused until the server listens.

    Args:
        wanted: a port to take if nobody has it; 0 or a taken one: any free port.

    Attributes:
        port: the port.
    """

    def __init__(self, wanted: int = 0) -> None:
        if wanted and not is_free(wanted):
            wanted = 0
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if wanted:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind((LOOPBACK, wanted))
        self.port: int = self._socket.getsockname()[1]

    def release(self) -> None:
        """Give the port back."""
        self._socket.close()


def is_free(port: int) -> bool:
    """Whether nobody has a port."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # old connections do no harm
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def remembered_port(file: Path) -> int:
    """The port that a file keeps from an earlier run, if it is free; else 0."""
    try:
        port = int(file.read_text("utf-8"))
    except (OSError, ValueError):
        return 0
    return port if 0 < port < 65536 and is_free(port) else 0
