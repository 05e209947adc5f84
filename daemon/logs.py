"""Logs that hold no patient data: text for people, JSON lines for machines, hashed study keys.

Whatever a record holds, it stays one line that nobody else can continue: control characters are
escaped. Only a traceback of ours has further lines, without the text of the exception.
"""

import hashlib
import json
import logging
import re
import sys
import threading
import traceback
from datetime import UTC, datetime
from typing import Literal

from typing_extensions import override

FIELDS = ("study", "job", "attempt", "destination", "status", "instances", "peer")
"""The `extra` keys that log calls use; every formatter prints those that are present."""


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
    from ERROR on only, its own not at all.
    """
    stream = logging.StreamHandler(sys.stderr)
    stream.setFormatter(_Json() if style == "json" else _Text())
    root = logging.getLogger()
    root.handlers[:] = [stream]
    root.setLevel(level)
    logging.captureWarnings(capture=True)
    threading.excepthook = _thread_ended
    logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)
    for name in ("pydicom", "apscheduler", "highdicom", "alembic", "py.warnings"):
        logging.getLogger(name).setLevel(logging.ERROR)
