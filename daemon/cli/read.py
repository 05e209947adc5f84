"""The command that reads files: no ledger, no network, no state folder."""

import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from daemon import logs, service
from daemon.cli.app import DEFAULT_CONFIG, Config, app
from daemon.clock import utc_now
from daemon.operate.offline import account
from daemon.operate.offline.admission import Fate, Judged, found, judged
from daemon.operate.offline.contents import Contents, recorded
from daemon.operate.offline.folder import filled, named_by_kind, write_account
from daemon.operate.offline.studies import Studies
from daemon.records import Origin
from daemon.settings import load

Given = Annotated[list[Path], typer.Argument(help="DICOM files, and folders of them.")]
Out = Annotated[Path, typer.Option(help="Folder of the results: empty, or not there yet.")]
Calling = Annotated[str, typer.Option(help="The AE title that would send them.")]
Called = Annotated[str, typer.Option(help="The AE title they would be sent to.")]
_SAID = (Fate.REFUSED, Fate.IGNORED)


@app.command()
def read(
    files: Given,
    out: Out,
    config: Config = DEFAULT_CONFIG,
    calling: Calling = "",
    called: Called = "",
) -> None:
    """Read files as the daemon would: reports, pictures and results.json in a folder.

    Exit code 1 where a file was refused or there was nothing to read; results.json says which.
    """
    settings = load(config)
    logs.configure("WARNING", settings.log.style)  # progress is printed
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    origin = Origin(calling, called or settings.node.ae_title)
    began, limit = utc_now(), settings.receiver.max_object_bytes
    with filled(out) as folder, service.offline(settings, config, folder) as studies:
        every = [_told(judged(file, limit, origin, began)) for file in found(files)]
        settled, contents = recorded(every)
        whole = account.Account(
            settings_digest=account.digest_of_all(settings),
            read_at=began,
            files=tuple(map(account.file_said, settled)),
            studies=tuple(_read(studies, contents, folder)),
        )
        write_account(whole, folder)
    if not whole.studies:
        print("nothing to read: none of the files is a CR or DX image", file=sys.stderr)
    if not whole.studies or any(one.fate is Fate.REFUSED for one in every):
        raise typer.Exit(1)


def _told(file: Judged) -> Judged:
    """Say of a file that it is not taken, and why."""
    if file.fate in _SAID:
        print(f"{file.name}: {file.fate}: {file.reason}", file=sys.stderr)
    return file


def _read(studies: Studies, contents: Contents, folder: Path) -> Sequence[account.StudySaid]:
    """Read every study, and say its outcome when its results are written."""
    read: list[account.StudySaid] = []
    for study_uid, images in contents.studies().items():
        models = [
            account.model_said(reading, named_by_kind(results, folder, reading.model_name))
            for reading, results in studies.read(study_uid, images)
        ]
        read.append(account.study_said(study_uid, models))
        print(_in_words(read[-1]))
    return read


def _in_words(study: account.StudySaid) -> str:
    why = f" ({study.reason})" if study.reason else ""
    written = sum(len(one.results) for one in study.models)
    return f"{study.study}: {study.outcome}{why}, {written} results"
