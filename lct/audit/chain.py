"""Chains: a reading of its own of the hash chain, the numbering and the epochs of a journal."""

from hashlib import blake2b
from typing import Any

import msgpack

from lct.audit.findings import Body, Findings

BYTES = 16
BEGIN = b"\0" * BYTES
SCHEMA = 1

Row = tuple[str, int, int, bytes, bytes, str, int, int, str, int, bytes]
"""daemon, journal_seq, epoch, prev_hash, hash, heard_ref, round, now_ns, type, schema, body."""


def digest_of(row: Row) -> bytes:
    """Return what the hash of a row must be: blake2b-128 of the hash before it, its fields between NULs, its body."""
    daemon, seq, epoch, before, _, ref, number, now_ns, kind, schema, body = row
    fields = [daemon, str(seq), str(epoch), ref, str(number), str(now_ns), kind, str(schema), ""]
    return blake2b(before + "\0".join(fields).encode() + body, digest_size=BYTES).digest()


class Chains:
    """Follows the rows of journals, each daemon's by itself: I16, I17 (numbering) and I26."""

    def __init__(self, findings: Findings) -> None:
        """Begin before the first row."""
        self.findings = findings
        self.heads: dict[str, tuple[int, bytes]] = {}
        self.epochs: dict[str, int] = {}
        self.rows = 0

    def take(self, row: Row) -> Body | None:
        """Check one row and return its body, None where it cannot be read. After a fault the row is believed."""
        daemon, seq, epoch, before, digest, _, _, _, kind, schema, _ = row
        last, head = self.heads.get(daemon, (0, BEGIN))
        self.rows += 1
        if seq != last + 1:
            self.findings.add("I17", f"row {seq} follows row {last}", daemon, seq)
        elif before != head:
            self.findings.add("I16", "the row does not continue the chain of the row before it", daemon, seq)
        if digest != digest_of(row):
            self.findings.add("I16", f"the row ({kind}) does not match its hash", daemon, seq)
        if schema != SCHEMA:
            self.findings.add("I16", f"the row has schema {schema}; this checker reads {SCHEMA}", daemon, seq)
        newest = self.epochs.get(daemon, 0)
        if epoch < newest or epoch < 1:
            self.findings.add("I26", f"a writer of epoch {epoch} wrote after epoch {newest} had begun", daemon, seq)
        self.epochs[daemon] = max(epoch, newest)
        self.heads[daemon] = (seq, digest)
        return self._body(row)

    def _body(self, row: Row) -> Body | None:
        daemon, seq, kind = row[0], row[1], row[8]
        try:
            body: Any = msgpack.unpackb(row[10])
        except (ValueError, msgpack.UnpackException) as error:
            self.findings.add("I16", f"the body of the row ({kind}) cannot be read: {error}", daemon, seq)
            return None
        if not isinstance(body, dict) or body.get("tag") != kind:
            self.findings.add("I16", f"the row says {kind}, its body something else", daemon, seq)
            return None
        if daemon == "execution" and body.get("journal_seq", seq) != seq:
            text = f"the event calls itself number {body['journal_seq']}, its row is {seq}"
            self.findings.add("I17", text, daemon, seq)
        return body

    def check_seal(self, journal: str, cursor: bytes, seal: bytes, daemons: set[str]) -> None:
        """Check that a file's cursor is of the same commit as the last rows of its daemons: a cut tail shows here."""
        ends = [f"\0{name}\0{seq}\0".encode() + head for name, (seq, head) in sorted(self.heads.items())]
        names = sorted(self.heads)
        own = [end for name, end in zip(names, ends, strict=True) if name in daemons]
        if blake2b(b"".join((cursor, *own)), digest_size=BYTES).digest() != seal:
            self.findings.add("I16", "the cursor and the last rows are not of one commit", journal, 0)

    def check_epoch(self, journal: str, epoch: int, daemons: set[str]) -> None:
        """Check that the epoch of a file's cursor is the newest of its rows."""
        newest = max((self.epochs.get(name, 0) for name in daemons), default=0)
        if epoch < newest:
            self.findings.add("I26", f"the cursor is of epoch {epoch}, rows of {newest}", journal, 0)
