"""Keys of the bus: a pair for each process that speaks over a network, made and kept for nobody else to read."""

import os
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import zmq
from zmq.utils import z85

from lct.errors import NotFound, Refused

KEY_LENGTH = 40
KEY_BYTES_MAX = 4_096


@dataclass(frozen=True)
class KeyPair:
    """The public and the secret key (z85) of a process; the secret is not shown."""

    name: str
    public: str
    secret: str = field(repr=False)

    @classmethod
    def new(cls, name: str) -> Self:
        """Return a pair that nobody has had before."""
        public, secret = zmq.curve_keypair()
        return cls(name, public.decode(), secret.decode())


def make_keys(folder: Path, name: str) -> KeyPair:
    """Make a pair and write it to `<name>.key` (0600), its public half to `<name>.pub`.

    Raises Refused where there is one already: what was encrypted to it would be lost.
    """
    pair = KeyPair.new(name)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        _write(folder / f"{name}.key", f"{pair.public}\n{pair.secret}\n")
    except FileExistsError:
        raise Refused(f"{folder / name}.key is there already; take it away first if it is to be replaced") from None
    public = folder / f"{name}.pub"
    public.unlink(missing_ok=True)  # of a pair that is gone
    _write(public, f"{pair.public}\n")
    return pair


def load(folder: Path, name: str) -> KeyPair:
    """Return the pair of a process; NotFound where there is none, Refused where others can read it or it is unsound."""
    path = folder / f"{name}.key"
    try:
        mode = path.stat().st_mode
        words = path.read_bytes()[:KEY_BYTES_MAX].split()
    except FileNotFoundError:
        raise NotFound(f"no keys of {name} in {folder}") from None
    if mode & 0o077:
        raise Refused(f"others can read {path}: chmod 600 {path}, and make new keys if they may have")
    if len(words) != 2:
        raise Refused(f"{path} is not a pair of keys: its public and its secret key, a line each")
    public, secret = (word.decode(errors="replace") for word in words)
    check_key(public, f"the public key in {path}")
    check_key(secret, f"the secret key in {path}")
    if zmq.curve_public(secret.encode()).decode() != public:
        raise Refused(f"the keys in {path} are not a pair")
    return KeyPair(name, public, secret)


def load_public(folder: Path) -> dict[str, str]:
    """Return the public keys in a folder by name: the list of who is let in."""
    found = {}
    for path in sorted(folder.glob("*.pub")):
        found[path.stem] = path.read_bytes()[:KEY_BYTES_MAX].decode(errors="replace").strip()
        check_key(found[path.stem], f"the public key in {path}")
    return found


def check_key(key: str, what: str) -> None:
    """Return for 40 characters of z85; raises Refused."""
    try:
        sound = len(key) == KEY_LENGTH and len(z85.decode(key.encode())) == 32
    except (ValueError, KeyError, UnicodeError, struct.error):
        sound = False
    if not sound:
        raise Refused(f"{what} is none: {KEY_LENGTH} characters of z85 are expected, not {len(key)}")


def _write(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(text)
