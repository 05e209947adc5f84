"""Whom objects are exchanged with, as the settings describe them."""

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

AeTitle = Annotated[
    str,
    BeforeValidator(lambda value: value.strip(" ") if isinstance(value, str) else value),
    Field(pattern=r"^[\x21-\x5b\x5d-\x7e]([\x20-\x5b\x5d-\x7e]{0,15})$"),
]
"""1 to 16 characters, no backslash; blanks at both ends do not count (PS3.5 6.2, AE)."""

Port = Annotated[int, Field(ge=0, le=65535)]
Seconds = Annotated[float, Field(gt=0)]
Wait = Annotated[float, Field(gt=0, le=86400.0)]
"""Seconds between two attempts: a day at most (`daemon.ledger.waits`)."""


class Section(BaseModel):
    """A part of the settings: frozen, strict, without unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Destination(Section):
    """One peer that gets every result by C-STORE."""

    name: str = Field(pattern=r"^[A-Za-z0-9_-]{1,32}$")
    ae_title: AeTitle
    host: str
    port: Annotated[int, Field(ge=1, le=65535)]
    report: Literal["comprehensive-3d", "comprehensive"] = "comprehensive-3d"
    compression: Literal["none", "jpeg-ls", "jpeg-2000", "rle"] = "none"
    check_patient: bool = False
    commitment: bool = False


class WebDestination(Section):
    """One peer that gets every result by STOW-RS. Credentials stand in ~/.netrc, never here."""

    name: str = Field(pattern=r"^[A-Za-z0-9_-]{1,32}$")
    url: str = Field(pattern=r"^https?://[^@\s]+$")
    report: Literal["comprehensive-3d", "comprehensive"] = "comprehensive-3d"


class CommitmentPeer(Section):
    """Where a peer that asks us for storage commitment gets our report."""

    ae_title: AeTitle
    host: str
    port: Annotated[int, Field(ge=1, le=65535)]


class Source(Section):
    """An archive that studies are fetched from by C-MOVE or C-GET."""

    name: str = Field(pattern=r"^[A-Za-z0-9_-]{1,32}$")
    ae_title: AeTitle
    host: str
    port: Annotated[int, Field(ge=1, le=65535)]
    retrieve: Literal["move", "get"] = "move"


class WebSource(Section):
    """An archive that studies are fetched from by QIDO-RS and WADO-RS."""

    name: str = Field(pattern=r"^[A-Za-z0-9_-]{1,32}$")
    url: str = Field(pattern=r"^https?://[^@\s]+$")
