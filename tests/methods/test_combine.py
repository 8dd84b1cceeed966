"""What every method can be combined with, and that sums of targets are sums of maps."""

import pytest
import torch
import torch.nn.functional as F
from nets import EVERY, GENERAL, Block, PooledLinear, inputs_for, model_of, only
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

import interp
from interp import targets
from interp.dense import RegionTarget
from interp.logits import LogitTarget
from interp.methods import INPUT, MethodError, attribute, get
from interp.methods.crops import _cut, crops_of
from interp.methods.fusing import FUSIONS, over_range, share_of_peak

STAGES = ["one", "two", "three", "four"]
LINEAR = ["cam", "grad-cam", "grad-cam-course", "hires-cam", "xgrad-cam", "shapley-cam", "fullgrad-signed"]


def map_of(model, inputs, method, target=1, layer="act"):
    return only(attribute(model, inputs, target, [method], [layer]).maps, method)


def pooled():
    model = model_of(PooledLinear())
    return model, inputs_for(model, 2)


class Mirrored(nn.Module):
    """Bias-free, with kernels that are their own mirror images: mirrored inputs give mirrored maps."""

    def __init__(self, dense=False):
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.act = nn.Conv2d(3, 5, 3, padding=1, bias=False), nn.ReLU()
        self.last = nn.Conv2d(5, 3, 3, padding=1, bias=False)
        for part in (self.conv, self.last):
            part.weight.data += part.weight.data.flip(-1)
        self.dense = dense
        self.double()

    def forward(self, x):
        x = self.last(self.act(self.conv(x)))
        return x if self.dense else x.mean((2, 3))


