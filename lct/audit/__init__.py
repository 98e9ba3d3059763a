"""The independent checker: reads the journals of an account and says which invariant does not hold.

It shares no code with the house, for a checker that did would share its mistakes: its own reading of the files, its own
hash chain, its own table of states and its own books, in nothing but the standard library and msgpack. By its ids, what
it can tell from rows, with a ledger of the venue ("witness"), and with the books of a paper account ("paper"):

    I01  nothing moves or fills an order before a row intended it; every order is first SENDING or PROPOSED
    I02  one order per leg of an intent; witness: the venue took no id twice
    I03  client order ids are unique, and come out the same when computed again (where the installation is known)
    I04  witness, paper: what has our tag there is in the journal, and what we hold for open is open there
    I05  fills add up to at most the amount, and to the states told; witness: the same trades on both sides;
         paper: as much of each order filled on both sides
    I06  positions are what the fills make them; nothing is adopted twice; witness: by the venue's trades too
    I07  cash by entries and by the plain equation, and as execution told it; witness: prices and fees of each trade
    I08  a difference that was found halts something, and nobody resumes while it lasts; witness, paper: every balance
    I09  the entries of each asset sum to zero
    I10  equity is cash, where nothing is held
    I11  one decision per intent; every entry was proposed and is what was proposed; nothing denied is sent
    I12  exits fit the position, in size and direction; nothing is sold that is not there
    I15  every move is in the table, every fill leads where it must; one on an order held for never there halts
    I16  the hash chains, the cursor's seal, bodies that are what their rows say
    I17  rows are numbered without a gap; portfolio and engine hold each fact once, in order, as it was said;
         paper: what it was heard about is in the journal
    I18  no trade, transfer or funding is booked twice
    I20  nothing that may increase exposure is ordered while the gate is reducing or halted
    I22  every number is finite text, amounts and prices between 0 and 1e12
    I23  entries within a second and a minute, where the limits are told (they are in no row, and may have changed)
    I24  an entry that asked for a stop has one in the same commit, or rows say why not; dust is what is less than
         twice the least that the venue took of that symbol, for its filters are in no row
    I25  more UNKNOWN orders than `max_unknown` halt
    I26  no writer of an older epoch after a newer one; the cursor's epoch is the newest

What it cannot tell, and why: when the first byte of an order left, and whether a stop stood within two seconds (I01,
I24: no row has the time of the wire); the worst case against the limits, what is reserved, and the weight of requests
(I13, I14, I23: limits are settings, market orders have no price, requests are no rows); who wanted an exit that the
engine did not propose (I11: a person may); that an alert is open for an old UNKNOWN order
(I25: alerts are not durable); equity while something is held (I10: marks are in no row); permutations (I19: a property
of a fold; its own takes sums only); orders before READY (I20: that is no row); tick, lot, and the age of data (I21,
I22: filters and bars are in no row); clocks, versions, questions without an answer, secrets (I27-I30: of processes and
logs). A tail of rows that somebody cut, sealing the cursor anew, shows only where a hearer or a paper
account holds what is gone. Facts that all daemons hold wrong alike show only by a witness or a paper account.
"""

from lct.audit.against import Against
from lct.audit.checking import Audit
from lct.audit.findings import Violation
from lct.audit.lives import Identity

__all__ = ["Against", "Audit", "Identity", "Violation"]
