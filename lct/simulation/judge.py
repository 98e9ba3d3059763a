"""The judge: the independent checker beside a simulated house; it reads each commit, at the end the venue's books."""

from collections.abc import Iterable, Iterator

from lct.audit import Against, Audit, Identity
from lct.simulation.account import Account
from lct.store.journal import Row

VENUE, ACCOUNT = "paper", "main"


class Judge:
    """Follows the rows of all lives of a house: what is committed is there for good."""

    def __init__(self, install_id: str) -> None:
        """Begin before the first row."""
        self._install_id = install_id
        self._audit = Audit(Identity(install_id, VENUE, ACCOUNT))

    def read(self, rows: Iterable[Row]) -> None:
        """Check the rows of one commit, and what must hold once it is whole."""
        for row in rows:
            self._audit.take(row)
        self._audit.settle()

    def compare(self, account: Account) -> None:
        """Compare all that was read with the books of the venue, where nothing is under way any more."""
        Against(self._audit, account.ledger(VENUE, ACCOUNT, self._install_id, quiescent=True)).counts()

    def fresh(self) -> Iterator[tuple[str, str]]:
        """Yield what was found since the last time: an invariant, and how it is broken."""
        for violation in self._audit.findings.fresh():
            where = f"{violation.journal} row {violation.journal_seq}" if violation.journal_seq else violation.journal
            yield violation.invariant, f"audit: {violation.detail} ({where})"
