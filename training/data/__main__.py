"""Look after data sets: ``python -m training.data list|check|convert|freeze``.

list SOURCE             films, patients and classes of every split
check SOURCE            one line for each problem; exit status 1 where there is any
convert LAYOUT FOLDER   a manifest of a published data set, split by patient
freeze SOURCE           a lock file, which `data.lock` of a recipe demands

SOURCE is a manifest or a folder. Exit status 2: it cannot be read; nothing was written.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from training.data.audit import problems
from training.data.conversion import SHARES, convert
from training.data.examples import DataError, Example
from training.data.layouts import LAYOUTS, read_set
from training.data.lock import freeze, write_lock
from training.data.splits import counts


def main(arguments: Sequence[str]) -> int:
    """Run one verb."""
    options = _parser().parse_args(arguments)
    verbs = {"list": _list, "check": _check, "convert": _convert, "freeze": _freeze}
    try:
        films = read_set(
            options.source,
            options.layout,
            options.classes.split(",") if options.classes else (),
            _pairs("--rename", options.rename),
            _pairs("--where", options.where),
        )
        return verbs[options.verb](films, options)
    except DataError as error:
        print(f"training.data: {error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="training.data",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = parser.add_subparsers(dest="verb", required=True)
    for verb in ("list", "check", "convert", "freeze"):
        one = verbs.add_parser(verb)
        if verb == "convert":
            one.add_argument("layout", choices=LAYOUTS)
        one.add_argument("source", type=Path, help="manifest or folder")
        if verb != "convert":
            one.add_argument("--layout", choices=LAYOUTS, help="of SOURCE")
        one.add_argument("--classes", metavar="A,B", help="of numbered class folders")
        renamed = verb != "freeze"  # a lock is of a whole data set under its own labels
        for name, what in (("--rename", "LABEL=FINDING"), ("--where", "COLUMN=VALUE")):
            if renamed:
                one.add_argument(name, action="append", default=[], metavar=what)
            else:
                one.set_defaults(**{name.strip("-"): []})
        if verb in ("convert", "freeze"):
            one.add_argument("--out", type=Path, required=True)
    _add_shares(verbs.choices["convert"])
    return parser


def _add_shares(parser: argparse.ArgumentParser) -> None:
    default = " ".join(f"{name}={share}" for name, share in SHARES.items())
    parser.add_argument(
        "--shares",
        nargs="+",
        metavar="SPLIT=SHARE",
        help=f"split anew, by patient; where the layout has no splits: {default}",
    )
    parser.add_argument("--seed", type=int, default=42)


def _list(films: list[Example], _: argparse.Namespace) -> int:
    for split, table in counts(films).items():
        those = [film for film in films if film.split == split]
        classes = ", ".join(f"{name} {count}" for name, count in table.items())
        people = len({film.patient for film in those})
        print(f"{split or 'no split'}: {len(those)} films of {people} patients: {classes}")
    return 0


def _check(films: list[Example], _: argparse.Namespace) -> int:
    found = 0
    for line in problems(films):
        print(line)
        found += 1
    print(f"{len(films)} films, {found} problems", file=sys.stderr)
    return int(found > 0)


def _convert(films: list[Example], options: argparse.Namespace) -> int:
    words = _pairs("--shares", options.shares or [])
    try:
        shares = {split: float(share) for split, share in words.items()}
    except ValueError as error:
        raise DataError(f"--shares: {error}") from error
    kept = convert(films, options.out, shares or None, options.seed)
    _list(kept, options)
    if len(kept) < len(films):
        print(f"{len(films) - len(kept)} copies of other films were left out")
    print(options.out)
    return 0


def _freeze(films: list[Example], options: argparse.Namespace) -> int:
    source: Path = options.source
    write_lock(options.out, freeze(films, source if source.is_dir() else source.parent))
    print(options.out)
    return 0


def _pairs(option: str, words: Sequence[str]) -> dict[str, str]:
    """Read ``key=value`` words."""
    wrong = [word for word in words if "=" not in word]
    if wrong:
        raise DataError(f"{option}: {wrong[0]!r} is not of the form A=B")
    return dict(word.split("=", 1) for word in words)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
