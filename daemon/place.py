"""Where the state lives, and the name by which a ledger that several hosts share knows it."""

import os
import secrets
import socket
from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict

from daemon.durable import sync_folder
from daemon.errors import Misconfigured

IDENTITY = "place.id"
_UID_BYTES = 8
_NAME_LENGTH = 64


class Home(NamedTuple):
    """Which place a state folder is: `uid` for good (16 hexadecimal digits), `name` for people."""

    uid: str
    name: str


class Place(BaseModel):
    """Where the state lives; made from the settings and the folder of their file."""

    model_config = ConfigDict(frozen=True)

    root: Path

    @property
    def spool(self) -> Path:
        """Received files."""
        return self.root / "spool"

    @property
    def quarantine(self) -> Path:
        """What could not be used."""
        return self.root / "quarantine"

    @property
    def outbox(self) -> Path:
        """Results on their way."""
        return self.root / "outbox"

    @property
    def ledger(self) -> Path:
        """The SQLite file."""
        return self.root / "ledger.sqlite"

    def create(self) -> None:
        """Make the folders, readable by the daemon's user only."""
        for folder in (self.root, self.spool, self.quarantine, self.outbox):
            try:
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            except OSError as error:
                raise Misconfigured(
                    f"node.state_dir: cannot make {folder}: {error.strerror}"
                ) from error

    def known_uid(self) -> str | None:
        """Return the identity of this folder; None where no daemon has run yet."""
        try:
            return identity_of(self.root)
        except OSError:
            return None

    def home(self) -> Home:
        """Return which place this is, called by the host's name; its first call makes it one.

        Raises
        ------
        Misconfigured
            There is no folder, it does not take the identity, or what it has is none.
        """
        name = socket.gethostname()[:_NAME_LENGTH]
        try:
            if not (self.root / IDENTITY).exists():
                _settle(self.root)
            return Home(identity_of(self.root), name)
        except OSError as error:
            raise Misconfigured(
                f"node.state_dir: {self.root / IDENTITY}: {error.strerror}"
            ) from error


def identity_of(root: Path) -> str:
    """Return the identity that a state folder has.

    Raises
    ------
    Misconfigured
        What stands in its file is none.
    OSError
        There is none, or the disk does not give it.
    """
    uid = (root / IDENTITY).read_text("ascii", "replace").strip()
    if len(uid) != 2 * _UID_BYTES or not set(uid) <= set("0123456789abcdef"):
        raise Misconfigured(f"{root / IDENTITY} holds no identity of a state folder")
    return uid


def _settle(root: Path) -> None:
    """Give a folder its identity, durably; of two that come at once one does."""
    part = root / f"{IDENTITY}.{secrets.token_hex(4)}.part"
    with part.open("w", encoding="ascii") as stream:
        stream.write(secrets.token_hex(_UID_BYTES))
        stream.flush()
        os.fsync(stream.fileno())
    try:
        os.link(part, root / IDENTITY)
    except FileExistsError:
        pass
    finally:
        part.unlink(missing_ok=True)
    sync_folder(root)
