"""Results on disk: validated first, then whole or not there, under names that tell nothing."""

import hashlib
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import BinaryIO

from daemon.durable import sync_folder
from daemon.errors import Unavailable, system_words
from daemon.logs import study_key
from daemon.records import ResultFile
from daemon.results.attempt import LeftOut, attempt, refuse
from daemon.results.result import ResultObject
from daemon.results.validate import check, checked

_AT_ONCE = 4
"""Objects that are written and checked at the same time."""


def write(
    objects: Sequence[ResultObject], outbox: Path, study_uid: str, left_out: LeftOut = refuse
) -> list[ResultFile]:
    """Validate and write the results of one reading.

    Repeating it replaces the files by the same ones. Nothing takes its final name before every
    object was judged. `left_out` is told of each that is not valid; without it none is written.

    Raises
    ------
    InvalidResult
        An object is not valid, and nobody takes note of it.
    Unavailable
        The disk does not take them.
    """
    folder = outbox / study_key(study_uid)
    parts = [_part(result, folder) for result in objects]
    with _on_disk(outbox, folder, parts):
        with ThreadPoolExecutor(_AT_ONCE) as pool:  # they wait for the disk and for a validator
            waiting = [
                pool.submit(attempt, one.kind, partial(_write_checked, one, part), left_out)
                for one, part in zip(objects, parts, strict=True)
            ]
            written = [one.result() for one in waiting]
        good = [one for one in written if one is not None]
        for result in good:
            _part(result, folder).replace(folder / _name(result))
    return [_record(result, outbox, folder) for result in good]


def write_as_it_is(result: ResultObject, outbox: Path, study_uid: str) -> ResultFile:
    """Write one result that nobody judges.

    Raises
    ------
    Unavailable
        The disk does not take it.
    """
    folder = outbox / study_key(study_uid)
    part = _part(result, folder)
    with _on_disk(outbox, folder, [part]):
        with part.open("wb") as stream:
            _save(result, stream)
            os.fsync(stream.fileno())
        part.replace(folder / _name(result))
    return _record(result, outbox, folder)


@contextmanager
def _on_disk(outbox: Path, folder: Path, parts: Sequence[Path]) -> Iterator[None]:
    """Make the folder, and what is done to it durable; nothing half stays behind."""
    try:
        with _disk_errors():
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            yield
            sync_folder(folder)
            sync_folder(outbox)
    finally:
        for part in parts:
            with suppress(OSError):  # the next start discards it
                part.unlink(missing_ok=True)


@contextmanager
def _disk_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unavailable(f"outbox: {system_words(error)}") from error


def _name(result: ResultObject) -> str:
    uid = str(result.dataset.SOPInstanceUID)
    return f"{hashlib.sha256(uid.encode()).hexdigest()[:16]}.dcm"


def _part(result: ResultObject, folder: Path) -> Path:
    return (folder / _name(result)).with_suffix(".part")


def _write_checked(result: ResultObject, part: Path) -> ResultObject:
    """Write a part and let it be judged.

    Raises
    ------
    InvalidResult
        The object is not valid.
    Unavailable
        The disk does not take it.
    """
    check(result.dataset)
    with _disk_errors(), part.open("wb") as stream:
        _save(result, stream)
        with checked(part):
            os.fsync(stream.fileno())
    return result


def _save(result: ResultObject, stream: BinaryIO) -> None:
    result.dataset.save_as(stream, enforce_file_format=True)
    stream.flush()


def _record(result: ResultObject, outbox: Path, folder: Path) -> ResultFile:
    dataset = result.dataset
    return ResultFile(
        kind=str(result.kind),
        sop_class_uid=str(dataset.SOPClassUID),
        sop_instance_uid=str(dataset.SOPInstanceUID),
        series_instance_uid=str(dataset.SeriesInstanceUID),
        transfer_syntax_uid=str(dataset.file_meta.TransferSyntaxUID),
        file=str((folder / _name(result)).relative_to(outbox)),
        destinations=result.destinations,
    )
