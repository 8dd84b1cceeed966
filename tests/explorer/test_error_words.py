"""What goes wrong with methods, layers, targets and networks is told in Chinese, too."""

from __future__ import annotations

import ast
import math
import re
from pathlib import Path

import pytest
import torch
from torch import nn

import interp
from interp import targets
from interp.explorer import words
from interp.methods import attribute, get

PACKAGE = Path(interp.__file__).parent
PARTS = [
    "methods", "models", "tokens.py", "stages.py", "layers.py", "logits.py", "targets.py", "places.py",
    "queries.py", "dense.py", "regions.py", "asked_regions.py", "asked_truth.py", "asked_pictures.py",
    "picture_targets.py",
]  # fmt: skip
SOURCES = sorted(
    source
    for part in PARTS
    for source in [*(PACKAGE / part).rglob("*.py"), PACKAGE / part]
    if source.is_file()
)
KINDS = {
    "CaptureError", "LabelError", "LayerError", "LayoutError", "MethodError", "ModelError", "PlaceError",
    "TargetError",
}  # fmt: skip
# Built of parts that are empty at times; they are raised below.
COMPOSED = {"~ ~; ~", "~", "the network's output is NaN or infinite~, so nothing can be asked of it. ~"}


def sentence(node: ast.expr) -> str:
    """Return the text of an error as it is written, with a `~` for every value."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(sentence(value) for value in node.values)
    return "~"


def raised() -> set[str]:
    found = set()
    for source in SOURCES:
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
                kind = getattr(node.exc.func, "id", "")
                found |= {sentence(node.exc.args[0])} if kind in KINDS else set()
    return found - COMPOSED


@pytest.mark.parametrize("text", sorted(raised()))
def test_every_sentence_has_a_translation_and_the_closest_comes_first(text):
    table, _ = words._sentences()
    literal = [
        len(re.sub(r"\(\?P<\w+>\.\+\?\)", "", pattern.pattern))
        for pattern, _ in table
        if pattern.fullmatch(text)
    ]
    assert literal
    assert literal[0] == max(literal)


def checks() -> set[str]:
    """Return what a verdict says of its checks; words that are chosen before are assigned."""
    tree = ast.parse((PACKAGE / "metrics" / "trusting.py").read_text(encoding="utf-8"))
    given = [
        node.args[2]
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Check"
    ]
    chosen = [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "words"
    ]
    return {sentence(each) for each in (*given, *chosen)} - {"~"}


@pytest.mark.parametrize("text", sorted(checks()))
def test_every_check_of_a_verdict_has_a_translation(text):
    assert any(pattern.fullmatch(text) for pattern, _ in words._sentences()[0])


def test_checks_are_found():
    assert len(checks()) == 8


@pytest.fixture
def model():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))
    return interp.load(net, preprocess=interp.Preprocess((9, 11), (0.5,) * 3, (0.5,) * 3))


def at(model, target=None, method="grad-cam", layer="0", value=0.0):
    return attribute(model, torch.full((1, 3, 9, 11), value), target, [method], [layer])


ASKED = [
    (lambda _: get("grad-cm"), "没有名为 'grad-cm' 的方法；您是指 grad-cam"),
    (lambda _: get("rise(masks=two)"), "'rise' 的选项无法解读"),
    (lambda _: get("rise(mask=2)"), "rise 没有选项 'mask'；您是指 masks 吗？"),
    (lambda _: get("rise(masks=2.5)"), "rise(masks=2.5)：这里应为整数，例如通常的 4000。"),
    (lambda _: get("grad-cam(fuse='sum')"), "grad-cam(fuse='sum')：请从 'mean', 'max', 'product', 'refine'"),
    (lambda _: get("rise(contrast=True)"), "rise(contrast=True)：RISE 不求导。"),
    (lambda m: at(m, method="rise(keep=2.0)"), "rise(keep=2.0)：应为 0 与 1 之间的概率。"),
    (
        lambda m: at(m, method="occlusion(baseline='x')"),
        "occlusion(baseline='x')：应为 black, white, zero, mean, blur 之一。",
    ),
    (lambda m: at(m, method="legrad"), "LeGrad 需要由全局注意力模块组成的视觉 Transformer"),
    (lambda m: at(m, layer="4"), "Grad-CAM 需要空间位置：层 '4' 对一张图片的输出是"),
    (lambda m: m.layers.resolve("conv"), "没有名为 'conv' 的层；`interp layers` 会列出各层。"),
    (lambda m: at(m, 7), "类别 7 不在模型输出 0 … 2 之内。"),
    (lambda m: at(m, [1, 2]), "1 张图片却有 2 个目标：请给一个，或每张图片一个。"),
    (
        lambda m: at(m, targets.pixel(0.5, 0.5)),
        "只有为每个像素分类的网络才能按位置询问；这个",
    ),
    (lambda m: at(m, value=math.nan), "网络的输出是 NaN 或无穷大，因此无法询问。输入中已经含有这样的值"),
    (lambda _: interp.load("nobody"), "没有模型 'nobody'：没有这个文件夹"),
]


@pytest.mark.parametrize(("ask", "said"), ASKED)
def test_what_goes_wrong_is_told_in_chinese(monkeypatch, model, ask, said):
    monkeypatch.setattr(words, "language", lambda: "zh")
    with pytest.raises(Exception) as raised:  # noqa: PT011 - of every kind
        ask(model)
    assert words.told(raised.value).startswith(said)
