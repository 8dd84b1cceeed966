"""Kernels applied by hand: against torch, scipy and loops, at every border."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from scipy import ndimage

from interp.features.errors import FeatureError
from interp.features.kernels import KERNELS, TooSmallError, apply_kernel, parse_kernel, read_kernel

SCIPY = {"reflect": "mirror", "zeros": "constant"}


def noise(height=9, width=12, seed=1):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_the_course_kernel_as_in_the_course():
    pixels = noise()
    kernel = torch.tensor([[0.0, -5 / 3, 1], [-5 / 3, -5 / 3, 1], [1.0, 1, 1]]).expand(1, 3, 3, 3) / 6
    expected = F.conv2d(torch.from_numpy(pixels).permute(2, 0, 1)[None] / 255, kernel)[0, 0]
    torch.testing.assert_close(apply_kernel(pixels, "bottom-right", border="valid").values, expected)


@pytest.mark.parametrize("border", ["reflect", "zeros"])
@pytest.mark.parametrize("name", KERNELS)
def test_borders_are_those_of_scipy(name, border):
    pixels = noise()
    summed = pixels.sum(2) / 255
    expected = ndimage.correlate(summed, np.array(KERNELS[name]), mode=SCIPY[border])
    found = apply_kernel(Image.fromarray(pixels), name, border=border)
    assert found.values.shape == (9, 12)
    np.testing.assert_allclose(found.values.numpy(), expected, atol=1e-5)


def test_sobel_is_that_of_scipy():
    pixels = noise()
    for name, axis in (("sobel-x", 1), ("sobel-y", 0)):
        expected = ndimage.sobel(pixels.sum(2) / 255, axis=axis, mode="mirror")
        np.testing.assert_allclose(apply_kernel(pixels, name).values.numpy(), expected, atol=1e-5)


@settings(max_examples=40, deadline=None)
@given(
    kernel=arrays(
        np.float32, st.tuples(st.integers(1, 5), st.integers(1, 5)), elements=st.floats(-2, 2, width=32)
    ),
    seed=st.integers(0, 99),
    border=st.sampled_from(["valid", "zeros", "reflect"]),
)
def test_any_kernel_by_loops(kernel, seed, border):
    pixels = noise(6, 7, seed)
    rows, columns = kernel.shape
    around = ((rows - 1) // 2, rows // 2), ((columns - 1) // 2, columns // 2)
    values = pixels.astype(np.float64) / 255
    if border != "valid":
        mode = "reflect" if border == "reflect" else "constant"
        values = np.pad(values, (*around, (0, 0)), mode=mode)
    high, wide = values.shape[0] - rows + 1, values.shape[1] - columns + 1
    expected = np.zeros((high, wide))
    for i in range(high):
        for j in range(wide):
            for channel in range(3):
                expected[i, j] += (values[i : i + rows, j : j + columns, channel] * kernel).sum()

    found = apply_kernel(pixels, kernel, border=border)

    np.testing.assert_allclose(found.values.numpy(), expected, atol=1e-4)
    assert (found.box.height, found.box.width) == (high, wide)
    assert found.box.top == (around[0][0] if border == "valid" else 0)
    assert found.box.left == (around[1][0] if border == "valid" else 0)


def test_edges_are_where_the_step_is_and_flat_pictures_give_the_sum_of_the_kernel():
    step = np.zeros((8, 8), np.uint8)
    step[:, 4:] = 255
    assert apply_kernel(step, "sobel-x").values[4].tolist() == [0, 0, 0, 12, 12, 0, 0, 0]
    assert apply_kernel(step, "sobel-y").values.abs().max() == 0
    for name, kernel in KERNELS.items():
        flat = apply_kernel(np.full((5, 5), 255, np.uint8), name).values
        np.testing.assert_allclose(flat.numpy(), 3 * np.sum(kernel), atol=1e-5)


@pytest.mark.parametrize("name", ["Sobel_X", " sobel x ", "sobel-x"])
def test_names_as_people_write_them(name):
    found = apply_kernel(noise(), name)
    assert found.name == "sobel-x"
    assert torch.equal(found.kernel, torch.tensor(KERNELS["sobel-x"]))


@pytest.mark.parametrize(
    "text", ["1 0 -1; 2 0 -2; 1 0 -1", "1,0,-1,2,0,-2,1,0,-1", "1, 0, −1\n2 0 −2\n1 0 -1;"]
)
def test_numbers_as_people_write_them(text):
    name, numbers = read_kernel(text)
    assert name == "3 × 3 kernel"
    assert numbers.tolist() == [[1, 0, -1], [2, 0, -2], [1, 0, -1]]


def test_fractions_and_one_row():
    torch.testing.assert_close(parse_kernel("0 -5/3 1e-2"), torch.tensor([[0, -5 / 3, 0.01]]))
    assert parse_kernel("2").tolist() == [[2]]


@pytest.mark.parametrize(
    ("kernel", "said"),
    [
        ("sobelx", "did you mean sobel-x"),
        ("emboss", "there is no kernel 'emboss'"),
        ("1 2; 3", "rows of 2, 1 numbers"),
        ("", "rows of no numbers"),
        ("1 x", "no number"),
        ("1/0", "no number"),
        ("1e999", "no number"),
        ([[1.0, float("nan")]], "finite"),
        ([1.0, 2.0], r"shape \(2,\)"),
        ([[]], r"shape \(1, 0\)"),
        ([["a"]], "no table of numbers"),
        ([[1], [1, 2]], "no table of numbers"),
    ],
)
def test_what_is_no_kernel_is_said(kernel, said):
    with pytest.raises(FeatureError, match=said):
        apply_kernel(noise(), kernel)


def test_small_pictures_and_unknown_borders():
    dot = noise(1, 1)
    assert apply_kernel(dot, "blur", border="zeros").values.shape == (1, 1)
    for border in ("valid", "reflect"):
        with pytest.raises(TooSmallError, match="1 × 1 pixels is too small for a kernel of 3 × 3"):
            apply_kernel(dot, "blur", border=border)
    with pytest.raises(FeatureError, match="border='wrap'"):
        apply_kernel(dot, "blur", border="wrap")


@pytest.mark.parametrize("guard", [torch.no_grad, torch.inference_mode, torch.enable_grad])
def test_tensors_of_any_kind_are_kernels(guard):
    expected = apply_kernel(noise(), "blur").values
    with guard():
        kernel = torch.full((3, 3), 1 / 9, requires_grad=True)
        found = apply_kernel(noise(), kernel)
    torch.testing.assert_close(found.values, expected)
    assert not found.values.requires_grad
    assert found.figure().axes


@pytest.mark.parametrize("text", ["1e999999999", "nan", "-inf", "1e400 2"])
def test_numbers_that_are_not_finite_are_refused_at_once(text):
    with pytest.raises(FeatureError, match="something that is no number"):
        parse_kernel(text)
