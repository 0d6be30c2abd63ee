"""Tiny proxies on the loopback: SOCKS5, SOCKS4(a) and HTTP CONNECT, told apart by the first byte."""

from __future__ import annotations

import socket
import struct
import threading

from tests.support.echo import receive
from tests.support.sshd import ADDRESS


class ProxyServer:
    """Leads every connection to `target`, a port of the loopback; `requests` says what was asked for and how."""

    def __init__(self, target: int, address: str = ADDRESS) -> None:
        self._target = target
        self._listener = socket.create_server((address, 0))
        self.port: int = self._listener.getsockname()[1]
        self.requests: list[tuple[str, str, int]] = []
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Answer no more."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _serve(self) -> None:
        while True:
            try:
                connection, _address = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection:
            try:
                first = receive(connection, 1)
                if first == b"\x05":
                    self._socks5(connection)
                elif first == b"\x04":
                    self._socks4(connection)
                elif first:
                    self._http(connection, first)
            except OSError:
                pass

    def _socks5(self, connection: socket.socket) -> None:
        receive(connection, receive(connection, 1)[0])
        connection.sendall(b"\x05\x00")
        kind = receive(connection, 4)[3]
        host = (
            socket.inet_ntoa(receive(connection, 4))
            if kind == 1
            else receive(connection, receive(connection, 1)[0]).decode()
        )
        self.requests.append(("socks5", host, struct.unpack("!H", receive(connection, 2))[0]))
        connection.sendall(b"\x05\x00\x00\x01" + bytes(6))
        self._lead(connection)

    def _socks4(self, connection: socket.socket) -> None:
        _command, port = struct.unpack("!BH", receive(connection, 3))
        host = socket.inet_ntoa(receive(connection, 4))
        self._text(connection)
        if host.startswith("0.0.0."):
            host = self._text(connection)
        self.requests.append(("socks4", host, port))
        connection.sendall(b"\x00\x5a" + bytes(6))
        self._lead(connection)

    @staticmethod
    def _text(connection: socket.socket) -> str:
        text = b""
        while (byte := receive(connection, 1)) not in (b"\0", b""):
            text += byte
        return text.decode()

    def _http(self, connection: socket.socket, first: bytes) -> None:
        head = first
        while not head.endswith(b"\r\n\r\n"):
            byte = receive(connection, 1)
            if not byte:
                return
            head += byte
        method, where = head.decode().split()[:2]
        host, _colon, port = where.rpartition(":")
        self.requests.append((method, host, int(port)))
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        self._lead(connection)

    def _lead(self, connection: socket.socket) -> None:
        with socket.create_connection((ADDRESS, self._target)) as onward:
            back = threading.Thread(target=_copy, args=(onward, connection), daemon=True)
            back.start()
            _copy(connection, onward)
            back.join()


def _copy(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass
