"""Files of the keys that seal and verify a log."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from streams.audit.proof.notes import NoteError, PublicKey, SigningKey, is_name
from streams.errors import OperatorError, UsageError

KEY_FILE, PUBLIC_FILE = "orch-seal.key", "orch-seal.pub"
KEY_VARIABLE, PUBLIC_VARIABLE = "ORCH_SEAL_KEY", "ORCH_SEAL_PUB"
"""Variables with the path of another file; the content of a key never stands in the environment."""


def make_keys(folder: Path, origin: str | None) -> SigningKey:
    """
    Make a key and write both files, the private one for its owner alone.

    Raises:
        UsageError: The origin cannot be a name, or a file is there already.
        OperatorError: A file cannot be written.
    """
    if origin is not None and not is_name(origin):
        raise UsageError(
            f"origin {origin!r} has spaces or a plus", remedy="Use a name such as example.com/orch, without a scheme"
        )
    for name in (KEY_FILE, PUBLIC_FILE):
        if (folder / name).exists():
            raise UsageError(
                f"{folder / name} is there already, and nothing was changed",
                remedy="`orch seal` uses it; `orch seal --change-key` makes the next key, signed by this one",
            )
    key = SigningKey.generate(origin)
    write_keys(folder, key)
    return key


def write_keys(folder: Path, key: SigningKey) -> None:
    """
    Write both files of a key.

    Raises:
        OperatorError: A file cannot be written.
    """
    try:
        _write(folder / KEY_FILE, key.secret_text(), 0o600)
        _write(folder / PUBLIC_FILE, str(key.public), 0o644)
    except OSError as error:
        raise OperatorError(
            f"{error.filename}: {error.strerror}", remedy="Write the key into another folder"
        ) from error


def _write(path: Path, text: str, mode: int) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())


def signing_key(given: str | None, environment: Mapping[str, str]) -> SigningKey:
    """
    Read the private key: the file that is given, else the variable's, else `orch-seal.key` here.

    Raises:
        UsageError: There is none, or it is no key.
    """
    path = Path(given or environment.get(KEY_VARIABLE) or KEY_FILE)
    text = _read(path, "`orch seal --init` makes one; or name it with --key FILE or ORCH_SEAL_KEY")
    try:
        return SigningKey.parse(text)
    except NoteError as problem:
        raise UsageError(f"{path}: {problem}", remedy="Name the file that `orch seal --init` wrote") from None


def public_key(given: str | None, environment: Mapping[str, str]) -> PublicKey:
    """
    Read the public key: the file that is given, else the variable's, else `orch-seal.pub` here.

    Raises:
        UsageError: There is none, or it is no key.
    """
    path = Path(given or environment.get(PUBLIC_VARIABLE) or PUBLIC_FILE)
    text = _read(
        path, "Nothing is verified without the public key that the log's owner gave you: name it by --key FILE"
    )
    try:
        return PublicKey.parse(text)
    except NoteError as problem:
        raise UsageError(f"{path}: {problem}", remedy="Name the file orch-seal.pub of the log's owner") from None


def _read(path: Path, remedy: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UsageError(f"there is no key {path}", remedy=remedy) from None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: the key cannot be read ({error})", remedy=remedy) from None


class KeyChange(NamedTuple):
    """A new key beside the one in force, until `settle` puts it in its place."""

    folder: Path
    key: SigningKey
    old: SigningKey

    def settle(self) -> str:
        """
        Keep the files of the old key under its id, give its names to the new one, and name the old public file.

        Raises:
            OperatorError: A file cannot be renamed; the new key stays in the files `.next`.
        """
        mark = self.old.public.id_as(self.old.public.name).hex()
        try:
            for name in (KEY_FILE, PUBLIC_FILE):
                path = self.folder / name
                if path.exists():
                    path.rename(path.with_name(f"{path.stem}-{mark}{path.suffix}"))
                (self.folder / f"{name}.next").rename(path)
        except OSError as error:
            raise OperatorError(
                f"{error.filename}: {error.strerror}", remedy=f"Rename the files {KEY_FILE}.next and {PUBLIC_FILE}.next"
            ) from error
        return f"{Path(PUBLIC_FILE).stem}-{mark}.pub"


def change_files(folder: Path, old: SigningKey) -> KeyChange:
    """
    Make the next key of a log, and keep it in files `.next` until the checkpoint that hands over to it is durable.

    A change that was interrupted goes on with the same key.

    Raises:
        OperatorError: A file cannot be written.
    """
    kept = folder / f"{KEY_FILE}.next"
    if kept.exists():
        return KeyChange(folder, SigningKey.parse(_read(kept, "Remove it")), old)
    key = SigningKey.generate(old.public.name)
    try:
        _write(folder / f"{PUBLIC_FILE}.next", str(key.public), 0o644)
        _write(kept, key.secret_text(), 0o600)
    except OSError as error:
        raise OperatorError(f"{error.filename}: {error.strerror}", remedy="Make the folder writable") from error
    return KeyChange(folder, key, old)
