"""Results on disk: validated first, then whole or not there, under names that tell nothing."""

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from daemon.durable import sync_folder
from daemon.errors import Unavailable
from daemon.logs import study_key
from daemon.records import ResultFile
from daemon.results.result import ResultObject
from daemon.results.validate import check, checked

_AT_ONCE = 4
"""Objects that are written and checked at the same time."""


def write(objects: Sequence[ResultObject], outbox: Path, study_uid: str) -> list[ResultFile]:
    """Validate and write the results of one reading.

    Repeating it replaces the files by the same ones. Nothing takes its final name before every
    object has passed.

    Raises
    ------
    InvalidResult
        An object is not valid: none is written.
    Unavailable
        The disk does not take them.
    """
    folder = outbox / study_key(study_uid)
    for result in objects:
        check(result.dataset)
    parts: dict[Path, Path] = {}
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for result in objects:
            file = folder / _name(result)
            parts[file] = file.with_suffix(".part")
        with ThreadPoolExecutor(_AT_ONCE) as pool:  # they wait for the disk and for a validator
            list(pool.map(_write_checked, objects, parts.values()))
        for file, part in parts.items():
            part.replace(file)
        sync_folder(folder)
        sync_folder(outbox)
    except OSError as error:
        raise Unavailable(f"outbox: {error.strerror or type(error).__name__}") from error
    finally:
        for part in parts.values():
            part.unlink(missing_ok=True)
    return [_record(result, outbox, folder) for result in objects]


def _name(result: ResultObject) -> str:
    uid = str(result.dataset.SOPInstanceUID)
    return f"{hashlib.sha256(uid.encode()).hexdigest()[:16]}.dcm"


def _write_checked(result: ResultObject, part: Path) -> None:
    with part.open("wb") as stream:
        result.dataset.save_as(stream, enforce_file_format=True)
        stream.flush()
        with checked(part):
            os.fsync(stream.fileno())


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
