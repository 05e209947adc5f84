"""The command that tries the rules by which models are asked."""

from pathlib import Path
from typing import Annotated

import typer

from daemon.assembly.routing import models_for, objection
from daemon.cli.app import DEFAULT_CONFIG, Config, app
from daemon.dicom.header import Header
from daemon.reading.sandbox import Decoders
from daemon.records import Origin
from daemon.settings import Model, Settings, load

Files = Annotated[
    list[Path], typer.Argument(help="DICOM files.", exists=True, dir_okay=False, readable=True)
]
Calling = Annotated[str, typer.Option(help="The AE title that would send them.")]
Called = Annotated[str, typer.Option(help="The AE title they would be sent to.")]


@app.command()
def route(
    files: Files, config: Config = DEFAULT_CONFIG, calling: Calling = "", called: Called = ""
) -> None:
    """Say which models would be asked of images, and why the others would not.

    Headers are read as the daemon reads them, in a child process; nothing of them is printed.
    """
    settings = load(config)
    decoders = Decoders(settings.reading, 1)
    origin = Origin(calling, called or settings.node.ae_title)
    try:
        for file in files:
            header = decoders.describe(file, Header("", "", ""))
            print(*_lines(file, header, origin, settings), sep="\n")
    finally:
        decoders.close()


def _lines(file: Path, header: Header, origin: Origin, settings: Settings) -> list[str]:
    if header == Header("", "", "", unreadable=header.unreadable):
        return [f"{file}: states nothing: is it a DICOM file?"]
    words = settings.reading.body_parts
    asked = models_for(header, origin, settings.models, words)
    lines = [f"{file}: {', '.join(asked) or 'no model for this image'}"]
    for model in settings.models:
        failed = objection(header, origin, model.when, words)
        lines.append(f"  {model.name}: {_why(model, failed, asked)}")
    return lines


def _why(model: Model, failed: str | None, asked: tuple[str, ...]) -> str:
    if failed is not None:
        return f"not asked: {failed}"
    if model.name not in asked:
        return "not asked: an earlier model reads this image, and this one does not say also"
    if model.hold:
        return "holds the study for a person"
    return "asked besides" if model.also else "asked: the first that matches"
