"""Control: what a request to start, stop, pause or resume makes of the state that trading is in."""

from lct.messages.trading_engine import PauseTrading, ResumeTrading, StartTrading, StopTrading, Trading

Turn = StartTrading | StopTrading | PauseTrading | ResumeTrading

RUNNING, PAUSED, STOPPED = Trading.RUNNING, Trading.PAUSED, Trading.STOPPED

TURNS: dict[tuple[type[Turn], Trading], tuple[Trading, str]] = {
    (StartTrading, STOPPED): (RUNNING, "started"),
    (StartTrading, RUNNING): (RUNNING, "nothing: trading runs already"),
    (StartTrading, PAUSED): (PAUSED, "nothing: trading is paused; resume it"),
    (StopTrading, RUNNING): (STOPPED, "stopped: nothing is proposed, protective stops at the venue stand"),
    (StopTrading, PAUSED): (STOPPED, "stopped: nothing is proposed, protective stops at the venue stand"),
    (StopTrading, STOPPED): (STOPPED, "nothing: trading is stopped already"),
    (PauseTrading, RUNNING): (PAUSED, "paused: nothing new is entered, exits go on"),
    (PauseTrading, PAUSED): (PAUSED, "nothing: trading is paused already"),
    (PauseTrading, STOPPED): (STOPPED, "nothing: trading is stopped, which is more"),
    (ResumeTrading, PAUSED): (RUNNING, "resumed"),
    (ResumeTrading, RUNNING): (RUNNING, "nothing: trading runs already"),
    (ResumeTrading, STOPPED): (STOPPED, "nothing: trading is stopped; start it"),
}
"""The state that follows and what was done about it; asking twice is no error."""


def turned(kind: type[Turn], state: Trading) -> tuple[Trading, str]:
    """Return the state after such a request, and what was done."""
    return TURNS[kind, state]
