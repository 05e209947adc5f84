"""Write a model package: ``python -m export.onnx CHECKPOINT --out DIR``.

Trace, compare with PyTorch and pytorch-grad-cam, then write manifest, card and graph at once; when
the comparison fails nothing is written and the exit status is 1. A package folder instead of a
checkpoint is converted to another precision and compared with itself. See docs/export.md.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from export.card import CardError
from export.convert import export_package
from export.decompositions import UnsupportedError
from export.options import Options, OptionsError
from export.parity import ParityError
from export.pictures import FilmsError
from export.steps import Steps
from export.trace import export_checkpoint
from model import checkpoint
from model.package import PackageError

_REFUSALS = (
    OSError,
    KeyError,
    ValueError,
    CardError,
    FilmsError,
    PackageError,
    ParityError,
    UnsupportedError,
    OptionsError,
)


def main(arguments: Sequence[str]) -> int:
    """Export one checkpoint; exit status 0, or 1 with one line that says why not."""
    given = _parser().parse_args(arguments)
    try:
        options = Options(
            layers=tuple(given.cam_layer),
            method=given.cam,
            every_finding=given.every_finding,
            precision=given.precision,
            batch=_batch(given.batch),
            films=given.films,
            where=_pairs(given.where),
            rename=_pairs(given.rename),
            external_data=given.external_data,
        )
        with Steps(quiet=given.quiet) as steps:
            package = _export(given, options, steps)
    except _REFUSALS as error:
        print(f"{given.source}: not exported: {_line(error)}", file=sys.stderr)
        return 1
    print(package)
    return 0


def _export(given: argparse.Namespace, options: Options, steps: Steps) -> str:
    if given.source.is_dir():
        if given.card is not None:
            raise OptionsError("--card: a package that is converted keeps its card")
        return export_package(given.source, given.out, options, steps)
    stored = checkpoint.load(given.source)
    return export_checkpoint(stored, given.out, given.card, options, steps)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="export.onnx", description=__doc__)
    parser.add_argument("source", type=Path, help="checkpoint file, or package folder to convert")
    parser.add_argument("--out", type=Path, required=True, help="folder of the package")
    parser.add_argument(
        "--card", type=Path, help="template of the card; default: the checkpoint's own figures"
    )
    parser.add_argument("--cam-layer", nargs="+", default=[], metavar="NAME", help="where to look")
    parser.add_argument("--cam", choices=["gradcam", "layercam"], default="gradcam")
    parser.add_argument(
        "--every-finding", action="store_true", help="also the maps of all findings in each call"
    )
    parser.add_argument("--precision", choices=["fp32", "fp16", "int8"], default="fp32")
    parser.add_argument("--batch", default="dynamic", metavar="dynamic|N")
    parser.add_argument("--films", type=Path, help="CSV of real films to judge (and calibrate) by")
    parser.add_argument("--where", nargs="*", default=[], metavar="COLUMN=VALUE")
    parser.add_argument("--rename", nargs="*", default=[], metavar="LABEL=FINDING")
    parser.add_argument("--external-data", action="store_true", help="weights beside the graph")
    parser.add_argument("--quiet", action="store_true", help="do not say each step")
    return parser


def _batch(text: str) -> int | None:
    if text == "dynamic":
        return None
    if not text.isdigit() or int(text) < 1:
        raise OptionsError(f"--batch {text}: give a number of images, or dynamic")
    return int(text)


def _pairs(words: Sequence[str]) -> dict[str, str]:
    pairs = [word.partition("=") for word in words]
    if wrong := [left for left, mark, _ in pairs if not mark]:
        raise OptionsError(f"{wrong[0]}: give NAME=VALUE")
    return {left: right for left, _, right in pairs}


def _line(error: BaseException) -> str:
    if isinstance(error, ValidationError):
        error = PackageError.of("checkpoint", error)
    if isinstance(error, KeyError):
        return f"{error} is missing"
    return " ".join(str(error).split())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
