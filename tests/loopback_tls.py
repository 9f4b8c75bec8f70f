"""
A TLS certificate and key for loopback addresses.

They are worth nothing anywhere else.
"""

import ssl
from pathlib import Path

CERTIFICATE = """\
-----BEGIN CERTIFICATE-----
MIIBqDCCAU2gAwIBAgIUOkO2dkj0wMdv9AitFQYEUtGdJfAwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyODE1MjI1NVoYDzIxMjYxMTA0
MTUyMjU1WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAAQYntue7P/0W5JfVWS2SqhXuBG2Z/LENmu16bu9cIz39GeGEvPakX8l
1+yXV/hMByB1In+0JWYBUiHzRPhv1rPJo3sweTAdBgNVHQ4EFgQU5rO9ah6HCOxI
Y/7hb1Y7ElA+lZUwHwYDVR0jBBgwFoAU5rO9ah6HCOxIY/7hb1Y7ElA+lZUwDwYD
VR0TAQH/BAUwAwEB/zAmBgNVHREEHzAdgglsb2NhbGhvc3SCCm1vZGVsLnRlc3SH
BH8AAAEwCgYIKoZIzj0EAwIDSQAwRgIhANvK0iusazI10d6zkO7vm9m+Y3+pHHZ4
vNTh3zWzCHeaAiEAvAVyJXev8EZhOids8/Zre/RtwL6Alrrp9DnUzpU7S+Q=
-----END CERTIFICATE-----
"""

KEY = """\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgP+PFTosim9kit71c
6XYFapsYgdFT1wN+DUDqbInGNgKhRANCAAQYntue7P/0W5JfVWS2SqhXuBG2Z/LE
Nmu16bu9cIz39GeGEvPakX8l1+yXV/hMByB1In+0JWYBUiHzRPhv1rPJ
-----END PRIVATE KEY-----
"""


ENCRYPTED_KEY = """\
-----BEGIN ENCRYPTED PRIVATE KEY-----
MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAhqHBsBf8D5rAICCAAw
DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEDxUCQGKNORvbq7IYGcnALoEgZBb
Zgg8e9gBGXXM8BS4yQm2Vaz9KhLuyOwOVl/k09gfHCXgPIoL7sy8z6kPaZ/qWX4w
vrj2KusWOL7shRB++I5ZZ81aEn/6mzquoCya5iGXas8A/I74xz63/ZlJU33urNYj
gcy5OFuqqcAT1B/4RjtWF3772rsGBKlXSzdRaKIORiB7I1nwnerDWVK5Mf6dFiY=
-----END ENCRYPTED PRIVATE KEY-----
"""
KEY_PASSWORD = "loopback"


def server_context(directory: Path) -> ssl.SSLContext:
    """Make a server's TLS context with this certificate, which is written into *directory* as `cert.pem`."""
    (directory / "cert.pem").write_text(CERTIFICATE)
    (directory / "key.pem").write_text(KEY)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / "cert.pem", directory / "key.pem")
    return context
