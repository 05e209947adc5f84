"""Logs that hold no patient data: text for people, JSON lines for machines, hashed study keys."""

import hashlib
import json
import logging
import sys
import traceback
from datetime import UTC, datetime
from typing import Literal

from typing_extensions import override

FIELDS = ("study", "job", "attempt", "destination", "status", "instances", "peer")
"""The `extra` keys that log calls use; every formatter prints those that are present."""


def study_key(study_uid: str) -> str:
    """Return the pseudonym by which logs, metrics and file names call a study (12 hex digits)."""
    return hashlib.sha256(f"study\x1f{study_uid}".encode()).hexdigest()[:12]


class _Text(logging.Formatter):
    @override
    def format(self, record: logging.LogRecord) -> str:
        stamp = datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        fields = "".join(f" {key}={value}" for key, value in _fields(record).items())
        line = f"{stamp} {record.levelname:<7} {record.name}: {record.getMessage()}{fields}"
        return f"{line}\n{_trace(record)}" if record.exc_info else line


class _Json(logging.Formatter):
    @override
    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **_fields(record),
        }
        if record.exc_info:
            entry["exception"] = _trace(record)
        return json.dumps(entry, default=str)


def _fields(record: logging.LogRecord) -> dict[str, object]:
    return {key: getattr(record, key) for key in FIELDS if hasattr(record, key)}


def _trace(record: logging.LogRecord) -> str:
    """Say where an exception came from and its type, never its text: that may quote a header."""
    kind, _error, frames = record.exc_info or (None, None, None)
    lines = "".join(traceback.format_tb(frames))
    return f"{lines}{kind.__name__ if kind else 'unknown'}"


def configure(level: str, style: Literal["text", "json"]) -> None:
    """Send every log record to standard error, once, in the given style.

    Libraries quote header values in their warnings: theirs are shown from ERROR on only.
    """
    stream = logging.StreamHandler(sys.stderr)
    stream.setFormatter(_Json() if style == "json" else _Text())
    root = logging.getLogger()
    root.handlers[:] = [stream]
    root.setLevel(level)
    logging.captureWarnings(capture=True)
    for name in ("pynetdicom", "pydicom", "apscheduler", "highdicom", "alembic", "py.warnings"):
        logging.getLogger(name).setLevel(logging.ERROR)
