"""Settings: one TOML file, read once, strictly; every problem is reported together.

The shipped ``settings.toml`` shows each setting with its unit and default. An unknown key, a wrong
type or a missing file stops the start with exit code 78: a daemon that guesses is worse than one
that does not start. Secrets never stand here.
"""

import hashlib
import tomllib
from collections import Counter
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from daemon.dicom.body_parts import DEFINED_TERMS, folded
from daemon.dicom.quality_control import QUALITY_CONTROL_WORDS
from daemon.errors import Misconfigured
from daemon.place import Place as Place
from daemon.settings.models import SHIPPED
from daemon.settings.models import Model as Model
from daemon.settings.models import OperatingPoints as OperatingPoints
from daemon.settings.models import When as When
from daemon.settings.peers import (
    AeTitle,
    Commitment,
    DimsePeer,
    Port,
    Pull,
    Seconds,
    Section,
    Tls,
    Wait,
)
from daemon.settings.peers import Destination as Destination
from daemon.settings.peers import DimseDestination as DimseDestination
from daemon.settings.peers import DimseSource as DimseSource
from daemon.settings.peers import Source as Source
from daemon.settings.peers import StowDestination as StowDestination
from daemon.settings.peers import WadoSource as WadoSource
from daemon.settings.problems import words_of
from daemon.settings.text import not_plain, read_text, stripped

SERIES_APART = 10
"""Between the first series numbers of two models."""


class Node(Section):
    """Who this node is and where it keeps its state."""

    ae_title: AeTitle = "WRISTD"
    state_dir: str = "state"


class ReceiverSettings(Section):
    """The storage SCP."""

    host: str = "0.0.0.0"
    port: Port = 11112
    callers: tuple[AeTitle, ...] = ()
    processes: int = Field(default=0, ge=0, le=64)
    max_associations: int = Field(default=128, ge=1)
    max_associations_per_peer: int = Field(default=128, ge=1)
    max_half_open: int = Field(default=64, ge=1)
    max_pdu_bytes: int = Field(default=131072, ge=4096, le=1024 * 1024)
    max_object_bytes: int = Field(default=512 * 1024 * 1024, ge=1024)
    association_timeout_s: Seconds = 30.0
    max_association_s: Seconds = 86400.0
    message_timeout_s: Seconds = 20.0
    network_timeout_s: Seconds = 60.0
    min_bytes_per_s: int = Field(default=1024, ge=0)
    warn_free_bytes: int = Field(default=5 * 1024**3, ge=0)
    min_free_bytes: int = Field(default=1024**3, ge=0)
    tls_certificate: str = ""
    tls_key: str = ""
    tls_authority: str = ""

    @model_validator(mode="after")
    def _tls_is_whole(self) -> "ReceiverSettings":
        files = [self.tls_certificate, self.tls_key, self.tls_authority]
        if any(files) and not all(files):
            raise ValueError("tls_certificate, tls_key and tls_authority must be given together")
        return self


class LedgerPlace(Section):
    """Which database holds the ledger."""

    url: str = Field(default="", pattern=r"^(|postgresql\+psycopg://[^:@/]*@?[^@]*)$")
    """Empty for SQLite in the state folder. A password stands in ~/.pgpass, never here."""


class Assembly(Section):
    """When a study counts as complete."""

    quiet_period_s: Seconds = 30.0
    hard_cap_s: Seconds = 900.0
    sweep_interval_s: Seconds = 1.0
    needed_views: tuple[Literal["PA", "AP", "LAT", "OBL"], ...] = ()
    urgent_callers: tuple[AeTitle, ...] = ()
    changed_content: Literal["newest", "hold"] = "newest"

    @model_validator(mode="after")
    def _cap_is_longer(self) -> "Assembly":
        if self.hard_cap_s < self.quiet_period_s:
            raise ValueError("hard_cap_s must not be shorter than quiet_period_s")
        return self


class Reading(Section):
    """What models run on, and how often a study may fail."""

    provider: Literal["auto", "cuda", "tensorrt", "cpu"] = "auto"
    cuda_graph: bool = False
    threads: int = Field(default=0, ge=0)
    max_models_bytes: int = Field(default=0, ge=0)
    on_device_lost: Literal["degrade", "not_analysed"] = "degrade"
    slow_factor: float = Field(default=10.0, gt=1)
    batch_size: int = Field(default=0, ge=0, le=256)
    batch_wait_s: float = Field(default=0.05, ge=0, le=10)
    decoders: int = Field(default=0, ge=0, le=64)
    studies_in_hand: int = Field(default=6, ge=1, le=1000)
    lease_s: Seconds = 90.0
    max_attempts: int = Field(default=3, ge=1)
    retry_delay_s: Wait = 30.0
    max_pixels: int = Field(default=64_000_000, ge=1)
    decode_timeout_s: Seconds = 60.0
    decode_memory_bytes: int = Field(default=4 * 1024**3, ge=256 * 1024**2)
    body_parts: dict[str, str] = Field(default_factory=dict)
    quality_control_words: tuple[str, ...] = QUALITY_CONTROL_WORDS

    @property
    def silence_s(self) -> float:
        """The longest that a living worker leaves the lease of a job as it is, seconds.

        An image may take its limit to decode, and once more in a new child.
        """
        return self.lease_s + 2 * self.decode_timeout_s

    @field_validator("body_parts")
    @classmethod
    def _words_mean_defined_terms(cls, words: dict[str, str]) -> dict[str, str]:
        meant = {folded(word): folded(term) for word, term in words.items()}
        if unknown := sorted(set(meant.values()) - DEFINED_TERMS):
            raise ValueError(f"{', '.join(unknown)}: no defined term of PS3.16 Annex L")
        return meant

    @model_validator(mode="after")
    def _a_graph_is_captured_on_a_gpu(self) -> "Reading":
        if self.cuda_graph and self.provider not in ("cuda", "tensorrt"):
            raise ValueError('cuda_graph needs provider "cuda" or "tensorrt"')
        return self


