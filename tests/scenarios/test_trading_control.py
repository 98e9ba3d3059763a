"""Trading control over a whole house: a stop holds through a restart, and a start goes on."""

from pathlib import Path

import pytest

from daemons.strategy_engine import Config as Opinions
from lct.messages.execution import GetOrders
from lct.messages.portfolio import GetPositions
from lct.messages.trading_engine import (
    GetTradingStatus,
    PauseTrading,
    RunCycle,
    StartTrading,
    StopTrading,
    Trading,
)
from lct.run.config import HouseConfig
from lct.run.house import House, Settings, open_house

SETTINGS = Settings(
    house=HouseConfig(symbols=("BTC/USDT", "ETH/USDT", "SOL/USDT"), feeds={"synthetic": {"seed": 4, "days": 2}}),
    strategy_engine=Opinions(strategies=("ema_cross",)),
)


@pytest.fixture
def house(tmp_path: Path) -> House:
    return open_house(tmp_path, SETTINGS)


def proposals(house: House) -> int:
    return house.ask(GetTradingStatus()).proposals


def test_a_stop_holds_through_a_restart_until_somebody_starts(house: House, tmp_path: Path) -> None:
    house.bus.run(until_md_seq=400)
    house.ask(StopTrading("lunch", "operator"))
    before = proposals(house)
    house.bus.run(until_md_seq=800)
    stopped = proposals(house)
    house.close()

    house = open_house(tmp_path, SETTINGS)
    house.bus.run(until_md_seq=1_200)
    status = house.ask(GetTradingStatus())
    house.ask(StartTrading())
    house.bus.run(until_md_seq=1_600)

    assert before == stopped == status.proposals > 0
    assert (status.state, status.reason, status.by) == (Trading.STOPPED, "lunch", "operator")
    assert proposals(house) > before
    house.close()


def test_a_pause_lets_positions_go_and_none_come(house: House) -> None:
    house.bus.run(until_md_seq=400)
    held = {line.symbol for line in house.ask(GetPositions()).positions}
    house.ask(PauseTrading())
    house.bus.run(until_md_seq=1_200)

    assert held
    assert house.ask(GetPositions()).positions == []
    house.close()


def test_a_cycle_of_a_stopped_house_trades_once(house: House) -> None:
    house.ask(StopTrading())
    house.bus.run(until_md_seq=400)

    run = house.ask(RunCycle())
    house.bus.run(until_md_seq=600)

    assert run.proposed
    assert run.state is Trading.STOPPED
    assert proposals(house) == len(run.proposed)
    assert len({order.symbol for order in house.ask(GetOrders()).orders}) == len(run.proposed)
    house.close()
