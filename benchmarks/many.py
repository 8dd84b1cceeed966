"""Many maps of one picture: all stages in one call, and twenty classes in one call."""

from __future__ import annotations

import torch
from contestants import (
    AGAIN,
    CAPTUM,
    FORWARD,
    GRAD_CAM,
    INTERP,
    TORCHCAM,
    Explain,
    bound,
    by_captum,
    by_grad_cam,
    by_interp,
    by_torchcam,
    flops,
    models,
    one_by_one,
    pictures,
    plain,
)
from results import Check, Table, arguments, ms, publish, times
from timing import interleave

import interp

TORCHCAM_ONCE = f"{TORCHCAM}, one call"
CLASSES = 20
ONE, MANY = f"{INTERP}, 1 class", f"{INTERP}, {CLASSES} classes"
NOTE = "Median (quartiles) over {rounds} interleaved rounds; ratios are taken within a round."


def stage_by_stage(model: interp.ImageModel) -> dict[str, Explain]:
    module, stages = model.module, list(model.layers.stages)
    return {
        FORWARD: plain(module),
        AGAIN: plain(module),
        INTERP: by_interp(model, stages),
        GRAD_CAM: one_by_one([by_grad_cam(module, layer, kept=True) for layer in stages]),
        TORCHCAM: one_by_one([by_torchcam(module, [layer]) for layer in stages]),
        TORCHCAM_ONCE: by_torchcam(module, stages),
        CAPTUM: one_by_one([by_captum(module, layer) for layer in stages]),
    }


def class_by_class(model: interp.ImageModel) -> dict[str, Explain]:
    layer = model.default_layer
    asked = interp.targets.several(*range(CLASSES))
    peers = {
        GRAD_CAM: by_grad_cam(model.module, layer, kept=True),
        TORCHCAM: by_torchcam(model.module, [layer]),
        CAPTUM: by_captum(model.module, layer),
    }
    return {
        FORWARD: plain(model.module),
        ONE: by_interp(model, [layer]),
        MANY: lambda inputs, _classes: interp.attribute(model, inputs, asked, layers=[layer]),
    } | {f"{name}, {CLASSES} classes": _in_turn(peer) for name, peer in peers.items()}


def _in_turn(explain: Explain) -> Explain:
    return lambda inputs, _classes: [explain(inputs, [index]) for index in range(CLASSES)]


def main() -> None:
    options = arguments(__doc__ or "", seconds=60).parse_args()
    torch.set_num_threads(options.threads)
    tables, checks, data = [], [], {}
    inputs = pictures(1, options.seed)
    for name, model in models(options.seed).items():
        contests = {
            f"{name}, all stages ({', '.join(model.layers.stages)})": stage_by_stage(model),
            f"{name}, {CLASSES} classes at {model.default_layer}": class_by_class(model),
        }
        for title, contest in contests.items():
            cases = bound(contest, inputs, [100])
            count = {case: flops(run) for case, run in cases.items()}
            rounds = interleave(cases, seconds=options.seconds, least=options.rounds, seed=options.seed)
            rows = [
                (case, ms(rounds, case), times(rounds, case, FORWARD), f"{count[case] / count[FORWARD]:.3f}")
                for case in cases
            ]
            columns = ("", "ms", "time, × forward", "FLOPs, × forward")
            tables.append(Table(title, columns, rows, NOTE.format(rounds=len(rounds))))
            data[title] = {"seconds": rounds.seconds, "flops": count}
            if MANY in cases:
                found = rounds.ratio(MANY, ONE).median
                checks.append(Check(f"{name}: {CLASSES} classes, × the time of one", found, 1.5))
    publish("many", "Many maps of one picture", tables, checks, data, options.threads)


if __name__ == "__main__":
    main()
