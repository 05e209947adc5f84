"""A site's own measure of its machine."""

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from daemon.__main__ import app
from daemon.operate.bench import Bench, bench, latency_ms, rate
from daemon.operate.chart import Curve, draw
from daemon.reading.device.pace import Pace
from daemon.settings import Reading
from model.package import write_package
from tests.support.graphs import tiny_manifest, write_graph
from tests.support.node import model_block, settings_text


@pytest.fixture
def package(tmp_path):
    graph = write_graph(tmp_path / "tiny.onnx")
    return write_package(tmp_path / "package", graph, tiny_manifest(graph), "")


def test_figures_come_from_the_calls():
    pace = Pace(4, tuple(number / 1000 for number in range(1, 102)))
    assert rate(pace) == pytest.approx(4 / 0.051)
    assert latency_ms(pace) == pytest.approx((51.0, 96.0))


def test_it_says_what_ran_where(package):
    ticks = iter(np.arange(0.0, 1000.0, 0.5))
    made = bench(package, Reading(provider="cpu"), quick=True, stopwatch=lambda: next(ticks))
    assert made.device == "CPU"
    assert made.load_s == 0.5
    assert [pace.batch for pace in made.paces] == [1, 4, 8]
    assert made.paces[1].seconds == (0.5,) * 4  # enough after a while, however many were wanted
    assert "tiny 1 on CPU: loaded in 0.5 s" in made.headline()


def test_the_plot_shows_every_line_in_its_colour(tmp_path):
    file = tmp_path / "plot.png"
    made = Bench("tiny 1", "CPU", 0.5, 100.0, (Pace(1, (0.1, 0.3)), Pace(8, (0.4, 0.9))))
    made.plot(file)
    with Image.open(file) as image:
        seen = {colour for _, colour in image.getcolors(1 << 20)}
    assert {(0, 114, 178), (213, 94, 0)} <= seen


def test_a_larger_value_lies_higher(tmp_path):
    file = tmp_path / "plot.png"
    draw(file, "", {"axis": [Curve("low", [1.0, 2.0], [1, 1]), Curve("high", [1.0, 2.0], [3, 3])]})
    with Image.open(file) as image:
        pixels = np.asarray(image)[60:300, 200:300].astype(int)  # between the axis and the legend
    low = np.argwhere((pixels == (0, 114, 178)).all(-1))[:, 0]
    high = np.argwhere((pixels == (213, 94, 0)).all(-1))[:, 0]
    assert high.max() < low.min()


def test_the_command_prints_a_table_and_draws(tmp_path, package):
    file = tmp_path / "settings.toml"
    sections = {"models": [model_block(package.folder)], "reading": {"provider": "cpu"}}
    file.write_text(settings_text(sections, [type("Peer", (), {"ae_title": "A", "port": 1})()]))
    plot = tmp_path / "plot.png"
    command = ["bench", "--quick", "--config", str(file), "--plot", str(plot)]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    assert "images/s" in done.output
    assert plot.stat().st_size > 1000
