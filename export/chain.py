"""Put packages together into one of several stages: ``python -m export.chain FILE.json --out DIR``.

The file holds the keys of a manifest (`model.chain_package.ChainManifest`); under ``stages``
stand the folders of the exported packages, relative to the file. See docs/export.md.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from model.chain_package import ChainPackage, write_chain
from model.package import PackageError


def export_chain(description: Path, out: Path) -> ChainPackage:
    """Write the chain that a file describes.

    Raises
    ------
    PackageError
        It would not be accepted, or the file is no such description; `out` is as it was.
    """
    try:
        described = json.loads(description.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise PackageError(f"{description}: {error}") from error
    stages = described.pop("stages", None) if isinstance(described, dict) else None
    if not isinstance(stages, dict) or not all(isinstance(one, str) for one in stages.values()):
        raise PackageError(f"{description}: stages: name the folder of each stage's package")
    folders = {name: description.parent / folder for name, folder in stages.items()}
    return write_chain(out, folders, described, _card(described, folders))


def _card(described: dict[str, object], stages: dict[str, Path]) -> str:
    """Return the card of a chain: its name, then the cards of its stages."""
    cards = [f"# {described.get('name')} {described.get('version')}\n"]
    for name, folder in stages.items():
        card = folder / "CARD.md"
        text = card.read_text(encoding="utf-8") if card.exists() else ""
        cards.append(f"## Stage {name}\n\n{text.replace('# ', '### ')}".rstrip() + "\n")
    return "\n".join(cards)


def main(arguments: Sequence[str]) -> int:
    """Write one chain; exit status 0, or 1 with one line that says why not."""
    parser = argparse.ArgumentParser(prog="export.chain", description=__doc__)
    parser.add_argument("description", type=Path, help="JSON: the manifest, with stages' folders")
    parser.add_argument("--out", type=Path, required=True, help="folder of the package")
    options = parser.parse_args(arguments)
    try:
        package = export_chain(options.description, options.out)
    except PackageError as error:
        print(f"not exported: {error}", file=sys.stderr)
        return 1
    print(f"{options.out}: {len(package.graphs)} stages, manifest sha256 {package.digest}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
