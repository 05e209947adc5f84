"""Do maps point at fractures? ``python -m training.pointing SUBJECT --manifest films.csv``.

For films with boxes, by every method of `training.maps` (of a package, by its own map): the share
of the map's mass inside the boxes, and the pointing game (`training.judging.boxes`), beside two
maps that know nothing. Letterbox only.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from training.data.examples import DataError
from training.data.splits import read_split
from training.judging.boxes import Mapper, Maps, compare, package_map
from training.judging.subject import Subject, load_subject
from training.maps import map_methods


def mapper(subject: Subject, target: int, layer: str) -> Mapper:
    """Return what draws every map of one image [1, 3, size, size], by the name of its method."""
    if subject.network is None:
        return package_map(subject.path, target)
    methods = map_methods(subject.network, target, layer)

    def draw(image: Tensor) -> Maps:
        return {name: make(image)[0].numpy() for name, make in methods.items()}

    return draw


def main(arguments: Sequence[str]) -> int:
    """Print the comparison as JSON."""
    parser = argparse.ArgumentParser(prog="training.pointing", description=__doc__)
    parser.add_argument("subject", type=Path, help="checkpoint file or model package folder")
    parser.add_argument("--manifest", type=Path, required=True, help="CSV with a column boxes")
    parser.add_argument("--split", default="val")
    parser.add_argument("--rename", action="append", default=[], metavar="LABEL=FINDING")
    parser.add_argument("--where", action="append", default=[], metavar="COLUMN=VALUE")
    parser.add_argument("--finding", default="fracture")
    parser.add_argument("--layer", default="", help="layer to look at; '': the network's own")
    options = parser.parse_args(arguments)
    rename, where = (dict(w.split("=", 1) for w in x) for x in (options.rename, options.where))
    try:
        subject = load_subject(options.subject)
        _insist(subject, options.finding)
        draw = mapper(subject, subject.classes.index(options.finding), options.layer)
        films = [e for e in read_split(options.manifest, rename, where) if e.split == options.split]
        print(json.dumps(compare(draw, films, subject.profile), indent=2))
    except (DataError, ValueError) as error:
        print(f"training.pointing: {error}", file=sys.stderr)
        return 2
    return 0


def _insist(subject: Subject, finding: str) -> None:
    if subject.geometry != "letterbox":
        raise DataError("boxes can be followed through the letterbox only")
    if finding not in subject.classes:
        raise DataError(f"there is no finding {finding!r}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