class ReportSettings(Section):
    """What the results look like."""

    language: Literal["en", "de", "fr", "fi", "es"] = "en"
    heat_map: bool = True
    presentation_state: bool = False
    first_series_number: int = Field(default=9001, ge=1, le=2**31 - 10)


class DeliverySettings(Section):
    """How results are sent, and how patiently."""

    interval_s: Seconds = 2.0
    first_delay_s: Wait = 10.0
    max_delay_s: Wait = 1800.0
    give_up_after_s: Seconds = 7 * 86400.0
    timeout_s: Seconds = 60.0
    breaker_failures: int = Field(default=3, ge=1)
    commitment_retry_s: Wait = 3600.0


class RetentionSettings(Section):
    """How long files stay that are settled everywhere, or were refused; the rest stays anyway."""

    inputs_s: Seconds = 30 * 86400.0
    results_s: Seconds = 30 * 86400.0
    refused_s: Seconds = 30 * 86400.0
    refused_bytes: int = Field(default=1024**3, ge=0)


class Log(Section):
    """What is written to standard error."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    style: Literal["text", "json"] = "text"


class Settings(Section):
    """The whole file. Relative paths are relative to the file's folder."""

    node: Node = Node()
    receiver: ReceiverSettings = ReceiverSettings()
    tls: Tls = Tls()
    ledger: LedgerPlace = LedgerPlace()
    assembly: Assembly = Assembly()
    reading: Reading = Reading()
    models: tuple[Model, ...] = (SHIPPED,)
    report: ReportSettings = ReportSettings()
    delivery: DeliverySettings = DeliverySettings()
    commitment: Commitment = Commitment()
    retention: RetentionSettings = RetentionSettings()
    pull: Pull = Pull()
    sources: tuple[Source, ...] = ()
    destinations: tuple[Destination, ...]
    log: Log = Log()

    @field_validator("models", "destinations")
    @classmethod
    def _there_is_one(cls, blocks: tuple[Section, ...]) -> tuple[Section, ...]:
        if not blocks:
            raise ValueError("at least one is needed")
        return blocks

    @field_validator("models", "sources", "destinations")
    @classmethod
    def _names_tell_them_apart(
        cls, blocks: tuple[Model | Source | Destination, ...]
    ) -> tuple[Model | Source | Destination, ...]:
        uses = Counter(one.name for one in blocks)
        if several := [name for name, times in uses.items() if times > 1]:
            raise ValueError(f"every name must be used once only: {', '.join(several)}")
        return blocks

    @field_validator("models")
    @classmethod
    def _one_reads(cls, models: tuple[Model, ...]) -> tuple[Model, ...]:
        if all(one.hold for one in models):
            raise ValueError("at least one needs a package")
        return models

    @model_validator(mode="after")
    def _tls_has_an_authority(self) -> "Settings":
        peers = (*self.destinations, *self.commitment.peers, *self.sources)
        if any(one.tls for one in peers) and not self.tls_files().authority:
            raise ValueError("tls = true at a peer needs tls.authority, or receiver.tls_authority")
        return self

    def tls_files(self) -> Tls:
        """Return the files for peers that we call: those of the receiver where there are none."""
        if self.tls.authority:
            return self.tls
        ours = self.receiver
        return Tls(certificate=ours.tls_certificate, key=ours.tls_key, authority=ours.tls_authority)

    def titles(self) -> tuple[str, ...]:
        """Return the AE titles that the receiver answers to."""
        asked = (title for one in self.models for title in one.when.called)
        return tuple(dict.fromkeys([self.node.ae_title, *asked]))

    def destination_names(self) -> list[str]:
        """Return the names of all that get results."""
        return [one.name for one in self.destinations]

    def commitment_peers(self) -> dict[str, DimsePeer]:
        """Return where those that ask us for storage commitment get our report, by AE title."""
        known = [one for one in self.destinations if one.kind == "dimse"]
        return {one.ae_title: one for one in (*known, *self.commitment.peers)}

    def results_digest(self, model: Model) -> str:
        """Name what shapes a model's results besides inputs and package (16 hex digits)."""
        points = [one.model_dump_json() for one in model.operating_points]
        shape = "\x1f".join([self.report.model_dump_json(), model.name, *points])
        return hashlib.sha256(shape.encode()).hexdigest()[:16]

    def report_of(self, model: Model) -> ReportSettings:
        """Return what a model's results look like: their series have numbers of their own."""
        number = self.report.first_series_number + SERIES_APART * self.models.index(model)
        return self.report.model_copy(update={"first_series_number": number})


def load(path: Path) -> Settings:
    """Read a settings file.

    Raises
    ------
    Misconfigured
        With one line for each problem, each naming its key.
    """
    text = read_text(path)
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Misconfigured(f"{path}: not TOML: {error}{not_plain(text)}") from error
    try:
        return Settings.model_validate(stripped(raw))
    except ValidationError as error:
        lines = [f"{path.name}: {words_of(problem)}" for problem in error.errors()]
        raise Misconfigured("\n".join(lines)) from error


def resolve(settings_file: Path, value: str) -> Path:
    """Return a path of the settings as an absolute one."""
    return (settings_file.resolve().parent / value).resolve()
