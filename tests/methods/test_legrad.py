"""LeGrad by hand, and attention in the open: the same numbers, with probabilities."""

import pytest
import timm
import torch
import torch.nn.functional as F
import torchvision
from nets import AttentionNet, PooledLinear, inputs_for, model_of
from torch import nn

from interp.methods import MethodError, attribute
from interp.methods.attention import attentions, explicit


def by_hand(net, x, target, blocks):
    """`mean_(l,h,i) relu(V^l_hj · w_h / N)`: one head for the tokens of all blocks."""
    tokens, total = net.patches(x).flatten(2).transpose(1, 2), 0
    for block in net.blocks:
        _, _, v = block.values(tokens)
        w = net.fc.weight[target].reshape(1, block.heads, 1, -1)
        total = total + ((v * w).sum(-1) / tokens.shape[1]).clamp(min=0).mean(1)
        tokens = block(tokens)
    return total / blocks


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("blocks", [1, 3])
def test_legrad_by_hand(blocks, fused):
    net = AttentionNet(blocks, fused=fused)
    model = model_of(net, size=(8, 12))
    x = inputs_for(model, 2)
    found = attribute(model, x, [0, 2], ["legrad"]).maps[0, model.default_layer, "legrad"]
    for row, target in enumerate((0, 2)):
        wanted = by_hand(net, x[row : row + 1], target, blocks).reshape(2, 3)
        torch.testing.assert_close(found[row], wanted.float())


@pytest.mark.parametrize("factor", [0.5, 1e4])
def test_legrad_is_homogeneous_in_the_target(factor):
    model = model_of(AttentionNet(2), size=(8, 12))
    x = inputs_for(model)
    one = attribute(model, x, lambda out: out[:, 1], ["legrad"]).maps
    more = attribute(model, x, lambda out: factor * out[:, 1], ["legrad"]).maps
    for key, found in one.items():
        torch.testing.assert_close(more[key], factor * found)


def hooks_of(module):
    """What a method might leave behind on a twin."""
    return [
        (name, sorted(vars(part)), len(part._forward_hooks), len(part._forward_pre_hooks))
        for name, part in module.named_modules()
    ]


def vit():
    torch.manual_seed(0)
    return timm.create_model("vit_tiny_patch16_224", img_size=32, patch_size=8, embed_dim=24, depth=3)


def tv_vit():
    torch.manual_seed(0)
    net = torchvision.models.VisionTransformer(32, 8, 2, 2, 24, 48, num_classes=5)
    nn.init.normal_(net.heads.head.weight)
    return net


@pytest.mark.parametrize("build", [vit, tv_vit])
@pytest.mark.parametrize("mode", [torch.enable_grad, torch.no_grad, torch.inference_mode])
def test_legrad_of_libraries_networks(build, mode):
    net = build()
    model = model_of(net, size=(32, 32))
    with model.twin() as private:
        before = hooks_of(private)
    with mode():
        found = attribute(model, inputs_for(model, 2), 1, ["legrad"]).maps[0, model.default_layer, "legrad"]
    assert found.shape == (2, 4, 4)
    assert found.min() >= 0
    assert (found > 0).any((1, 2)).all()
    with model.twin() as private:
        assert hooks_of(private) == before


def test_of_a_single_layer_it_is_the_gradient_of_the_score():
    """With one block s_l is the score: compared with autograd through timm's own explicit attention."""
    torch.manual_seed(0)
    net = timm.create_model("vit_tiny_patch16_224", img_size=32, patch_size=8, embed_dim=24, depth=1).eval()
    model = model_of(net, size=(32, 32))
    x = inputs_for(model)
    found = attribute(model, x, 1, ["legrad"]).maps[0, model.default_layer, "legrad"]
    kept = []
    net.blocks[0].attn.fused_attn = False
    net.blocks[0].attn.attn_drop.register_forward_hook(lambda _m, _a, out: kept.append(out))
    (gradient,) = torch.autograd.grad(net(x)[0, 1], kept)
    wanted = gradient.clamp(min=0).mean((1, 2))[0, 1:].reshape(4, 4)
    torch.testing.assert_close(found[0], wanted)


def test_networks_without_attention_among_all_tokens_are_told():
    swin = timm.create_model("swin_tiny_patch4_window7_224", img_size=32, window_size=2, depths=(1, 1))
    for model in (model_of(swin, size=(32, 32)), model_of(PooledLinear())):
        with pytest.raises(MethodError, match="LeGrad needs a vision transformer"):
            attribute(model, inputs_for(model), 0, ["legrad"])


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("kind", ["plain", "bool mask", "float mask", "other sizes", "no bias"])
def test_pytorchs_attention_module_in_the_open(first, kind):
    torch.manual_seed(0)
    sizes = {"kdim": 6, "vdim": 10} if kind == "other sizes" else {}
    net = nn.MultiheadAttention(8, 2, batch_first=first, bias=kind != "no bias", **sizes).double().eval()
    widths = (8, sizes.get("kdim", 8), sizes.get("vdim", 8))
    q, k, v = (torch.randn(3, 5, width, dtype=torch.float64) for width in widths)
    if not first:
        q, k, v = (each.transpose(0, 1) for each in (q, k, v))
    mask = {
        "bool mask": torch.ones(5, 5, dtype=torch.bool).triu(1),
        "float mask": torch.randn(6, 5, 5, dtype=torch.float64),
    }.get(kind)
    wanted, probabilities = net(q, k, v, attn_mask=mask, average_attn_weights=False)
    with attentions(net) as found:
        got, _ = net(q, k, v, attn_mask=mask)
    torch.testing.assert_close(got, wanted)
    torch.testing.assert_close(found[0].probabilities.detach(), probabilities)
    assert "forward" not in vars(net)


@pytest.mark.parametrize("kind", ["plain", "causal", "grouped", "scaled"])
def test_fused_attention_in_steps(kind):
    torch.manual_seed(0)
    q, k, v = (torch.randn(2, 4, 5, 3, dtype=torch.float64) for _ in range(3))
    settings = {"causal": {"is_causal": True}, "scaled": {"scale": 0.3}, "grouped": {"enable_gqa": True}}
    if kind == "grouped":
        k, v = k[:, :2], v[:, :2]
    given = settings.get(kind, {})
    wanted = F.scaled_dot_product_attention(q, k, v, **given)
    with explicit(nn.Identity()):
        torch.testing.assert_close(F.scaled_dot_product_attention(q, k, v, **given), wanted)


def test_what_cannot_be_recorded_is_told():
    net = nn.MultiheadAttention(8, 2, add_bias_kv=True, batch_first=True)
    x = torch.randn(1, 5, 8)
    with pytest.raises(MethodError, match="bias_k"), attentions(net):
        net(x, x, x)
    assert "forward" not in vars(net)
    assert not net._forward_hooks
