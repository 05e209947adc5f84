"""Open what the daemon would open, touch nothing, and say what is wrong: `wristd check`."""

import errno
import getpass
import os
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from pathlib import Path

from typing_extensions import override

from daemon.assembly.routing import never_asked
from daemon.calling.outgoing import build_outgoing
from daemon.dicom.tls import expiry_of
from daemon.errors import WristdError
from daemon.ledger.schema import standing
from daemon.operate.echo import WITHIN_S, ask_all, peers_of
from daemon.operate.holder import holder_of, listens
from daemon.settings import Model, Place, Settings, resolve

SOON_DAYS = 30
"""A certificate that ends earlier is worth a warning."""
LEDGER_WITHIN_S = 10.0


class Level(StrEnum):
    """How much a finding matters."""

    GOOD = "good"
    WARNING = "warning"
    """The daemon starts, but somebody should look."""
    WRONG = "wrong"
    """The daemon would not start, or not do its work."""


@dataclass(frozen=True)
class CheckResult:
    """What was found of one thing."""

    what: str
    level: Level
    words: str

    @override
    def __str__(self) -> str:
        return f"{self.level:<8}{self.what}: {self.words}"


def check_all(
    settings: Settings,
    file: Path,
    package: Callable[[Model], str],
    room: Callable[[], str],
    *,
    peers: bool,
) -> Iterator[CheckResult]:
    """Give what is found, one thing after the other.

    Parameters
    ----------
    settings : Settings
    file : Path
        Where they stand; paths are relative to it.
    package : callable
        Opens a model's package and names it; raises Misconfigured.
    room : callable
        Says how the packages that were opened fit under the ceiling; raises Misconfigured.
    peers : bool
        Whether peers are asked, too.
    """
    place = Place(root=resolve(file, settings.node.state_dir))
    yield from _folders(place)
    yield _space(settings, place)
    yield _port(settings, place)
    yield _tried("ledger", lambda: _ledger(settings, place))
    receiver, ours = settings.receiver, settings.tls
    if receiver.tls_certificate:
        files = receiver.tls_certificate, receiver.tls_key, receiver.tls_authority
        yield _tried("receiver.tls_certificate", lambda: _certificate(files))
    if ours.certificate:
        called_by = ours.certificate, ours.key, ours.authority
        yield _tried("tls.certificate", lambda: _certificate(called_by))
    yield from _models(settings, package)
    if settings.reading.max_models_bytes:
        yield _tried("reading.max_models_bytes", lambda: (Level.GOOD, room()))
    if peers:
        yield from _peers(settings)


def _models(settings: Settings, package: Callable[[Model], str]) -> Iterator[CheckResult]:
    unreachable = never_asked(settings.models)
    for model in settings.models:
        what = f"models.{model.name}"
        yield _tried(what, partial(_verified, package, model))
        if model.name in unreachable:
            words = "is never asked: a model before it has no `when` and reads every image"
            yield CheckResult(what, Level.WARNING, words)


def _verified(package: Callable[[Model], str], model: Model) -> tuple[Level, str]:
    if model.hold:
        return Level.GOOD, "holds studies for a person"
    return Level.GOOD, f"{package(model)}, verified"


def _tried(what: str, look: Callable[[], tuple[Level, str]]) -> CheckResult:
    try:
        return CheckResult(what, *look())
    except WristdError as error:
        return CheckResult(what, Level.WRONG, str(error))


def _folders(place: Place) -> Iterator[CheckResult]:
    """Try to write where the daemon writes; folders that it would make are not made."""
    for folder in (place.root, place.spool, place.quarantine, place.outbox):
        if not folder.exists():
            above = _existing(folder)
            can = os.access(above, os.W_OK | os.X_OK)
            words = "will be made" if can else f"cannot be made: {above} is not writable"
            level = Level.GOOD if can else Level.WRONG
            yield CheckResult("node.state_dir", level, f"{folder} {words}")
            return
        try:
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            words = f"{folder}: {getpass.getuser()} cannot write there ({error.strerror})"
            yield CheckResult("node.state_dir", Level.WRONG, words)
            return
    words = f"{place.root}: {getpass.getuser()} can write there"
    yield CheckResult("node.state_dir", Level.GOOD, words)


def _space(settings: Settings, place: Place) -> CheckResult:
    free, limits = shutil.disk_usage(_existing(place.root)).free, settings.receiver
    words = f"{free >> 20} MiB free"
    if free < limits.min_free_bytes:
        level, words = Level.WRONG, f"{words}: less than receiver.min_free_bytes, nothing is taken"
    elif free < limits.warn_free_bytes:
        level, words = Level.WARNING, f"{words}: less than receiver.warn_free_bytes"
    else:
        level = Level.GOOD
    return CheckResult("disk", level, words)


def _port(settings: Settings, place: Place) -> CheckResult:
    host, port = settings.receiver.host, settings.receiver.port
    what = "receiver.port"
    if not port:
        return CheckResult(what, Level.GOOD, "0: the system chooses one at the start")
    try:
        socket.create_server((host, port)).close()
    except OSError as error:
        holder = holder_of(place.root)
        if error.errno == errno.EADDRINUSE and holder is not None and listens(holder, port):
            words = f"{port} is held by the daemon that runs here (process {holder})"
            return CheckResult(what, Level.GOOD, words)
        return CheckResult(what, Level.WRONG, f"{port} on {host} cannot be taken: {error.strerror}")
    return CheckResult(what, Level.GOOD, f"{port} on {host} is free")


def _ledger(settings: Settings, place: Place) -> tuple[Level, str]:
    if not settings.ledger.url and not place.ledger.exists():
        return Level.GOOD, "does not exist yet: the first start makes it"
    found = standing(settings.ledger.url or place.ledger, LEDGER_WITHIN_S)
    return Level.GOOD, found


def _certificate(files: tuple[str, str, str]) -> tuple[Level, str]:
    certificate, key, authority = map(Path, files)
    ends = expiry_of(certificate, key, authority)
    days = (ends - datetime.now(UTC)).days
    words = f"fits its key, is valid until {ends:%Y-%m-%d} ({days} days)"
    return (Level.WARNING if days < SOON_DAYS else Level.GOOD), words


def _peers(settings: Settings) -> Iterator[CheckResult]:
    within_s = min(WITHIN_S, settings.delivery.timeout_s)
    patient = settings.delivery.model_copy(update={"timeout_s": within_s})
    outgoing = build_outgoing(settings.model_copy(update={"delivery": patient}))
    for peer in ask_all(peers_of(settings), outgoing):
        yield CheckResult(peer.name, Level.GOOD if peer.is_good else Level.WRONG, peer.words)


def _existing(folder: Path) -> Path:
    return next(one for one in (folder, *folder.parents) if one.exists())
