"""Keys: who may ask the gateway what; a file of their hashes, for a key itself is shown once and kept nowhere."""

import fcntl
import hmac
import os
import re
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Literal, get_args

import msgspec
from msgspec import Meta
from msgspec.structs import replace

from lct.errors import ConfigError, NotFound, nearest

Scope = Literal["read", "trade", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
SECRET_BYTES = 32
ID_LENGTH = 12
KEYS_MAX = 1_000
FILE_BYTES_MAX = 1_048_576
KEY = re.compile(r"lct_[A-Za-z0-9_-]{43}\Z")


class Key(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One key: what it may, and the hash by which it is known. `admin` may all; the others what they say."""

    id: Annotated[str, Meta(pattern=r"^[0-9a-f]{12}\Z")]
    sha256: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
    scope: Annotated[tuple[Scope, ...], Meta(min_length=1)]
    created_ns: int

    def may(self, scope: Scope) -> bool:
        """Whether this key may do what needs `scope`."""
        return scope in self.scope or "admin" in self.scope


class File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """keys/gateway.json."""

    keys: Annotated[tuple[Key, ...], Meta(max_length=KEYS_MAX)] = ()


class KeyStore:
    """The keys in one file, 0600; read again when the file changes, so that a revoked key ends at once."""

    def __init__(self, path: Path) -> None:
        """Take a path; a file that is not there holds no key."""
        self._path = path
        self._seen: tuple[int, ...] | None = None
        self._keys: tuple[Key, ...] = ()

    def listed(self) -> tuple[Key, ...]:
        """Return all keys, the oldest first; raises ConfigError where the file is broken or open to others."""
        try:
            about = self._path.stat()
        except FileNotFoundError:
            self._seen, self._keys = None, ()
            return ()
        seen = (about.st_ino, about.st_size, about.st_mtime_ns, about.st_mode)
        if seen != self._seen:
            self._keys = self._read(about)
            self._seen = seen
        return self._keys

    def find(self, text: str) -> Key | None:
        """Return the key that a caller shows, None for anything else.

        What is no key by its form costs nothing; of the others the hash is compared with every one there is, each time
        in the same time.
        """
        if KEY.fullmatch(text) is None:
            return None
        shown = sha256(text.encode()).hexdigest()
        found = None
        for key in self.listed():
            if hmac.compare_digest(key.sha256, shown):
                found = key
        return found

    def add(self, secret: bytes, scopes: Iterable[str], now_ns: int) -> tuple[Key, str]:
        """Keep a new key made of 256 random bits, and return it with its text, which is told this once.

        Raises ConfigError for a scope that there is not, and where the file is full.
        """
        assert len(secret) == SECRET_BYTES, "a key is 256 random bits"
        chosen = _scopes(scopes)
        text = f"lct_{urlsafe_b64encode(secret).decode().rstrip('=')}"
        digest = sha256(text.encode()).hexdigest()
        key = Key(digest[:ID_LENGTH], digest, chosen, now_ns)
        with self._alone():
            kept = self.listed()
            if len(kept) >= KEYS_MAX:
                raise ConfigError(f"there are {len(kept)} keys already; revoke some with `lct gateway keys revoke`")
            self._write((*kept, key))
        return key, text

    def revoke(self, id: str) -> Key:
        """Forget a key; raises NotFound for an id that no key has."""
        with self._alone():
            kept = self.listed()
            gone = next((key for key in kept if key.id == id), None)
            if gone is None:
                raise NotFound(f"no key has the id {id!r}; {nearest(id, [key.id for key in kept])}")
            self._write(tuple(key for key in kept if key is not gone))
        return gone

    def _read(self, about: os.stat_result) -> tuple[Key, ...]:
        if about.st_mode & 0o077 or about.st_uid != os.getuid():
            raise ConfigError(f"{self._path} must be readable by you alone: chmod 600 it")
        if about.st_size > FILE_BYTES_MAX:
            raise ConfigError(f"{self._path}: larger than {FILE_BYTES_MAX} bytes; that is no file of keys")
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=File).keys
        except ValueError as error:
            raise ConfigError(f"{self._path} cannot be read ({error}); move it away, and make new keys") from None

    def _write(self, keys: tuple[Key, ...]) -> None:
        fresh = self._path.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(replace(File(), keys=keys))))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the file's lock, so that of two that write at once neither is lost."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(self._path.with_suffix(".lock"), os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _scopes(names: Iterable[str]) -> tuple[Scope, ...]:
    """Return the scopes of these names, in their own order; raises ConfigError for any other name, and for none."""
    asked = set(names)
    unknown = sorted(asked.difference(SCOPES))
    if unknown or not asked:
        wrong = repr(unknown[0]) if unknown else "nothing"
        raise ConfigError(f"{wrong} is no scope; {nearest(unknown[0] if unknown else '', SCOPES)}")
    return tuple(scope for scope in SCOPES if scope in asked)
