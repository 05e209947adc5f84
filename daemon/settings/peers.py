"""Whom objects are exchanged with, as the settings describe them."""

from typing import Annotated, ClassVar, Literal, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

AeTitle = Annotated[
    str,
    BeforeValidator(lambda value: value.strip(" ") if isinstance(value, str) else value),
    Field(pattern=r"^[\x21-\x5b\x5d-\x7e]([\x20-\x5b\x5d-\x7e]{0,15})$"),
]
"""1 to 16 characters, no backslash; blanks at both ends do not count (PS3.5 6.2, AE)."""

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,32}$")]
ReportForm = Literal["comprehensive-3d", "comprehensive"]
Port = Annotated[int, Field(ge=0, le=65535)]
Seconds = Annotated[float, Field(gt=0)]
Wait = Annotated[float, Field(gt=0, le=86400.0)]
"""Seconds between two attempts: a day at most (`daemon.ledger.waits`)."""


class Section(BaseModel):
    """A part of the settings: frozen, strict, without unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Tls(Section):
    """What peers are shown that we call under TLS, and by what they are judged."""

    certificate: str = ""
    key: str = ""
    authority: str = ""

    @model_validator(mode="after")
    def _files_fit_together(self) -> "Tls":
        if bool(self.certificate) != bool(self.key):
            raise ValueError("certificate and key must be given together")
        if self.certificate and not self.authority:
            raise ValueError("authority is missing: nobody could be believed")
        return self


class DimsePeer(Section):
    """A peer that we open associations with."""

    ae_title: AeTitle
    host: str
    port: Annotated[int, Field(ge=1, le=65535)]
    tls: bool = False
    tls_name: str = ""
    """The name in its certificate, where that is not its host."""


class WebPeer(Section):
    """A peer that is asked over HTTP. Credentials stand in ~/.netrc, never here."""

    url: str = Field(pattern=r"^https?://[^@\s]+$")
    tls: bool = False
    """Our certificate is shown, and the authority of `[tls]` is asked, not the public ones."""

    @model_validator(mode="after")
    def _tls_is_https(self) -> "WebPeer":
        if self.tls and not self.url.startswith("https:"):
            raise ValueError("tls = true needs a url that begins with https:")
        return self


class DimseDestination(DimsePeer):
    """One peer that gets every result by C-STORE."""

    kind: Literal["dimse"] = "dimse"
    name: Name
    report: ReportForm = "comprehensive-3d"
    compression: Literal["none", "jpeg-ls", "jpeg-2000", "rle"] = "none"
    check_patient: bool = False
    commitment: bool = False


class StowDestination(WebPeer):
    """One peer that gets every result by STOW-RS."""

    kind: Literal["stow"] = "stow"
    name: Name
    report: ReportForm = "comprehensive-3d"
    commitment: ClassVar[bool] = False
    """DICOMweb has no storage commitment."""


class DimseSource(DimsePeer):
    """An archive that studies are fetched from by C-MOVE or C-GET."""

    kind: Literal["move", "get"]
    name: Name


class WadoSource(WebPeer):
    """An archive that studies are fetched from by QIDO-RS and WADO-RS."""

    kind: Literal["wado"] = "wado"
    name: Name


# In a file `kind` has no default: without it a block belongs to none of these.
Destination = Annotated[DimseDestination | StowDestination, Field(discriminator="kind")]
Source = Annotated[DimseSource | WadoSource, Field(discriminator="kind")]


def kinds_of(union: object) -> tuple[str, ...]:
    """Return the kinds of a union of sections that `kind` tells apart."""
    members = get_args(get_args(union)[0])
    return tuple(kind for one in members for kind in get_args(one.model_fields["kind"].annotation))


KINDS = {"destinations": kinds_of(Destination), "sources": kinds_of(Source)}
"""What `kind` may be, by the name of the blocks."""


class CommitmentPeer(DimsePeer):
    """Where a peer that asks us for storage commitment gets our report."""


class Commitment(Section):
    """Storage commitment that peers ask of us."""

    peers: tuple[CommitmentPeer, ...] = ()


class Pull(Section):
    """What is fetched from the sources at night."""

    window: str = Field(default="", pattern=r"^(|\d{2}:\d{2}-\d{2}:\d{2})$")
    """Hours of UTC, e.g. "22:00-05:00"; empty fetches nothing by itself."""
    days: int = Field(default=1, ge=1)
    modalities: tuple[str, ...] = ("CR", "DX")
    body_parts: tuple[str, ...] = ("WRIST",)
    studies_per_hour: float = Field(default=120.0, gt=0)

    @property
    def interval_s(self) -> float:
        """Seconds between the beginnings of two studies: the rate limit."""
        return 3600.0 / self.studies_per_hour
