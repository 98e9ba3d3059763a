"""The gateway's keys: made of chance, kept as hashes, closed to everybody else."""

import json
import stat
import threading
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemons.api_gateway import keys
from daemons.api_gateway.keys import KEY, KeyStore
from lct.errors import ConfigError, NotFound

SECRET = Random(1).randbytes(32)


@pytest.fixture
def store(tmp_path: Path) -> KeyStore:
    return KeyStore(tmp_path / "keys" / "gateway.json")


def test_a_key_is_told_once_and_kept_as_a_hash(store: KeyStore, tmp_path: Path) -> None:
    key, text = store.add(SECRET, ["trade", "read"], 5)

    path = tmp_path / "keys" / "gateway.json"
    assert KEY.fullmatch(text)
    assert text[4:] not in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert (key.scope, key.created_ns) == (("read", "trade"), 5)
    assert store.find(text) == key
    assert KeyStore(path).listed() == (key,)


@given(st.one_of(st.text(max_size=60), st.from_regex(r"lct_[A-Za-z0-9_-]{43}", fullmatch=True)))
def test_nothing_else_is_a_key(tmp_path_factory: pytest.TempPathFactory, shown: str) -> None:
    store = KeyStore(tmp_path_factory.mktemp("keys") / "gateway.json")
    _, text = store.add(SECRET, ["read"], 0)

    assert (store.find(shown) is not None) == (shown == text)
    assert store.find(f"{text}\n") is None
    assert store.find(text.swapcase()) is None


def test_a_trading_key_may_not_read_and_an_admin_s_may_all(store: KeyStore) -> None:
    trade, _ = store.add(SECRET, ["trade"], 0)
    admin, _ = store.add(Random(2).randbytes(32), ["admin"], 0)

    assert [trade.may(scope) for scope in keys.SCOPES] == [False, True, False]
    assert all(admin.may(scope) for scope in keys.SCOPES)


@pytest.mark.parametrize(("scopes", "said"), [(["rread"], "did you mean 'read'"), ([], "known: admin, read, trade")])
def test_a_scope_that_there_is_not_is_refused(store: KeyStore, scopes: list[str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        store.add(SECRET, scopes, 0)

    assert store.listed() == ()


def test_a_revoked_key_is_forgotten_by_every_store_of_the_file(store: KeyStore, tmp_path: Path) -> None:
    key, text = store.add(SECRET, ["read"], 0)
    other = KeyStore(tmp_path / "keys" / "gateway.json")
    assert other.find(text) == key

    assert store.revoke(key.id) == key

    assert other.find(text) is None
    with pytest.raises(NotFound, match="no key has the id"):
        store.revoke(key.id)


def test_of_keys_made_at_once_none_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "gateway.json"
    makers = [
        threading.Thread(target=KeyStore(path).add, args=(Random(n).randbytes(32), ["read"], n)) for n in range(20)
    ]
    for maker in makers:
        maker.start()
    for maker in makers:
        maker.join()

    assert sorted(key.created_ns for key in KeyStore(path).listed()) == list(range(20))


@pytest.mark.parametrize("mode", [0o644, 0o660, 0o604])
def test_a_file_that_others_may_read_or_write_is_refused(store: KeyStore, tmp_path: Path, mode: int) -> None:
    store.add(SECRET, ["read"], 0)
    (tmp_path / "keys" / "gateway.json").chmod(mode)

    with pytest.raises(ConfigError, match="chmod 600"):
        store.listed()


BROKEN = {
    "no json": b"{",
    "another document": b"[]",
    "a field of somebody else's": b'{"keys": [], "open": true}',
    "a short hash": json.dumps(
        {"keys": [{"id": "0" * 12, "sha256": "change-me", "scope": ["read"], "created_ns": 0}]}
    ).encode(),
    "a scope of its own": json.dumps(
        {"keys": [{"id": "0" * 12, "sha256": "0" * 64, "scope": ["root"], "created_ns": 0}]}
    ).encode(),
    "not text": b"\xff\xfe\x00",
    "too long": b" " * (keys.FILE_BYTES_MAX + 1),
}


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_file_is_named_and_opens_nothing(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "gateway.json"
    path.write_bytes(text)
    path.chmod(0o600)

    with pytest.raises(ConfigError, match=str(path)):
        KeyStore(path).find("lct_" + "A" * 43)


def test_there_is_a_limit_to_keys(store: KeyStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "KEYS_MAX", 2)
    for n in range(2):
        store.add(Random(n).randbytes(32), ["read"], 0)

    with pytest.raises(ConfigError, match="revoke some"):
        store.add(SECRET, ["read"], 0)
