"""Address of a listening socket."""

import ipaddress
from typing import NamedTuple

from streams.errors import UsageError


class Address(NamedTuple):
    """Where to listen."""

    host: str
    port: int
    """0: any free one."""

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine reaches it."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(text: str) -> Address:
    """
    Parse HOST:PORT; an IPv6 address stands in brackets.

    Raises:
        UsageError: It is none.
    """
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]") if host.startswith("[") else host
    if not colon or not host or not (port.isascii() and port.isdigit() and int(port) < 65_536):
        raise UsageError(
            f"{text!r} is no address to listen on", remedy="Write HOST:PORT, such as 127.0.0.1:9464 or [::1]:9464"
        )
    return Address(host, int(port))
