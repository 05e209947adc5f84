"""What stands for an archive, by the kind of its source."""

import pytest

from daemon.errors import Misconfigured
from daemon.pull.dicomweb import WebArchive
from daemon.pull.dimse import DimseArchive
from daemon.service.fetching import fetching
from daemon.settings import DimseSource, Settings, WadoSource
from daemon.settings.peers import KINDS
from tests.support.receiving import PACS

DIMSE = {"ae_title": "PACS", "host": "127.0.0.1", "port": 104}
SOURCES = (
    WadoSource(name="web", url="http://127.0.0.1/dicom-web"),
    DimseSource(name="moves", kind="move", **DIMSE),
    DimseSource(name="gives", kind="get", **DIMSE),
)
ARCHIVES = {"wado": WebArchive, "move": DimseArchive, "get": DimseArchive}
SETTINGS = Settings(sources=SOURCES, destinations=(PACS,))


@pytest.mark.parametrize("source", SOURCES, ids=lambda one: one.kind)
def test_a_source_gets_the_archive_of_its_kind(tmp_path, source):
    with fetching(SETTINGS, tmp_path / "settings.toml", source.name) as fetcher:
        assert type(fetcher.archive) is ARCHIVES[source.kind]
        assert (fetcher.source, fetcher.archive.source) == (source.name, source)


def test_every_kind_of_source_has_an_archive():
    assert {source.kind for source in SOURCES} == set(KINDS["sources"])


def test_a_source_that_nobody_knows_is_refused_with_the_known_ones(tmp_path):
    with (
        pytest.raises(Misconfigured, match="is called attic; known: web, moves, gives"),
        fetching(SETTINGS, tmp_path / "settings.toml", "attic"),
    ):
        pass
