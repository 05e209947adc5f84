"""Files in the spool: whole or absent."""

import os
import random
from concurrent.futures import ThreadPoolExecutor

import pytest

from daemon.intake.store.spool import Spool, digest_of, orphans


@pytest.fixture
def spool(tmp_path):
    opened = Spool(tmp_path)
    yield opened
    opened.close()


def files(spool):
    return sorted(path for path in spool.folder.rglob("*") if path.is_file())


def keep(spool, *pieces):
    part = spool.begin()
    for piece in pieces:
        part.write(piece)
    stored = spool.keep(part)
    part.discard()
    return stored


def test_the_same_bytes_are_one_file(spool):
    first = keep(spool, b"ab", b"c")
    assert keep(spool, b"abc") == first
    assert [path.read_bytes() for path in files(spool)] == [b"abc"]
    assert first.size == 3


def test_a_file_is_for_the_daemon_alone(spool):
    path = spool.folder / keep(spool, b"abc").file
    assert path.stat().st_mode & 0o077 == 0


def test_what_was_written_can_be_read_before_it_is_kept(spool):
    part = spool.begin()
    part.write(b"ab" * 2_000_000)
    part.write(memoryview(b"c"))
    assert part.content() == b"ab" * 2_000_000 + b"c"
    part.discard()


@pytest.mark.parametrize("size", [1, 131_066, (1 << 20) - 1, 1 << 20, 3_333_333])
def test_the_hash_is_that_of_the_bytes_in_whatever_pieces_they_came(spool, size):
    content = random.Random(size).randbytes(size)
    stored = keep(spool, *(content[start : start + 99_999] for start in range(0, size, 99_999)))
    assert stored.digest == digest_of(content)
    assert (spool.folder / stored.file).read_bytes() == content


def test_a_discarded_part_leaves_nothing_and_may_be_discarded_again(spool):
    part = spool.begin()
    part.write(b"half")
    part.discard()
    part.discard()
    assert files(spool) == []


def test_discarding_after_keeping_harms_nothing(spool):
    part = spool.begin()
    part.write(b"abc")
    spool.keep(part)
    part.discard()
    assert len(files(spool)) == 1


def test_parts_are_discarded_and_whole_files_kept(spool):
    stored = keep(spool, b"abc")
    (spool.folder / "x.part").write_bytes(b"half")
    assert spool.discard_parts() == 1
    assert files(spool) == [spool.folder / stored.file]


def test_orphans_are_the_files_that_are_not_known_in_the_order_they_came(spool):
    known, *unknown = (keep(spool, bytes([number])) for number in range(4))
    for age, stored in enumerate(unknown):
        os.utime(spool.folder / stored.file, ns=(0, 10 - age))
    assert orphans(spool.folder, {known.file}) == [
        spool.folder / one.file for one in reversed(unknown)
    ]


def test_only_one_process_has_the_turn(spool):
    other = Spool(spool.folder)
    with ThreadPoolExecutor(1) as pool:
        with spool.turn():
            waiting = pool.submit(_take_turn, other)
            with pytest.raises(TimeoutError):
                waiting.result(0.2)
        waiting.result(5)
    other.close()


def _take_turn(spool):
    with spool.turn():
        pass
