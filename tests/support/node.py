"""The daemon as its users run it: a process with a settings file."""

import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from tests.support.tools import PeerError, end_process, wait_until

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "model" / "packages" / "wrist-demo"
READY_WITHIN_S = 60.0
STOP_WITHIN_S = 10.0
_READY = re.compile(r"ready: (\S+) listens on port (\d+)")

Blocks = Sequence[Mapping[str, object]]
Sections = Mapping[str, Mapping[str, object] | Blocks]
"""Tables of the settings by name; a list is an array of tables."""


class Peer(Protocol):
    """Where results go."""

    @property
    def ae_title(self) -> str:
        """AE title."""

    @property
    def port(self) -> int:
        """Port on this machine."""


@dataclass
class Node:
    """A running daemon. `log` grows while it runs."""

    settings: Path
    process: subprocess.Popen[str]
    ae_title: str = ""
    port: int = 0
    log: list[str] = field(default_factory=list)
    ready: threading.Event = field(default_factory=threading.Event)
    reader: threading.Thread = field(init=False)

    def __post_init__(self) -> None:
        self.reader = threading.Thread(target=self._read_log, daemon=True)
        self.reader.start()

    def wristd(self, *arguments: str, within_s: float = 60.0) -> str:
        """Run another command of the CLI with the same settings; return what it printed."""
        command = [sys.executable, "-m", "daemon", *arguments, "--config", str(self.settings)]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=within_s, check=False
        )
        if done.returncode:
            raise PeerError(f"wristd {arguments[0]}: exit {done.returncode}: {done.stderr}")
        return done.stdout

    def studies(self) -> dict[str, dict[str, Any]]:
        """Return what the ledger says of each study, by Study Instance UID."""
        rows: list[dict[str, Any]] = json.loads(
            self.wristd("studies", "--json", "--limit", "100000")
        )
        return {row["study_uid"]: row for row in rows}

    def wait_for_outcomes(
        self, study_uids: Iterable[str], within_s: float = 120.0, every_s: float = 0.1
    ) -> dict[str, dict[str, Any]]:
        """Wait until every study has its outcome and no result of it is on its way any more."""
        wanted = set(study_uids)
        latest: dict[str, dict[str, Any]] = {}

        def settled() -> bool:
            latest.clear()
            latest.update(self.studies())
            return all(is_settled(latest.get(study_uid)) for study_uid in wanted)

        wait_until(settled, f"the outcomes of {len(wanted)} studies", within_s, every_s)
        return latest

    def kill(self) -> None:
        """End the process as a power cut would."""
        self.process.kill()
        self.process.wait()

    def _read_log(self) -> None:
        assert self.process.stderr is not None
        with self.process.stderr as said:
            for line in said:
                self.log.append(line.rstrip("\n"))
                found = _READY.search(line)
                if found:
                    self.ae_title, self.port = found[1], int(found[2])
                    self.ready.set()

    def await_ready(self) -> None:
        """Wait for the line that says that the receiver listens."""
        wait_until(
            lambda: self.ready.is_set() or self.process.poll() is not None,
            "the daemon to be ready",
            READY_WITHIN_S,
        )
        self.reader.join(timeout=0 if self.process.poll() is None else STOP_WITHIN_S)
        if not self.ready.is_set():
            raise PeerError(self.account("the daemon did not start"))

    def account(self, problem: str) -> str:
        """Describe a problem together with the end of the log."""
        return "\n".join([f"{problem} (exit {self.process.poll()})", *self.log[-30:]])


@contextmanager
def running_daemon(
    folder: Path, destinations: Sequence[Peer], sections: Sections | None = None
) -> Iterator[Node]:
    """Run the daemon until the block ends, then stop it as systemd would.

    Parameters
    ----------
    folder : Path
        Gets the settings file and the state; a folder that was used before is continued.
    destinations : sequence of peers
    sections : mapping or None
        Settings that differ from those of `fast_settings`, by section.

    Raises
    ------
    PeerError
        It did not get ready, died, or did not end with exit code 0 within `STOP_WITHIN_S`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    settings = folder / "settings.toml"
    settings.write_text(settings_text(fast_settings(sections or {}), destinations))
    command = [sys.executable, "-m", "daemon", "--config", str(settings)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, errors="replace")
    node = Node(settings, process)
    try:
        node.await_ready()
        yield node
        if process.poll() not in (None, -9):
            raise PeerError(node.account("the daemon ended by itself"))
    finally:
        code = end_process(process, STOP_WITHIN_S)
        node.reader.join(timeout=STOP_WITHIN_S)
        (folder / "wristd.log").write_text("\n".join(node.log) + "\n")
    if code not in (0, -9):
        raise PeerError(node.account("the daemon did not stop cleanly"))


def fast_settings(sections: Sections) -> dict[str, Mapping[str, object] | Blocks]:
    """Return settings for one machine and short waits, with the given ones laid over them."""
    settings: dict[str, dict[str, object]] = {
        "receiver": {"host": "127.0.0.1", "port": 0},
        "assembly": {"quiet_period_s": 2.0, "sweep_interval_s": 0.2},
        "reading": {"retry_delay_s": 1.0},
        "delivery": {"interval_s": 0.2, "first_delay_s": 1.0},
    }
    blocks: dict[str, Blocks] = {"models": [model_block()]}
    for section, values in sections.items():
        if isinstance(values, Mapping):
            settings.setdefault(section, {}).update(values)
        else:
            blocks[section] = values
    return {**settings, **blocks}


def model_block(package: Path = PACKAGE, **values: object) -> dict[str, object]:
    """Return a model of the settings."""
    return {"name": "wrist", "package": str(package), **values}


def settings_text(sections: Sections, destinations: Sequence[Peer]) -> str:
    """Write TOML; JSON spells strings, numbers and booleans the same way."""
    blocks = [
        (f"[{name}]", values) for name, values in sections.items() if isinstance(values, Mapping)
    ]
    for name, tables in sections.items():
        if not isinstance(tables, Mapping):
            blocks += [(f"[[{name}]]", table) for table in tables]
    for number, peer in enumerate(destinations, start=1):
        values = {
            "kind": "dimse",
            "name": f"pacs{number}" if number > 1 else "pacs",
            "ae_title": peer.ae_title,
            "host": "127.0.0.1",
            "port": peer.port,
            **getattr(peer, "options", {}),
        }
        blocks.append(("[[destinations]]", values))
    lines = []
    for title, values in blocks:
        lines += [title, *(f"{key} = {_toml(value)}" for key, value in values.items()), ""]
    return "\n".join(lines)


def _toml(value: object) -> str:
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key} = {_toml(item)}' for key, item in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    return json.dumps(value)


def is_settled(study: Mapping[str, Any] | None) -> bool:
    """Tell whether a study has its outcome, and all its results have arrived or are parked."""
    if study is None or study["state"] not in ("done", "quarantined"):
        return False
    return not study["deliveries"].get("pending")
