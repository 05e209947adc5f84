"""Where the state lives."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from daemon.errors import Misconfigured


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
