"""The folder of results: filled out of sight, and then moved to where it belongs."""

import os
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from PIL import Image
from pydicom import dcmread
from pydicom.uid import SecondaryCaptureImageStorage

from daemon.durable import sync_folder
from daemon.errors import Rejected, Unavailable, system_words
from daemon.operate.offline.account import Account, ResultSaid
from daemon.records import ResultFile

RESULTS = "results.json"
_PART = ".part"


@contextmanager
def filled(out: Path) -> Iterator[Path]:
    """Give a folder inside to be filled; what is in it moves up when the block ends well.

    `results.json` comes last: a folder that has it is whole.

    Raises
    ------
    Rejected
        There is something already, or the folder cannot be made.
    Unavailable
        The disk does not take what is written.
    """
    part = out / _PART
    try:
        is_new = _is_new(out)
        part.mkdir(mode=0o700)
    except OSError as error:
        raise Rejected(f"--out: the folder cannot be used: {system_words(error)}") from error
    try:
        yield part
        with _disk_errors():
            for name in sorted(part.iterdir(), key=lambda path: path.name == RESULTS):
                name.rename(out / name.name)
            sync_folder(out)
    finally:
        shutil.rmtree(part, ignore_errors=True)
        if is_new:
            with suppress(OSError):  # there is something in it: it stays
                out.rmdir()


def named_by_kind(results: Sequence[ResultFile], folder: Path, model: str) -> list[ResultSaid]:
    """Name the results of one model, which lie in a folder, by their kinds; pictures as PNG too.

    Raises
    ------
    Unavailable
        The disk does not take them.
    """
    several, done = Counter(one.kind for one in results), Counter[str]()
    named: list[ResultSaid] = []
    for result in results:
        done[result.kind] += 1
        number = [str(done[result.kind])] if several[result.kind] > 1 else []
        stem = "-".join(filter(None, [model, *result.kind.split(), *number]))
        with _disk_errors():
            named.append(_named(result, folder, stem))
    return named


def write_account(account: Account, folder: Path) -> None:
    """Write `results.json`, durably.

    Raises
    ------
    Unavailable
        The disk does not take it.
    """
    with _disk_errors(), (folder / RESULTS).open("w", encoding="utf-8") as stream:
        stream.write(account.to_json())
        stream.flush()
        os.fsync(stream.fileno())


def _is_new(out: Path) -> bool:
    """Make the folder; False where it is there, and empty.

    Raises
    ------
    Rejected
        There is something in it: nothing is overwritten.
    OSError
        It cannot be made, or not be looked into.
    """
    if not out.exists():
        out.mkdir(mode=0o700, parents=True)
        return True
    if any(out.iterdir()):
        raise Rejected("--out: the folder is not empty, and nothing in it is overwritten")
    return False


@contextmanager
def _disk_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unavailable(f"--out: {system_words(error)}") from error


def _named(result: ResultFile, folder: Path, stem: str) -> ResultSaid:
    before = folder / result.file
    file = before.rename(before.with_name(f"{stem}.dcm"))
    picture = _picture_of(file) if result.sop_class_uid == SecondaryCaptureImageStorage else None
    return ResultSaid(
        kind=result.kind,
        file=str(file.relative_to(folder)),
        picture=str(picture.relative_to(folder)) if picture is not None else None,
        sop_class_uid=result.sop_class_uid,
        sop_instance_uid=result.sop_instance_uid,
    )


def _picture_of(file: Path) -> Path:
    """Write a Secondary Capture as PNG beside it, for people who have no viewer."""
    dataset = dcmread(file)
    size = (int(dataset.Columns), int(dataset.Rows))
    picture = file.with_suffix(".png")
    Image.frombytes("RGB", size, dataset.PixelData).save(picture)
    return picture
