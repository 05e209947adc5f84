"""What tests of reading share."""

import pytest

from model.package import write_package
from tests.support.graphs import tiny_manifest, write_graph


@pytest.fixture
def package(tmp_path):
    """A package of the tiny network; modules that need another define their own."""
    graph = write_graph(tmp_path / "tiny.onnx")
    return write_package(tmp_path / "package", graph, tiny_manifest(graph), "")
