"""A reserved port: nobody else gets it, its server does, and it is given back."""

import socket
from collections.abc import Iterator

import pytest

from mljobs_dev.controlplane.ports import LOOPBACK, PortReservation


@pytest.fixture
def reserved() -> Iterator[PortReservation]:
    reservation = PortReservation()
    yield reservation
    reservation.release()


def test_many_reservations_have_different_ports() -> None:
    reservations = [PortReservation() for _ in range(200)]
    try:
        assert len({reservation.port for reservation in reservations}) == 200
    finally:
        for reservation in reservations:
            reservation.release()


def test_a_connection_is_refused_until_the_server_listens_and_then_reaches_it(
    reserved: PortReservation,
) -> None:
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((LOOPBACK, reserved.port), timeout=5)
    for _ in range(2):  # a server that comes back finds its port, too
        with socket.socket() as server:
            server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            server.bind((LOOPBACK, reserved.port))
            server.listen()
            for _ in range(20):
                with socket.create_connection((LOOPBACK, reserved.port), timeout=5):
                    server.accept()[0].close()


def test_nobody_else_can_bind_it(reserved: PortReservation) -> None:
    with socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind((LOOPBACK, reserved.port))


def test_a_wanted_port_is_taken_if_it_is_free(reserved: PortReservation) -> None:
    port = reserved.port
    taken = PortReservation(port)
    assert taken.port != port
    taken.release()
    reserved.release()
    again = PortReservation(port)
    assert again.port == port
    again.release()


def test_a_port_on_which_somebody_listens_is_not_taken() -> None:
    with socket.create_server((LOOPBACK, 0)) as server:
        reservation = PortReservation(server.getsockname()[1])
        assert reservation.port != server.getsockname()[1]
        reservation.release()
