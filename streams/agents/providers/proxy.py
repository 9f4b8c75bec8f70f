"""Proxy settings from the environment, by target host."""

import urllib.parse
import urllib.request
from functools import lru_cache
from typing import NamedTuple

from streams.errors import OperatorError


class Target(NamedTuple):
    """Scheme and host of a request, which select its proxy."""

    scheme: str
    host: str


def target_of(address: str) -> Target | None:
    """Parse an address; None if it is invalid, for example if its port is not a number."""
    try:
        parts = urllib.parse.urlsplit(address)
        return Target(parts.scheme, parts.hostname) if parts.hostname and parts.port != 0 else None
    except ValueError:
        return None


@lru_cache(256)
def proxy_for(target: Target) -> str | None:
    """
    Give the proxy that the environment names for a host.

    Raises:
        OperatorError: The proxy is no HTTP proxy, or its address is invalid. The message does not quote the address,
            which may hold a password.
    """
    scheme, host = target
    proxies = urllib.request.getproxies()
    proxy = proxies.get(scheme) or proxies.get("all")
    if not proxy or urllib.request.proxy_bypass(host):
        return None
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    usable = target_of(proxy)
    if usable is None or usable.scheme not in ("http", "https"):
        raise OperatorError(
            f"the environment sends calls to {host} through a proxy that is no http:// or https:// address",
            remedy=f"Correct {scheme}_proxy or all_proxy, or name the host in no_proxy",
        )
    return proxy
