"""A checkpoint -> a package: trace, convert, try, describe, write."""

import tempfile
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch

from export.card import write_card
from export.convert import settle
from export.graph import write_graph, write_plain_graph
from export.manifest import describe, describe_localiser, findings_of
from export.options import Options, OptionsError
from export.parity import insist, of_graph, of_network, of_oracle
from export.pictures import drawn, tied
from export.token_ranks import Follower, ranks_tokens
from export.trial import Trial
from model.checkpoint import Checkpoint
from model.gradcam import GradCam
from model.landmarks import LandmarkManifest
from model.networks.classifier import Classifier
from model.networks.hourglass import Localiser
from model.networks.pim import Pim
from model.package import GRAPH_FILE, Manifest, write_package
from model.verified import Description, ParityReport, write_verified

_MEGABYTE = 1e6


def export_checkpoint(stored: Checkpoint, out: Path, template: Path, options: Options) -> str:
    """Write the package of a checkpoint into `out`; return a line that says what was written.

    Raises
    ------
    ParityError
        The graph differs from PyTorch; `out` is as it was.
    """
    if stored.pixels.get("name", "letterbox") != "letterbox":
        raise OptionsError(f"pixels {stored.pixels['name']!r}: the daemon has only letterbox")
    network = stored.build()
    with tempfile.TemporaryDirectory() as folder:
        graph = Path(folder) / GRAPH_FILE
        if isinstance(network, Localiser):
            digest = write_verified(out, graph, *_localiser(stored, network, graph, options))
        else:
            manifest, card = _classifier(stored, network, (graph, template), options)
            digest = write_package(out, graph, manifest, card).digest
        size = graph.stat().st_size / _MEGABYTE
    return f"{out}: {size:.1f} MB, manifest sha256 {digest}"


def _classifier(
    stored: Checkpoint, network: Pim | Classifier, files: tuple[Path, Path], options: Options
) -> tuple[Manifest, str]:
    graph, template = files
    films = options.read()  # before anything that takes long
    findings = findings_of(tuple(stored.network["classes"]), stored.decision)
    layers = options.layers or (_default_layer(stored, network),)
    asked = [finding.class_index for finding in findings] if options.every_finding else []
    cam = GradCam(network, layers, options.method, asked)
    write_graph(cam, cam.size, graph, options.batch, external=options.external_data)
    reference, oracle = of_network(cam), of_oracle(cam)
    if ranks_tokens(network) and options.precision == "fp32":
        follower = Follower.of(network, graph, options.batch)
        led = GradCam(follower, layers, options.method, asked)
        reference, oracle = follower.lead(of_network(led)), follower.lead(of_oracle(led))
    trial = Trial(
        reference=reference,
        oracle=oracle if options.precision == "fp32" else None,
        against=f"PyTorch {torch.__version__}, pytorch-grad-cam {version('grad-cam')}",
        profile=stored.profile(),
        classes=len(network.config.classes),
        activation=network.config.activation,
        findings=findings,
        precision=options.precision,
    )
    found = settle(graph, trial, options, films)
    own = of_network(cam) if options.precision == "fp32" else of_graph(graph, options.batch)
    manifest = describe(stored, cam, graph, found, own, options)
    facts = _facts(manifest, graph) | {"cam_layer": manifest.cam_layer}
    return manifest, write_card(template, stored, facts)


def _localiser(
    stored: Checkpoint, network: Localiser, graph: Path, options: Options
) -> tuple[LandmarkManifest, str]:
    if options.layers or options.every_finding or options.precision != "fp32":
        raise OptionsError("a localiser has no maps, and is exported in fp32")
    size = network.config.size
    write_plain_graph(network, size, graph, "landmarks", options.batch)
    pictures = [*drawn(stored.profile()), tied(stored.profile())]
    run = of_graph(graph, options.batch)
    worst = 0.0
    for image in pictures:
        with torch.no_grad():
            theirs = network(torch.from_numpy(image)).numpy()
        ours = run(image, np.zeros(len(image), np.int64))["landmarks"]
        worst = float(np.maximum(worst, np.abs(ours - theirs).max()))
    found = {"landmarks": worst}
    insist(found, "fp32")
    count = sum(len(image) for image in pictures)
    report = ParityReport(reference=f"PyTorch {torch.__version__}", pictures=count)
    manifest = describe_localiser(stored, network, graph, (found, report), options)
    return manifest, f"# {manifest.name} {manifest.version}\n\n{', '.join(manifest.landmarks)}\n"


def _default_layer(stored: Checkpoint, network: Pim | Classifier) -> str:
    """Return the recipe's layer; a recipe that names a pyramid's means no other network."""
    named: str = stored.recipe["package"]["cam_layer"]
    if isinstance(network, Classifier) and named.startswith("level"):
        return network.cam_layer
    return named


def _facts(manifest: Description, graph: Path) -> dict[str, str]:
    return {
        "name": manifest.name,
        "version": manifest.version,
        "megabytes": f"{graph.stat().st_size / _MEGABYTE:.1f}",
        "size": str(manifest.pixels.size),
    }