class Stages(nn.Module):
    """Four resolutions before pooling and a linear layer."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        widths = [3, 4, 5, 6, 7]
        for name, before, after in zip(STAGES, widths, widths[1:], strict=False):
            part = nn.Sequential(nn.Conv2d(before, after, 3, 1 if before == 3 else 2, 1), nn.ReLU())
            self.add_module(name, part)
        self.fc = nn.Linear(7, 3)

    def forward(self, x):
        for name in STAGES:
            x = getattr(self, name)(x)
        return self.fc(x.mean((2, 3)))


@pytest.mark.parametrize(
    "method", ["hires-cam", "activation-mean", "shapley-cam", "fullgrad-signed", "random"]
)
def test_augmenting_a_mirror_symmetric_network_changes_nothing(method):
    model = model_of(Mirrored())
    inputs = inputs_for(model, 2)
    plain, augmented = (map_of(model, inputs, m) for m in (method, f"{method}(augment=True)"))
    if method == "random":  # which is not: it is averaged with its own mirror image
        plain = (plain + plain.flip(-1)) / 2
    torch.testing.assert_close(augmented, plain, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("kind", ["region", "callable"])
def test_augmenting_mirrors_what_is_asked_of_every_position(kind):
    model = model_of(Mirrored(dense=True), task="segmentation")
    inputs = inputs_for(model, 1)
    region = torch.zeros(9, 11, dtype=torch.bool)
    region[2:5, 7:] = True
    asked = {"region": RegionTarget(1, region, "r"), "callable": lambda out: (out[:, 1] * region).sum((1, 2))}
    plain, augmented = (
        map_of(model, inputs, m, asked[kind]) for m in ("hires-cam", "hires-cam(augment=True)")
    )
    torch.testing.assert_close(augmented, plain, rtol=1e-5, atol=1e-7)
    assert plain[0, :, :6].abs().max() == 0


def test_augmenting_averages_six_maps():
    model = model_of(Block())
    inputs = inputs_for(model, 1)
    maps = [map_of(model, factor * inputs, "grad-cam", layer="layer") for factor in (0.9, 1, 1.1)]
    maps += [
        map_of(model, factor * inputs.flip(-1), "grad-cam", layer="layer").flip(-1)
        for factor in (0.9, 1, 1.1)
    ]
    got = map_of(model, inputs, "grad-cam(augment=True)", layer="layer")
    torch.testing.assert_close(got, torch.stack(maps).mean(0), rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize(
    "method", ["cam", "grad-cam", "grad-cam-plus-plus", "layer-cam", "fem", "activation-mean"]
)
def test_eigen_takes_the_first_principal_component_of_the_terms(method):
    model, inputs = pooled()
    torch.manual_seed(0)
    activation, gradient = torch.rand(2, 5, 4, 6), torch.randn(2, 5, 4, 6)
    given = {
        "activations": [activation],
        "gradients": [activation, gradient],
        "head": [activation, gradient[:, :, 0, 0]],
    }
    given = given[get(method).needs]
    alone = [
        [get(method).function(*(t[b : b + 1, k : k + 1] for t in given))[0] for k in range(5)] for b in (0, 1)
    ]
    terms = torch.stack([torch.stack(each) for each in alone])
    u, s, v = torch.linalg.svd(terms.flatten(2), full_matrices=False)
    wanted = (v[:, 0] * s[:, :1] * u[..., 0].sum(1, keepdim=True).sign()).reshape(2, 4, 6)
    torch.testing.assert_close(get(method, eigen=True).function(*given), wanted, rtol=1e-3, atol=1e-5)
    assert map_of(model, inputs, f"{method}(eigen=True)").shape == (2, 9, 11)


def test_eigen_of_hires_cam_is_eigen_grad_cam_and_of_the_mean_is_eigen_cam():
    model, inputs = pooled()
    torch.testing.assert_close(
        *(map_of(model, inputs, m) for m in ("hires-cam(eigen=True)", "eigen-grad-cam"))
    )
    torch.testing.assert_close(
        *(map_of(model, inputs, m) for m in ("activation-mean(eigen=True)", "eigen-cam"))
    )


@pytest.mark.parametrize(
    "method",
    [
        "eigen-cam",
        "eigen-grad-cam",
        "activation-l2",
        "activation-max",
        "kpca-cam",
        "finer-cam",
        "refine-cam",
    ],
)
def test_eigen_says_where_a_map_is_no_sum_over_channels(method):
    with pytest.raises(MethodError, match="sum over the channels"):
        get(method, eigen=True)


@pytest.mark.parametrize("fusion", FUSIONS)
@pytest.mark.parametrize("method", ["grad-cam", "layer-cam", "activation-abs", "eigen-cam", "finer-cam"])
def test_fusing_the_only_stage_is_the_map_over_its_maximum(method, fusion):
    model, inputs = pooled()
    plain, fused = (map_of(model, inputs, m) for m in (method, f"{method}(fuse={fusion!r})"))
    scaled = over_range if fusion == "refine" else share_of_peak
    torch.testing.assert_close(fused, scaled(plain), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("method", ["grad-cam", "activation-mean", "shapley-cam"])
def test_fusing_stages_on_the_grid_of_the_finest(method):
    model = model_of(Stages(), size=(16, 24))
    inputs = inputs_for(model, 2)
    assert list(model.layers.stages) == STAGES
    single = [map_of(model, inputs, method, layer=layer).clamp(min=0) for layer in STAGES]
    size = single[0].shape[1:]

    def over_peak(maps):
        peak = maps.amax((1, 2), keepdim=True)
        return maps / torch.where(peak > 0, peak, 1)

    large = [
        F.interpolate(over_peak(m)[:, None], size, mode="bilinear", align_corners=False)[:, 0] for m in single
    ]
    for fusion, wanted in {
        "mean": sum(large) / 4,
        "max": torch.stack(large).amax(0),
        "product": large[0] * large[1] * large[2] * large[3],
    }.items():
        got = map_of(model, inputs, f"{method}(fuse={fusion!r})", layer="four")
        torch.testing.assert_close(got, wanted, rtol=1e-4, atol=1e-6)


def test_refine_cam_is_the_fusion_of_grad_cam_plus_plus():
    model = model_of(Stages(), size=(16, 24))
    inputs = inputs_for(model, 2)
    names = ["refine-cam", "grad-cam-plus-plus(fuse='refine')"]
    one, other = (map_of(model, inputs, m, layer="four") for m in names)
    assert torch.equal(one, other)
    assert one.max() == 1
    assert get(names[0]).passes == get(names[1]).passes


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("grad-cam(fuse='sum')", "'mean', 'max', 'product', 'refine'"),
        ("cam(fuse='max')", "last stage only"),
        ("refine-cam(fuse='max')", "at each stage"),
        ("fullgrad(fuse='max')", "at each stage"),
        ("grad-cam(display='blue')", "'positive', 'signed', 'range'"),
        ("grad-cam(sess=-1)", "1 to 12"),
        ("grad-cam(sess=13)", "1 to 12"),
        ("grad-cam(sess=True)", "give a int"),
        ("grad-cam(augment=1)", "give a bool"),
    ],
)
def test_what_does_not_go_together_is_said_in_words(typed, said):
    with pytest.raises(MethodError, match=said):
        get(typed)


def test_how_a_map_is_drawn_can_be_chosen():
    assert get("grad-cam(display='signed')").signed
    assert get("hires-cam", display="positive").display == "positive"
    assert get("grad-cam(fuse='max', display='range')").display == "range"
    assert get("grad-cam(display='signed')").function is get("grad-cam").function


def test_options_stack_in_one_order_however_they_are_given():
    one = get("grad-cam(sess=1, display='signed', augment=True, fuse='max', eigen=True)")
    other = get("grad-cam", eigen=True, fuse="max", augment=True, display="signed", sess=1)
    assert (
        one.name == other.name == "grad-cam(eigen=True, fuse='max', augment=True, sess=1, display='signed')"
    )
    assert get(one.name).name == one.name
    assert one.display == "signed"
    model = model_of(Stages(), size=(16, 24))
    inputs = inputs_for(model, 1)
    both = map_of(model, inputs, "layer-cam(fuse='mean', augment=True)", layer="four")
    maps = [
        map_of(model, factor * x, "layer-cam(fuse='mean')", layer="four")
        for x in (inputs, inputs.flip(-1))
        for factor in (0.9, 1, 1.1)
    ]
    maps[3:] = [each.flip(-1) for each in maps[3:]]
    torch.testing.assert_close(both, torch.stack(maps).mean(0), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("method", ["grad-cam", "finer-cam", "activation-mean"])
def test_combined_methods_say_whether_they_are_targeted(method):
    combined = get(method, augment=True, sess=2)
    assert combined.targeted == get(method).targeted
    assert combined.place == get(method).place


def test_crops_cover_the_picture_at_every_scale():
    for scales, size in ((1, (224, 224)), (3, (9, 11)), (12, (64, 48))):
        crops = crops_of(scales, size)
        assert len({crop.size for crop in crops}) == scales
        for height, width in {crop.size for crop in crops}:
            covered = torch.zeros(height, width)
            for crop in crops:
                if crop.size == (height, width):
                    assert crop.top + size[0] <= height
                    assert crop.left + size[1] <= width
                    covered[crop.top : crop.top + size[0], crop.left : crop.left + size[1]] = 1
            assert covered.all()


def test_windows_keep_no_enlargement_alive(monkeypatch):
    made = []
    interpolate = F.interpolate
    monkeypatch.setattr(F, "interpolate", lambda *a, **k: made.append(interpolate(*a, **k)) or made[-1])
    inputs = inputs_for(model_of(Mirrored(), size=(16, 12)))
    crops = crops_of(5, (16, 12))
    windows = list(_cut(inputs, crops))
    assert len(made) == 4
    larger = {tuple(each.shape[2:]): each for each in [inputs, *made]}
    for crop, window in zip(crops, windows, strict=True):
        assert window.untyped_storage().nbytes() == window.nbytes
        wanted = larger[crop.size][:, :, crop.top : crop.top + 16, crop.left : crop.left + 12]
        assert torch.equal(window, wanted)


def test_sess_at_one_scale_is_the_map_over_its_maximum():
    model, inputs = pooled()
    for method in ("grad-cam", "fullgrad-signed", "finer-cam"):
        plain, pooled_maps = (map_of(model, inputs, m) for m in (method, f"{method}(sess=1)"))
        torch.testing.assert_close(pooled_maps, share_of_peak(plain), rtol=1e-4, atol=1e-6)


class Bright(nn.Module):
    """Says how bright the picture is: its map is the picture, so that of a window is the window."""

    def __init__(self):
        super().__init__()
        self.act = nn.AvgPool2d(4)
        self.fc = nn.Linear(3, 2)
        nn.init.constant_(self.fc.weight, 1)
        self.fc.weight.data[1] = -1

    def forward(self, x):
        return self.fc(self.act(x).mean((2, 3)))


def test_sess_puts_every_window_where_it_was():
    model = model_of(Bright(), size=(32, 32))
    inputs = torch.zeros(1, 3, 32, 32)
    inputs[:, :, 4:10, 20:28] = 1.0
    found = map_of(model, inputs, "grad-cam(sess=6)", 0)[0]
    assert found.shape[0] == round(8 * (1 + 5 * 64 / 224))
    places = torch.linspace(0, 32, len(found) + 1)[:-1] + 16 / len(found)
    rows, columns = (found.sum(1 - axis) @ places / found.sum() for axis in (0, 1))
    assert abs(float(rows) - 7) < 1.5
    assert abs(float(columns) - 24) < 1.5
    assert found[len(found) // 2 :].max() == 0
    assert torch.equal(found, map_of(model, inputs, "grad-cam(sess=6)", 0)[0])
    scaled = map_of(model, inputs, "grad-cam(sess=6)", 1e3 * LogitTarget(((0, 1.0),), "x"))[0]
    torch.testing.assert_close(scaled, found)


def test_sess_is_for_whole_pictures():
    model = model_of(Mirrored(dense=True), task="segmentation")
    with pytest.raises(MethodError, match="works for classification"):
        map_of(model, inputs_for(model), "grad-cam(sess=2)", lambda out: out[:, 0].sum((1, 2)))


@pytest.mark.parametrize("method", LINEAR)
def test_maps_of_sums_are_sums_of_maps(method):
    model, inputs = pooled()
    cat, dog = (LogitTarget(((index, 1.0),), str(index)) for index in (1, 2))
    one, other = (map_of(model, inputs, method, target) for target in (cat, dog))
    for asked, wanted in {
        cat + dog: one + other,
        cat - dog: one - other,
        2.5 * cat: 2.5 * one,
        -dog: -other,
        cat + cat: 2 * one,
    }.items():
        torch.testing.assert_close(map_of(model, inputs, method, asked), wanted, rtol=1e-4, atol=1e-6)
    difference = map_of(model, inputs, method, targets.contrast(1, 2))
    torch.testing.assert_close(difference, one - other, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("method", EVERY)
def test_every_method_takes_sums_differences_and_multiples(method):
    model, inputs = pooled()
    cat, dog = (LogitTarget(((index, 1.0),), str(index)) for index in (1, 2))
    for asked in (cat + dog, cat - dog, 0.5 * (cat - dog)):
        found = map_of(model, inputs[:1], method, asked)
        assert found.isfinite().all()
    doubled, twice = (map_of(model, inputs[:1], method, t) for t in (cat + cat, 2 * cat))
    torch.testing.assert_close(doubled, twice, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize(
    "method",
    [
        "grad-cam(eigen=True)",
        "layer-cam(fuse='refine', display='signed')",
        "hires-cam(eigen=True, fuse='max', augment=True)",
        "smooth-grad-cam-plus-plus(samples=2, seed=3)",
        "fullgrad(augment=True)",
        "random(seed=5, sess=2)",
    ],
)
def test_a_combined_explanation_is_made_again_byte_for_byte(method):
    model = model_of(Stages(), size=(16, 24))
    picture = (torch.rand(20, 30, 3, generator=torch.Generator().manual_seed(0)) * 255).byte().numpy()
    one = interp.explain(model, picture, 1, method)
    again = interp.remake(one.to_json(), model=model)
    assert torch.equal(one.map, again.map)
    assert again.method.name == one.method.name == get(method).name
    assert one.layer == (INPUT if get(method).place == "input" else "four")


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize("method", ["grad-cam(augment=True)", "grad-cam(fuse='max')", "finer-cam(sess=2)"])
def test_the_same_map_whatever_mode_the_caller_is_in(method, mode):
    wanted = map_of(*pooled(), method)
    with mode():
        assert torch.equal(map_of(*pooled(), method), wanted)


@pytest.mark.parametrize(
    "method",
    [
        "eigen-grad-cam",
        "shapley-cam",
        "finer-cam",
        "smooth-grad-cam-plus-plus(samples=2)",
        "fullgrad",
        "fullgrad-signed",
        "refine-cam",
        "grad-cam(eigen=True)",
        "layer-cam(fuse='mean')",
        "activation-mean(fuse='max')",
        "grad-cam(augment=True)",
        "grad-cam(sess=2)",
    ],
)
def test_methods_cost_what_they_say(default_model, method):
    inputs = inputs_for(default_model, 1)
    default_model.default_layer  # noqa: B018 - found before counting
    with FlopCounterMode(display=False) as alone:
        default_model.logits(inputs)
    with FlopCounterMode(display=False) as whole:
        attribute(default_model, inputs, 281, [method])
    cost = whole.get_total_flops() / alone.get_total_flops()
    assert cost == pytest.approx(get(method).passes, rel=0.03)


def test_progress_only_goes_forward():
    model, inputs = pooled()
    told = []
    attribute(
        model,
        inputs,
        1,
        ["smooth-grad-cam-plus-plus(samples=4, augment=True)", "finer-cam(sess=2)", "finer-cam(fuse='max')"],
        ["act"],
        progress=lambda done, total: told.append(done / total),
    )
    assert told == sorted(told)
    assert told[-1] == 1
    assert len(told) > 15


@pytest.mark.parametrize("method", [m for m in GENERAL if get(m).place == "layer"])
def test_every_method_on_a_layer_can_be_augmented(method):
    model = model_of(Stages(), size=(8, 12))
    name = get(method, augment=True).name
    found = map_of(model, inputs_for(model, 1), name, layer="three")
    assert found.isfinite().all()


def test_sess_of_a_signal_is_refused_in_words():
    net = nn.Sequential(nn.Conv1d(2, 3, 3), nn.ReLU(), nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(3, 2))
    model = model_of(net, input_shape=(2, 16))
    with pytest.raises(MethodError, match="pictures"):
        map_of(model, torch.randn(1, 2, 16), "grad-cam(sess=2)", 1, "1")
