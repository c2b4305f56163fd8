"""What was removed as pictures: filters, kernels and pixels where the unpruned network has them."""

from __future__ import annotations

import base64
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser
from tests.conftest import Project, in_process
from tests.report.opened import looking
from tests.report.sweeps import HOSTILE, convolutional_pictures, ordinary, pictures

from prunelab import names
from prunelab.cli.report import main as redraw
from prunelab.network.packed import KeptChannels, Packed
from prunelab.report.figures import draw
from prunelab.report.page import page
from prunelab.report.pictures import Picture, matrix_png, picture
from prunelab.report.tiles import GAP, GONE, TILE, tiles

SHAPE = json.dumps([3, 8, 8])


def packed(**weights: np.ndarray) -> Packed:
    arrays = {f"{name}.weight": array for name, array in weights.items()}
    return Packed({"shape": SHAPE}, arrays, list(arrays))


def everything(network: Packed) -> list[KeptChannels]:
    """Of a network from which nothing was removed."""
    sizes = [(name, network.arrays[name].shape) for name in network.weights]
    return [KeptChannels(n[:-7], np.ones(shape[0], bool), np.ones(shape[1], bool)) for n, shape in sizes]


def ones(*shape: int) -> np.ndarray:
    return np.ones(shape, np.float32)


def pixels_of(uri: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))).convert("RGBA"))


def test_a_convolutional_network_has_its_filters_and_a_later_convolution_in_the_unpruned_networks_positions() -> None:
    small = packed(stem=ones(2, 3, 3, 3), depthwise=ones(2, 1, 3, 3), point=3 * ones(4, 2, 2, 2), output=ones(10, 4))
    kept = [
        KeptChannels("stem", np.array([True, False, True]), np.ones(3, bool)),
        KeptChannels("depthwise", np.array([True, False, True]), np.ones(1, bool)),
        KeptChannels("point", np.ones(4, bool), np.array([True, False, True])),
        KeptChannels("output", np.ones(10, bool), np.ones(4, bool)),
    ]
    seen = picture("neuron", 50, small, kept)
    assert seen is not None
    assert seen.filters is not None
    assert (seen.filters.layer, seen.filters.left, seen.filters.weights.shape) == ("stem", 2, (3, 3, 3, 3))
    assert not seen.filters.weights[1].any()
    assert (seen.layer, seen.convolution, seen.inputs) == ("point", True, None)
    np.testing.assert_allclose(seen.weights, [[6, 0, 6]] * 4)
    assert seen.kept == pytest.approx(2 / 3)
    drawn = pixels_of(matrix_png(seen))
    assert drawn[0, :, 3].tolist() == [255, 0, 255]


def test_a_linear_network_has_its_second_layer_and_its_pixels_as_before() -> None:
    network = packed(hidden_1=ones(5, 192), hidden_2=ones(4, 5), output=ones(10, 4))
    seen = picture("weight", 50, network, everything(network))
    assert seen is not None
    assert (seen.layer, seen.filters, seen.convolution) == ("hidden_2", None, False)
    assert seen.inputs is not None
    assert seen.inputs.shape == (8, 8)
    assert (seen.inputs == 15).all()
    one = packed(hidden_1=ones(5, 192), output=ones(10, 5))
    only = picture("weight", 50, one, everything(one))
    assert only is not None
    assert only.layer == "hidden_1"


def test_there_are_pixels_only_where_the_first_layer_takes_them() -> None:
    network = packed(hidden_1=ones(5, 40), hidden_2=ones(4, 5), output=ones(10, 4))
    seen = picture("weight", 50, network, everything(network))
    assert seen is not None
    assert seen.inputs is None
    assert "pixels" not in draw(ordinary(), [seen])


def test_of_several_layers_one_is_shown_that_every_method_prunes() -> None:
    network = packed(patches=ones(6, 3, 4, 4), qkv=ones(18, 6), fc1=ones(8, 6), output=ones(10, 6))
    for pruned, layer in (((), "qkv"), (("fc1",), "fc1"), (("patches", "qkv", "fc1"), "qkv")):
        seen = picture("weight", 50, network, everything(network), pruned)
        assert seen is not None
        assert seen.layer == layer


def test_tensors_that_do_not_fit_make_no_picture() -> None:
    network = packed(conv=ones(5, 3, 3, 3), output=ones(10, 5))
    kept = everything(network)
    wrong = [KeptChannels("conv", np.ones(7, bool), np.ones(3, bool)), kept[1]]
    assert picture("weight", 50, network, wrong) is None
    assert picture("weight", 50, network, []) is None
    assert picture("weight", 50, Packed({"shape": SHAPE}, {}, ["conv.weight", "output.weight"]), kept) is None


