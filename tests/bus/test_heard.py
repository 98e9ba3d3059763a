"""The heard log and the said log: what was heard and said, small, whole up to where a crash tore them off."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lct.bus import heard, segments
from lct.bus.heard import Again, Batch, Begun, Head, HeardLog, Origin, Ports, Record, Ref, Whole, records
from lct.bus.said import Direct, SaidLog, SaidReader
from lct.bus.segments import blocks, get_varint, places, prune, put_varint, unzigzag, zigzag
from lct.errors import JournalError

NOW_NS = 1_700_000_000_000_000_000
SECOND_NS = 1_000_000_000
BARS = Origin("market_data", 3, "market_data.bars_closed")
SCORES = Origin("strategy_engine", 8, "strategy_engine.scored")
FACTS = Origin("execution", 0, heard.FACTS)


def head(epoch: int = 1, round_: int = 40) -> Head:
    return Head("portfolio", epoch, round_, NOW_NS, b"where it stood")


def log_of(folder: Path, epoch: int = 1, segment_bytes_max: int = 262_144) -> HeardLog:
    return HeardLog(folder, head(epoch), lambda: NOW_NS, segment_bytes_max=segment_bytes_max)


def a_quiet_minute(at: int) -> list[tuple[int, list[Ref]]]:
    """What the trading engine hears in a minute of a quiet market: bars, two scores, each in a batch of its own."""
    return [
        (NOW_NS + at * 60 * SECOND_NS + late_ms * 1_000_000, [Ref(origin, seq)])
        for late_ms, origin, seq in ((3, BARS, at), (6, SCORES, 2 * at - 1), (7, SCORES, 2 * at))
    ]


# --- numbers


@given(st.integers(0, 2**64))
def test_a_number_comes_back_as_it_went(number: int):
    into = bytearray(b"before")

    put_varint(into, number)

    assert get_varint(bytes(into), 6) == (number, len(into))


@given(st.integers(-(2**40), 2**40))
def test_small_numbers_of_either_sign_stay_small(number: int):
    assert unzigzag(zigzag(number)) == number
    assert zigzag(number) <= 2 * abs(number)


# --- the heard log


def test_what_was_heard_comes_back_in_order(tmp_path: Path):
    log = log_of(tmp_path)
    request = Whole("client", None, "client:7", b"how much?")
    log.ports(Ports((("feed", 7, (b"rows 1",)),)))
    log.again(NOW_NS, (b"bars 1", b"bars 2" * 1_000))
    log.begun(NOW_NS + 1_000)
    log.batch(NOW_NS + 2_000, [Ref(BARS, 7), Ref(SCORES, 3), Ref(BARS, 8)], ())
    log.batch(NOW_NS + 2_000, [], (("feed", (b"rows 2", b"rows 3")),))
    log.batch(NOW_NS + 90 * SECOND_NS, [Ref(SCORES, 12), request, Ref(FACTS, 5), Ref(SCORES, 2)], ())
    log.close()

    found = list(records(tmp_path, 1))

    assert found == [
        Ports((("feed", 7, (b"rows 1",)),)),
        Again(NOW_NS, (b"bars 1", b"bars 2" * 1_000)),
        Begun(NOW_NS + 1_000),
        Batch(NOW_NS + 2_000, (Ref(BARS, 7), Ref(SCORES, 3), Ref(BARS, 8)), ()),
        Batch(NOW_NS + 2_000, (), (("feed", (b"rows 2", b"rows 3")),)),
        Batch(NOW_NS + 90 * SECOND_NS, (Ref(SCORES, 12), request, Ref(FACTS, 5), Ref(SCORES, 2)), ()),
    ]
    assert heard.start_of(tmp_path, 1) == head()


def test_a_quiet_daemon_spends_at_most_ten_bytes_on_a_hearing_though_each_is_written_alone(tmp_path: Path):
    log = log_of(tmp_path)
    first = 100

    for at in range(1, 2_001):
        for now_ns, words in a_quiet_minute(at):
            log.batch(now_ns, words, ())
            log.write()
    log.close()

    size = sum(path.path.stat().st_size for path in places(tmp_path))
    assert size - first <= 10 * log.hearings
    assert len(list(records(tmp_path, 1))) == log.hearings == 6_000


def test_a_busy_daemon_spends_about_four_bytes_on_a_hearing(tmp_path: Path):
    log = log_of(tmp_path)

    for second in range(200):
        for batch in range(20):
            now_ns = NOW_NS + second * SECOND_NS + batch * 50_000_000
            n = second * 20 + batch
            log.batch(now_ns, [Ref(BARS, n), Ref(SCORES, 2 * n), Ref(SCORES, 2 * n + 1)], ())
        log.write()
    log.close()

    size = sum(path.path.stat().st_size for path in places(tmp_path))
    assert size <= 4 * log.hearings


def test_a_log_goes_on_in_segments_that_can_be_read_and_are_compressed(tmp_path: Path):
    log = log_of(tmp_path, segment_bytes_max=200)
    told = []
    for n in range(400):
        words = [Ref(BARS, n + 1), Ref(SCORES, 3 * n)]
        told.append(Batch(NOW_NS + n * SECOND_NS, tuple(words), ()))
        log.batch(NOW_NS + n * SECOND_NS, words, ())
        if n % 3 == 0:
            log.write()
    log.close()

    assert list(records(tmp_path, 1)) == told
    *full, last = [place.path.suffix for place in places(tmp_path)]
    assert set(full) == {".z"}
    assert len(full) > 5
    assert last == ".log"


def test_each_life_has_a_log_of_its_own(tmp_path: Path):
    for epoch in (1, 2):
        log = log_of(tmp_path, epoch)
        log.batch(NOW_NS, [Ref(BARS, epoch)], ())
        log.close()

    assert heard.lives(tmp_path) == [1, 2]
    assert list(records(tmp_path, 2)) == [Batch(NOW_NS, (Ref(BARS, 2),), ())]


def written(folder: Path) -> list[Record]:
    """Write a log in blocks of one batch and return its records."""
    log = log_of(folder)
    for n in range(30):
        log.batch(NOW_NS + n, [Ref(BARS, n + 1), Whole("client", None, str(n), b"x" * n)], ())
        log.write()
    log.close()
    return list(records(folder, 1))


@settings(max_examples=60, deadline=None)
@given(cut=st.integers(0, 2_000), garbage=st.binary(max_size=40))
def test_a_torn_end_is_cut_off_cleanly(tmp_path_factory: pytest.TempPathFactory, cut: int, garbage: bytes):
    folder = tmp_path_factory.mktemp("torn")
    whole = written(folder)
    path = places(folder)[0].path
    data = path.read_bytes()

    path.write_bytes(data[: max(0, len(data) - cut)] + garbage)

    left = list(records(folder, 1))
    assert left == whole[: len(left)]
    assert len(left) >= len(whole) - cut // 6 - 1


def test_a_damaged_byte_ends_the_log_before_it(tmp_path: Path):
    whole = written(tmp_path)
    path = places(tmp_path)[0].path
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x40
    path.write_bytes(data)

    left = list(records(tmp_path, 1))

    assert 0 < len(left) < len(whole)
    assert left == whole[: len(left)]


def test_a_session_without_its_beginning_or_with_a_hole_is_refused_by_name(tmp_path: Path):
    log = log_of(tmp_path, segment_bytes_max=60)
    for n in range(40):
        log.batch(NOW_NS + n, [Ref(BARS, n + 1)], ())
        log.write()
    log.close()
    first, second, *_ = places(tmp_path)

    second.path.unlink()
    with pytest.raises(JournalError, match="segment 2 of session 1 is missing"):
        list(records(tmp_path, 1))
    first.path.unlink()
    with pytest.raises(JournalError, match="the beginning of session 1"):
        heard.start_of(tmp_path, 1)


def test_old_segments_go_and_so_do_the_oldest_when_they_are_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    log = log_of(tmp_path, segment_bytes_max=60)
    for n in range(40):
        log.batch(NOW_NS + n, [Ref(BARS, n + 1)], ())
        log.write()
    log.close()
    paths = [place.path for place in places(tmp_path)]
    os.utime(paths[0], ns=(NOW_NS, NOW_NS - segments.KEPT_NS - 1))
    for path in paths[1:]:
        os.utime(path, ns=(NOW_NS, NOW_NS))

    prune(tmp_path, NOW_NS)
    old = [place.path for place in places(tmp_path)]
    monkeypatch.setattr(segments, "BYTES_KEPT_MAX", old[-1].stat().st_size + old[-2].stat().st_size)
    prune(tmp_path, NOW_NS)

    assert old == paths[1:]
    assert [place.path for place in places(tmp_path)] == paths[-2:]


def test_a_disk_that_is_full_says_that_nothing_was_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    log = log_of(tmp_path)
    log.batch(NOW_NS, [Ref(BARS, 1)], ())

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(JournalError, match="No space left on device; nothing was sent"):
        log.write()


def test_the_files_are_for_nobody_else(tmp_path: Path):
    log = log_of(tmp_path / "heard")
    log.batch(NOW_NS, [Ref(BARS, 1)], ())
    log.close()

    (place,) = places(tmp_path / "heard")
    assert (tmp_path / "heard").stat().st_mode & 0o077 == place.path.stat().st_mode & 0o077 == 0


# --- the said log


def said(folder: Path, count: int, segment_bytes_max: int = 262_144) -> Iterator[tuple[str, int, bytes]]:
    log = SaidLog(folder, "execution", 4, lambda: NOW_NS, segment_bytes_max=segment_bytes_max)
    for n in range(count):
        body = b"word %d" % n
        yield "a.word", log.say("a.word", body), body
        if n % 3 == 0:
            yield "a.tick", log.say("a.tick", body), body
        if n % 2:
            log.write()
    log.close()


def test_what_was_said_is_found_by_its_number_in_its_stream(tmp_path: Path):
    told = list(said(tmp_path, 300, segment_bytes_max=300))

    reader = SaidReader(tmp_path, 4)

    assert len(places(tmp_path)) > 10
    assert [reader.body(tag, seq) for tag, seq, _ in told] == [body for _, _, body in told]
    assert [seq for tag, seq, _ in told if tag == "a.tick"] == list(range(1, 101))
    assert reader.body("a.word", 301) is None
    assert reader.body("a.nothing", 1) is None
    assert SaidReader(tmp_path, 5).body("a.word", 1) is None


def test_requests_and_replies_keep_whom_they_were_for(tmp_path: Path):
    log = SaidLog(tmp_path, "execution", 1, lambda: NOW_NS)
    words = [
        Direct(None, "execution:7:1", b"a request"),
        Direct("portfolio", "portfolio:3:0", b"a reply"),
        Direct.outside("client", "client:9", b"a long reply" * 1_000),
    ]

    numbers = [log.say_to(word) for word in words]
    log.close()

    reader = SaidReader(tmp_path, 1)
    assert [reader.direct(number) for number in numbers] == words
    assert reader.direct(4) is None
    assert places(tmp_path)[0].path.stat().st_size < 300


def test_a_killed_speaker_left_all_that_it_had_written(tmp_path: Path):
    log = SaidLog(tmp_path, "execution", 1, lambda: NOW_NS)
    log.say("a.word", b"told")
    log.write()
    log.say("a.word", b"not told yet")
    path = places(tmp_path)[0].path
    path.write_bytes(path.read_bytes() + b"\x09torn")

    reader = SaidReader(tmp_path, 1)

    assert (reader.body("a.word", 1), reader.body("a.word", 2)) == (b"told", None)
    assert len(list(blocks(path))) == 2
