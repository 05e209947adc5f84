"""All that the daemon tells of itself in numbers and flags: the one list of signals.

What is counted stands in the ledger under these names, what is so now in its notes. An alert is a
fact that a person should look at: most follow from the state of the ledger
(`daemon.ledger.standing_alerts`); the others are counted in the transaction that makes them true.
`docs/signals.md` shows this list.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Self


class SignalKind(StrEnum):
    """What a signal is."""

    COUNTER = "counter"
    """How often something happened; it only grows."""
    GAUGE = "gauge"
    """How much of something there is now."""
    FLAG = "flag"
    """Something that is so now, and of whom."""
    ALERT = "alert"
    """Something that a person should look at."""


Told = tuple[str, SignalKind, str, str, str]
"""Name, kind, unit, meaning, label."""


def _counter(name: str, unit: str, means: str, label: str = "") -> Told:
    return name, SignalKind.COUNTER, unit, means, label


def _gauge(name: str, unit: str, means: str, label: str = "") -> Told:
    return name, SignalKind.GAUGE, unit, means, label


def _flag(name: str, means: str) -> Told:
    return name, SignalKind.FLAG, "models", means, ""


def _alert(name: str, unit: str, means: str) -> Told:
    return name, SignalKind.ALERT, unit, means, ""


class Signal(StrEnum):
    """A signal; its value is its name in the ledger and in `wristd status`.

    Attributes
    ----------
    kind : SignalKind
    unit : str
        In the plural; "s" for seconds.
    means : str
        One sentence; of an alert also what to do.
    label : str
        What follows the name and parts the number: never words from outside; empty where nothing
        does.
    """

    _value_: str
    kind: SignalKind
    unit: str
    means: str
    label: str

    def __new__(cls, name: str, kind: SignalKind, unit: str, means: str, label: str) -> Self:
        """Make a member."""
        member = str.__new__(cls, name)
        member._value_ = name
        member.kind, member.unit, member.means, member.label = kind, unit, means, label
        return member

    @classmethod
    def named(cls, name: str) -> "Signal":
        """Return the signal with a name that is one."""
        return next(one for one in cls if one == name)

    def of(self, label: str) -> str:
        """Return the name with a label.

        Raises
        ------
        ValueError
            It has none, or the label is empty.
        """
        if not (self.label and label):
            raise ValueError(f"{self} is counted {'by ' + self.label if self.label else 'as one'}")
        return f"{self} {label}"

    IGNORED_SOP_CLASS = _counter(
        "ignored_sop_class", "objects", "Taken with Success and not kept: no CR or DX image."
    )
    SELF_OUTPUT = _counter(
        "self_output", "objects", "Our own results came back; they are taken and not kept."
    )
    DUPLICATE = _counter("duplicate", "objects", "The same bytes came again; nothing changes.")
    REPLACED = _counter(
        "replaced", "objects", "Other content came for a known image; its study is read anew."
    )
    REFUSED_LOW_DISK = _counter(
        "refused_low_disk", "objects", "Refused: less is free than `receiver.min_free_bytes`."
    )
    REFUSED_TOO_LARGE = _counter(
        "refused_too_large", "objects", "Refused: larger than `receiver.max_object_bytes`."
    )
    REFUSED_WRITE_FAILED = _counter(
        "refused_write_failed", "objects", "Refused: the disk did not take the object."
    )
    REFUSED_LEDGER = _counter(
        "refused_ledger", "objects", "Refused: the ledger did not take the arrival."
    )
    REFUSED_STOPPING = _counter("refused_stopping", "objects", "Refused: the daemon was stopping.")
    REFUSED_MISMATCH = _counter(
        "refused_mismatch", "objects", "Refused: the object is not the one that its command names."
    )
    REFUSED_CANNOT_UNDERSTAND = _counter(
        "refused_cannot_understand", "objects", "Refused: incomplete, unnamed, or no DICOM."
    )
    REFUSED_BODY_PART = _counter(
        "refused_body_part",
        "images",
        "Not analysed: the header says that the image shows another part of the body.",
        label="term of BodyPartExamined",
    )
    REJECTED_ASSOCIATIONS = _counter(
        "rejected_associations",
        "associations",
        "Rejected: a wrong AE title, protocol or application context.",
    )
    REJECTED_TOO_MANY = _counter(
        "rejected_too_many_associations",
        "associations",
        "Rejected: as many as the settings allow were open.",
    )
    REJECTED_TLS = _counter(
        "rejected_tls", "connections", "Closed: the peer failed to come under TLS."
    )
    CUT_TOO_SLOW = _counter(
        "cut_too_slow", "associations", "Cut: the peer was silent, or slower than the limits."
    )
    CUT_PROTOCOL_VIOLATION = _counter(
        "cut_protocol_violation", "associations", "Cut: the peer broke the protocol."
    )
    CUT_HALF_OPEN = _counter(
        "cut_half_open", "connections", "Cut without a request, to make room for a new connection."
    )
    CUT_SILENT = _counter(
        "cut_silent", "connections", "Closed: no whole request came within the limit."
    )
    LOST_CONNECTIONS = _counter(
        "lost_connections", "associations", "The peer was gone in the middle of a message."
    )
    CONNECTIONS_NOT_SERVED = _counter(
        "connections_not_served", "connections", "Closed at once: the machine had no thread left."
    )
    LOW_DISK_WARNINGS = _counter(
        "low_disk_warnings", "warnings", "Free space fell below `receiver.warn_free_bytes`."
    )
    UNREADABLE_ATTRIBUTES = _counter(
        "unreadable_attributes", "attributes", "Left out: they are there and are not valid."
    )
    DEGENERATE_HEAT_MAPS = _counter(
        "degenerate_heat_maps", "findings", "Not drawn: the evidence of a finding is not usable."
    )
    INFERENCE_OUT_OF_MEMORY = _counter(
        "inference_out_of_memory", "batches", "The device had no memory for a batch."
    )
    INFERENCE_DEVICE_LOST = _counter(
        "inference_device_lost", "devices", "A device failed and was given up."
    )
    INFERENCE_SLOW = _counter(
        "inference_slow", "times", "Inference became slower than `reading.slow_factor` allows."
    )
    MODEL_LOADS = _counter(
        "model_loads",
        "loads",
        "A model was loaded for a study: at its first use, or after it had to make room.",
        label="model",
    )

    JOBS = _gauge("jobs", "jobs", "Readings of a study by a model.", label="state")
    DELIVERIES = _gauge(
        "deliveries", "objects", "Results at destinations, not delivered.", label="state"
    )
    COMMITMENTS = _gauge(
        "commitments", "objects", "Results that no destination promised to keep.", label="state"
    )
    PUT_OFF = _gauge("put_off", "jobs", "Jobs that wait for want of something.", label="cause")
    WAITING_STUDIES = _gauge(
        "waiting studies", "s", "For how long the oldest study waits to be complete."
    )
    QUEUED_JOBS = _gauge("queued jobs", "s", "Age of the oldest job that waits.")
    RUNNING_JOBS = _gauge("running jobs", "s", "Age of the oldest job that is being done.")
    PENDING_DELIVERIES = _gauge("pending deliveries", "s", "Age of the oldest result to be sent.")
    OPEN_COMMITMENTS = _gauge(
        "open commitments", "s", "For how long the oldest promise to keep a result is awaited."
    )
    PLACE_SILENCE = _gauge("silent_s", "s", "For how long the host of a place has been silent.")
    PLACE_IMAGES = _gauge("images", "images", "Images that lie in a place.")
    PLACE_JOBS = _gauge("open_jobs", "jobs", "Jobs of a place that are not read.")
    PLACE_DELIVERIES = _gauge(
        "open_deliveries", "objects", "Results of a place that are not delivered."
    )

    READS_ON = _flag("reads_on", "The device that a model runs on.")
    DEVICE_LOST = _flag("device lost", "The device failed; the CPU reads, or nothing does.")
    SLOWER = _flag("slower than at start", "Inference is slower than `reading.slow_factor` allows.")
    NO_DEVICE = _flag("no CUDA device", "CUDA is installed and found no device; the CPU reads.")
    OUT_OF_SERVICE = _flag(
        "model out of service", "The package of a model could not be used when it was to be loaded."
    )

    STUDY_HELD = _alert(
        "alert_study_held",
        "studies",
        "Held for a person: mend the study in the PACS and send it again, or `wristd release` it.",
    )
    STUDY_QUARANTINED = _alert(
        "alert_study_quarantined",
        "studies",
        "The analysis failed repeatedly: see the log, then `wristd retry` or `wristd skip`.",
    )
    STUDY_WAITS = _alert(
        "alert_study_waits",
        "studies",
        "A study failed for want of something that others have: see `put_off` and the log.",
    )
    STUDY_EMPTIED = _alert(
        "alert_study_emptied",
        "studies",
        "Every image was moved to another study: `wristd withdraw` the results if they are wrong.",
    )
    MODEL_OFFLINE = _alert(
        "alert_model_offline",
        "studies",
        "Not analysed for want of a model or device: mend that, then `wristd replay` the study.",
    )
    MODEL_OUT_OF_SERVICE = _alert(
        "alert_model_out_of_service",
        "models",
        "A model cannot be used: `wristd check` says why; mend it and start again.",
    )
    NO_REPORT = _alert(
        "alert_no_report",
        "studies",
        "A study ended without any report: tell its readers, and report the error in the log.",
    )
    RESULT_LEFT_OUT = _alert(
        "alert_result_left_out",
        "objects",
        "A result could not be made or was not valid and is left out: report the error in the log.",
    )
    RESULT_PARKED = _alert(
        "alert_result_parked",
        "objects",
        "A destination does not take a result: mend that, then `wristd retry`, or `wristd skip`.",
    )
    PULL_GIVEN_UP = _alert(
        "alert_pull_given_up",
        "studies",
        "A study could not be fetched from its archive: send it from there if it is wanted.",
    )
    PLACE_SILENT = _alert(
        "alert_place_silent",
        "places",
        "A host is silent that holds files: start its daemon, or `wristd adopt` its place.",
    )
    STATE_FOLDER_COPIED = _alert(
        "alert_state_folder_copied",
        "places",
        "Two daemons are one place: stop one and remove `place.id` from the copied folder.",
    )
    LEDGER_WAS_NEW = _alert(
        "alert_ledger_was_new",
        "ledgers",
        "A start found images and a new ledger: restore a backup, or skip again what was skipped.",
    )
    DISK_FULL = _alert(
        "alert_disk_full",
        "disks",
        "Less is free than `receiver.min_free_bytes`, arrivals are refused: make room.",
    )


Tally = Mapping[Signal, int]
"""How often each of several signals is to be counted."""

NOTHING: Tally = MappingProxyType({})
