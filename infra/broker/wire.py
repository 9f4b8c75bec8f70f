"""A readiness probe in Kafka's wire protocol, without a client."""

import socket
import struct

_METADATA = 3
_VERSION = 1
"""Metadata version 1: the oldest with an empty list for no topics; Kafka 4 still answers it."""


def brokers(port: int, timeout_s: float) -> int:
    """
    Count the brokers that the one on this port knows, itself included once it takes requests.

    Raises:
        OSError: Nothing listens there, or it does not answer like Kafka in time.
    """
    request = struct.pack(">hhihi", _METADATA, _VERSION, 0, -1, 0)
    with socket.create_connection(("127.0.0.1", port), timeout_s) as connection:
        connection.sendall(struct.pack(">i", len(request)) + request)
        # Size, correlation id, number of brokers; the rest is not needed.
        reply = connection.recv(12, socket.MSG_WAITALL)
    if len(reply) < 12:
        raise ConnectionError("closed before the answer was complete")
    _, correlation, count = struct.unpack(">iii", reply)
    if correlation or not 0 <= count < 1_000:
        raise ConnectionError("no answer of a Kafka broker")
    return int(count)


def is_ready(port: int, timeout_s: float = 1) -> bool:
    """Whether a broker on this port answers and has registered itself, so that clients find it."""
    try:
        return brokers(port, timeout_s) > 0
    except OSError:
        return False