@pytest.mark.parametrize("channels", [1, 3, 5])
def test_a_filter_that_is_gone_is_hatched_and_a_weight_that_is_gone_is_pale(channels: int) -> None:
    filters = ones(5, channels, 3, 3)
    filters[1] = 0
    filters[2, :, 0, 0] = 0
    sheet = tiles(filters)
    assert sheet.shape[:2] == (2 * TILE + GAP, 3 * TILE + 2 * GAP)
    gone = sheet[:TILE, TILE + GAP : 2 * TILE + GAP, 3]
    assert 0.1 < (gone > 0).mean() < 0.5
    assert (sheet[:TILE, :TILE, 3] == 255).all()
    third = sheet[:TILE, 2 * (TILE + GAP) :]
    assert tuple(third[0, 0]) == GONE
    assert (third[TILE // 3 :, :, 3] == 255).all()
    assert (sheet[TILE + GAP :, 2 * (TILE + GAP) :] == 0).all(), "there is no sixth filter"


def test_filters_of_any_number_and_size_can_be_drawn() -> None:
    for shape in ((1, 1, 1, 1), (2, 3, 11, 5), (64, 4, 1, 9), (300, 3, 7, 7)):
        assert tiles(ones(*shape)).any()
        assert tiles(0 * ones(*shape)).any()


def test_the_page_says_which_picture_is_what(browser: Browser, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    file.write_text(page(ordinary(), None, [*pictures(), *convolutional_pictures()]), encoding="utf-8")
    with looking(browser, file, "pictures") as opened:
        section = opened.page.locator("#pictures")
        assert section.locator("h3").all_text_contents() == ["50% removed, hidden_1", "50% removed, layer1.0.conv1"]
        filters = section.get_by_alt_text("Filters of conv1 under weight at 50%: 5 of 10 are left")
        norms = section.get_by_alt_text("Kernel norms of layer1.0.conv1 under weight at 50%: 50.0% of its weights stay")
        for image in (filters, norms):
            box = image.bounding_box()
            assert box is not None
            assert min(box["width"], box["height"]) > 150
        linear, convolutional = section.locator(".pictures").all()
        assert linear.locator("figure").first.locator("img").count() == 3
        assert convolutional.locator("figure").first.locator("img").count() == 2
        assert convolutional.get_by_text("pixels").count() == 0
        assert opened.page.evaluate("typeof hit") == "undefined"
        assert opened.complaints == []
    assert HOSTILE not in file.read_text(encoding="utf-8")
    assert {"pixels", "filters"} <= draw(ordinary(), [*pictures(), *convolutional_pictures()]).keys()


@pytest.mark.slow
def test_a_sweep_of_several_networks_has_pictures_of_each_and_none_of_what_cannot_be_read(project: Project) -> None:
    small = ("data=digits", "training.epochs=1", "trainer.progress=false", "measure.batch_sizes=[]")
    outcome = project.prunelab("-m", *small, "model=vgg_small,mlp_small", "method=weight,neuron", "percentage=50")
    assert outcome.status == 0, outcome.output
    assert "The unpruned network, vgg_small: test accuracy" in outcome.output

    def shown() -> str:
        (sweep,) = project.runs("sweep")
        assert project.artifact(sweep, f"{names.FIGURES}/survivors.png").is_file()
        html = project.artifact(sweep, names.REPORT_FILE).read_text(encoding="utf-8")
        return html[html.index('id="pictures"') :]

    html = shown()
    assert re.findall(r"<h3>(.*?)</h3>", html) == ["50% removed, features.conv1_2", "50% removed, hidden_2"]
    assert html.count('class="filters"') == 2
    for run in project.runs("job"):
        if run.data.params["model"] == "vgg_small":
            project.artifact(run, names.KEPT_FILE).write_bytes(b"of an older version")
    again = in_process("prunelab-report", redraw, project.folder, "data=digits")
    assert again.status == 0, again.output
    assert re.findall(r"<h3>(.*?)</h3>", shown()) == ["50% removed, hidden_2"]


def test_a_picture_knows_what_it_shows() -> None:
    weights = np.array([[0, 1], [0, 0]], np.float32)
    seen = Picture("weight", 50, "hidden_2", weights)
    assert (seen.kept, seen.empty_rows, seen.empty_columns, seen.unused_pixels) == (0.25, 1, 1, 0)
