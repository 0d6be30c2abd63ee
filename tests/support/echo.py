"""A server on the loopback that sends back what it gets, and ways to talk to it."""

from __future__ import annotations

import socket
import struct
import threading

from tests.support.sshd import ADDRESS

_PATIENCE = 10.0


class EchoServer:
    """Answers every connection until it is closed; `connections` counts them."""

    def __init__(self, address: str = ADDRESS) -> None:
        self._listener = socket.create_server((address, 0))
        self.port: int = self._listener.getsockname()[1]
        self.connections = 0
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _address = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    @staticmethod
    def _answer(connection: socket.socket) -> None:
        with connection:
            try:
                while data := connection.recv(65536):
                    connection.sendall(data)
            except OSError:
                pass

    def close(self) -> None:
        """Answer no more."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()


def connect(port: int) -> socket.socket:
    """Connect to a port of the loopback."""
    return socket.create_connection((ADDRESS, port), timeout=_PATIENCE)


def echoes(port: int) -> bool:
    """Tell whether an echo server answers at a port."""
    try:
        with connect(port) as connection:
            return says_back(connection)
    except OSError:
        return False


def says_back(connection: socket.socket) -> bool:
    """Tell whether an echo server is at the other end."""
    connection.sendall(b"marco")
    return receive(connection, 5) == b"marco"


def receive(connection: socket.socket, count: int) -> bytes:
    """Return so many bytes, or fewer at the end."""
    received = b""
    while len(received) < count:
        part = connection.recv(count - len(received))
        if not part:
            break
        received += part
    return received


def connect_through_socks(proxy: int, port: int) -> socket.socket:
    """Connect to a port of the loopback through a SOCKS5 proxy at another."""
    connection = connect(proxy)
    connection.sendall(b"\x05\x01\x00")
    assert receive(connection, 2) == b"\x05\x00"
    connection.sendall(b"\x05\x01\x00\x01" + socket.inet_aton(ADDRESS) + struct.pack("!H", port))
    assert receive(connection, 10)[:2] == b"\x05\x00"
    return connection
