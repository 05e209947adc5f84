"""Logs that hold no patient data: text for people, JSON lines for machines, hashed study keys.

Whatever a record holds, it stays one line that nobody else can continue: control characters are
escaped. Only a traceback of ours has further lines, without the text of the exception.

What a peer provokes is said a few times a minute, then counted: nobody fills the log from outside.
"""

import hashlib
import json
import logging
import re
import sys
import threading
import traceback
import warnings
from contextlib import suppress
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Literal, TextIO

from typing_extensions import override

from daemon.quota import MessageKind, Quota

FIELDS = ("study", "job", "attempt", "destination", "status", "instances", "peer", "host")
"""The `extra` keys that log calls use; every formatter prints those that are present."""

peer_host: ContextVar[str] = ContextVar("peer_host")
"""The address of the peer that a thread serves; whatever is logged there is about that peer."""
ANY_HOST = "any"
"""For `extra`, where it is not known which peer provoked a record."""
MOST_A_MINUTE = 3
"""Records of one kind about one host."""
_MINUTE_S = 60.0
TIMER = "log"
"""Name of the thread that waits for the end of a minute."""

_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")
"""Control characters, line separators, and what turns the direction of text."""


def escaped(text: str) -> str:
    """Return a text in which nothing moves the cursor or begins a line."""
    return _UNPRINTABLE.sub(lambda match: repr(match[0])[1:-1], text)


def study_key(study_uid: str) -> str:
    """Return the pseudonym by which logs, metrics and file names call a study (12 hex digits)."""
    return hashlib.sha256(f"study\x1f{study_uid}".encode()).hexdigest()[:12]


class _Text(logging.Formatter):
    @override
    def format(self, record: logging.LogRecord) -> str:
        stamp = datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        fields = "".join(f" {key}={value}" for key, value in _fields(record).items())
        line = f"{stamp} {record.levelname:<7} {record.name}: {record.getMessage()}{fields}"
        line = escaped(line)
        return f"{line}\n{_trace(record)}" if record.exc_info else line


class _Json(logging.Formatter):
    @override
    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname,
            "logger": record.name,
            "message": escaped(record.getMessage()),
            **_fields(record),
        }
        if record.exc_info:
            entry["exception"] = _trace(record)
        return json.dumps(entry, default=str)


class Limited(logging.StreamHandler[TextIO]):
    """Writes records; of those about a host only as many as a quota lets pass, later the count.

    Parameters
    ----------
    stream : text file
    quota : Quota
    """

    def __init__(self, stream: TextIO, quota: Quota) -> None:
        super().__init__(stream)
        self._quota = quota
        self._timer: threading.Timer | None = None

    @override
    def emit(self, record: logging.LogRecord) -> None:
        host = getattr(record, "host", None) or peer_host.get(None)
        self._tell()
        if host is None:
            super().emit(record)
            return
        record.__dict__["host"] = host
        words = str(record.msg).partition("%")[0].rstrip(" :(/")
        if self._quota.passes(MessageKind(record.name, record.levelno, words, host)):
            super().emit(record)
        elif self._timer is None:
            self._tell_later()

    @override
    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        with suppress(OSError, ValueError):  # the stream has gone before us
            self._tell(everything=True)
        super().close()

    def _tell_later(self) -> None:
        timer = threading.Timer(self._quota.every_s, self._tell_in_time)
        timer.daemon, timer.name = True, TIMER
        with suppress(RuntimeError):  # no thread can be started: the next record tells
            timer.start()
            self._timer = timer

    def _tell_in_time(self) -> None:
        self.acquire()
        try:
            self._timer = None
            self._tell()
            if self._quota.is_holding:
                self._tell_later()
        finally:
            self.release()

    def _tell(self, *, everything: bool = False) -> None:
        """Write how many records were held back."""
        for kind, count in self._quota.held_back(everything=everything):
            text = f"{kind.words}: {count} more like it in the last minute"
            record = logging.LogRecord(kind.logger, kind.level, "", 0, text, None, None)
            record.__dict__["host"] = kind.host
            super().emit(record)


def _fields(record: logging.LogRecord) -> dict[str, object]:
    found = {key: getattr(record, key) for key in FIELDS if hasattr(record, key)}
    return {
        key: escaped(value) if isinstance(value, str) else value for key, value in found.items()
    }


def _trace(record: logging.LogRecord) -> str:
    """Say where an exception came from and its type, never its text: that may quote a header."""
    kind, _error, frames = record.exc_info or (None, None, None)
    lines = "".join(traceback.format_tb(frames))
    return f"{lines}{kind.__name__ if kind else 'unknown'}"


def _thread_ended(end: threading.ExceptHookArgs) -> None:
    """Say that a thread ended by an exception, also one of a library's."""
    if end.exc_value is not None:
        cause = (end.exc_type, end.exc_value, end.exc_traceback)
        logging.getLogger("daemon").error("a thread ended by a defect", exc_info=cause)


def configure(level: str, style: Literal["text", "json"]) -> None:
    """Send every log record to standard error, once, in the given style.

    Libraries quote header values in their warnings, pynetdicom also in its errors: theirs are shown
    from ERROR on only, its own not at all. Python's warnings are left out: each text that was shown
    is remembered for ever, and texts come from peers.
    """
    stream = Limited(sys.stderr, Quota(MOST_A_MINUTE, _MINUTE_S))
    stream.setFormatter(_Json() if style == "json" else _Text())
    root = logging.getLogger()
    root.handlers[:] = [stream]
    root.setLevel(level)
    warnings.simplefilter("ignore")
    threading.excepthook = _thread_ended
    logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)
    for name in ("pydicom", "apscheduler", "highdicom", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
