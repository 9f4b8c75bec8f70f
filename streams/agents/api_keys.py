"""Provider API keys: lookup in the environment, masking in output."""

import base64
import json
import os
import re
import urllib.parse
from collections.abc import Iterator, Mapping, MutableMapping
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from schemas.agents import LiteLLMAgent, OpenAIAgent
from streams.errors import OperatorError

HIDDEN = "[key]"
"""Replacement of a masked key."""

LEAST_CHARACTERS = 8
"""Shortest accepted key; masking a shorter one would hit unrelated words."""

FILE_SUFFIX = "_FILE"
"""End of the name of a variable that names a file with the secret, as in Docker's own images."""

LEAST_GUESSED_CHARACTERS = 16
"""Shortest value that is masked because of its variable's name alone."""

_SECRET_NAME = re.compile(r"(KEY|KEY_ID|TOKEN|SECRET|PASSWORD|CREDENTIALS)$", re.IGNORECASE)

_forms: list[str] = []
"""Every encoded form of every known key, longest first, so that a key that contains another is masked as a whole."""


def read_key(spec: LiteLLMAgent | OpenAIAgent, environ: Mapping[str, str] = os.environ) -> SecretStr | None:
    """
    Read an agent's key, and mask it in all output from now on.

    The variable NAME that the agent names holds the key; if it is not set, NAME_FILE names a file with the key, as
    secrets of Docker and Kubernetes are. For a litellm agent that names neither a key nor an address, litellm looks for
    the provider's key in the environment. Then the value of every variable whose name looks like that of a secret is
    masked too.

    Returns:
        None if the agent names no variable.

    Raises:
        OperatorError: Neither variable is set, the file cannot be read, or its content cannot be a key.
    """
    if spec.key_env is None:
        if isinstance(spec, LiteLLMAgent) and spec.base_url is None:
            for name, value in environ.items():
                if _SECRET_NAME.search(name) and len(value.strip()) >= LEAST_GUESSED_CHARACTERS:
                    hide(value.strip())
        return None
    key = environ.get(spec.key_env, "").strip()
    whose = f"agent {spec.name!r}: environment variable {spec.key_env}"
    file = key_file_of(spec, environ)
    if file is not None:
        whose = f"agent {spec.name!r}: file {file}, which {spec.key_env}{FILE_SUFFIX} names"
        try:
            key = Path(file).read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise OperatorError(
                f"{whose}, cannot be read: {getattr(error, 'strerror', None) or 'it is no text'}",
                remedy="Correct the variable, or the file's rights",
            ) from error
        if not key:
            raise OperatorError(f"{whose}, is empty", remedy="Write the key into it, and nothing else")
    if not key:
        raise OperatorError(
            f"{whose}, which should hold its key, is not set",
            remedy=f"export {spec.key_env}=..., or {spec.key_env}{FILE_SUFFIX}=FILE with the key in it; `orch doctor`"
            " checks all keys; `orch init --simulated` needs no key",
        )
    if len(key) < LEAST_CHARACTERS:
        raise OperatorError(
            f"{whose} holds {len(key)} characters, too few for a key",
            remedy="Correct it; if the server wants no key, take key_env out of the agent",
        )
    if not key.isascii() or not key.isprintable() or " " in key:
        raise OperatorError(
            f"{whose} holds characters that are in no key, a space or a line break for example",
            remedy="Set it again, from the provider's page",
        )
    hide(key)
    return SecretStr(key)


def key_file_of(spec: LiteLLMAgent | OpenAIAgent, environ: Mapping[str, str] = os.environ) -> str | None:
    """Give the file with an agent's key; None if the key stands in a variable, or there is none."""
    if spec.key_env is None or environ.get(spec.key_env, "").strip():
        return None
    return environ.get(spec.key_env + FILE_SUFFIX, "").strip() or None


def hide(secret: str) -> None:
    """Mask a secret from now on: plain, URL-quoted, JSON-escaped, and in Base64, alone or within a longer value."""
    known = {*_forms, *_forms_of(secret)}
    _forms[:] = sorted(known, key=lambda form: (-len(form), form))


def _forms_of(secret: str) -> Iterator[str]:
    yield secret
    yield urllib.parse.quote(secret, safe="")
    yield urllib.parse.quote_plus(secret)
    yield json.dumps(secret)[1:-1]
    raw = secret.encode()
    for before in range(3):
        # Base64 encodes three bytes as four characters, so bytes before the secret shift its encoding in three ways.
        # Characters at the ends depend on neighbouring bytes and are dropped.
        encoded = base64.b64encode(bytes(before) + raw).decode()
        start, end = -(-before * 8 // 6), (before + len(raw)) * 8 // 6
        yield encoded[start:end]
        yield encoded[start:end].translate(_URL_SAFE)


_URL_SAFE = str.maketrans("+/", "-_")


def mask(text: str) -> str:
    """Replace every form of every known key by `[key]`."""
    for form in _forms:
        text = text.replace(form, HIDDEN)
    return text


def mask_event(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Mask keys in a log event, in strings at any depth; a structlog processor."""
    return {name: _masked(value) for name, value in event.items()} if _forms else event


def _masked(value: Any) -> Any:
    match value:
        case str():
            return mask(value)
        case dict():
            return {_masked(name): _masked(item) for name, item in value.items()}
        case list() | tuple():
            return [_masked(item) for item in value]
        case bool() | int() | float() | None:
            return value
        case _:
            # The log renders such a value by its repr.
            shown = repr(value)
            hidden = mask(shown)
            return value if hidden == shown else hidden
