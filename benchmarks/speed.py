"""One Grad-CAM map at the last stage: interp and its peers against a plain forward pass."""

from __future__ import annotations

import torch
from contestants import (
    AGAIN,
    CAPTUM,
    FORWARD,
    GRAD_CAM,
    INTERP,
    SIZE,
    TORCHCAM,
    Explain,
    bound,
    by_captum,
    by_grad_cam,
    by_interp,
    by_torchcam,
    flops,
    models,
    pictures,
    plain,
)
from results import Check, Table, arguments, ms, publish, times
from timing import Rounds, interleave

import interp

GRAD_CAM_KEPT = f"{GRAD_CAM}, kept object"
LAYERS = {"ResNet-34": "layer4", "EfficientNet-Lite0": "bn2"}
BATCHES = (1, 16)
NOTE = (
    "Median (quartiles) over {rounds} interleaved rounds; ratios are taken within a round. The second plain "
    f"forward is the noise of the measurement. {GRAD_CAM} returns maps in picture size, as NumPy arrays."
)


def contestants(model: interp.ImageModel, layer: str) -> dict[str, Explain]:
    module = model.module
    return {
        FORWARD: plain(module),
        AGAIN: plain(module),
        INTERP: by_interp(model, [layer]),
        GRAD_CAM: by_grad_cam(module, layer, kept=False),
        GRAD_CAM_KEPT: by_grad_cam(module, layer, kept=True),
        TORCHCAM: by_torchcam(module, [layer]),
        CAPTUM: by_captum(module, layer),
    }


def requirements(where: str, rounds: Rounds, work: dict[str, float]) -> list[Check]:
    def ratio(case: str, to: str) -> float:
        return rounds.ratio(case, to).median

    return [
        Check(f"{where}: FLOPs, × a forward pass", work[INTERP], 1.02),
        Check(f"{where}: time, × a forward pass", ratio(INTERP, FORWARD), 1.05),
        Check(f"{where}: times faster than {GRAD_CAM}", ratio(GRAD_CAM_KEPT, INTERP), 2.5, at_least=True),
        Check(f"{where}: time, × {TORCHCAM}", ratio(INTERP, TORCHCAM), 1.0),
        Check(f"{where}: time, × {CAPTUM}", ratio(INTERP, CAPTUM), 1.0),
    ]


def main() -> None:
    options = arguments(__doc__ or "", seconds=60).parse_args()
    torch.set_num_threads(options.threads)
    tables, checks, data = [], [], {}
    for name, model in models(options.seed).items():
        for batch in BATCHES:
            where = f"{name}, batch {batch}"
            cases = bound(
                contestants(model, LAYERS[name]), pictures(batch, options.seed), list(range(100, 100 + batch))
            )
            count = {case: flops(run) for case, run in cases.items()}
            work = {case: total / count[FORWARD] for case, total in count.items()}
            rounds = interleave(cases, seconds=options.seconds, least=options.rounds, seed=options.seed)
            rows = [
                (case, ms(rounds, case), times(rounds, case, FORWARD), f"{work[case]:.4f}") for case in cases
            ]
            columns = ("", "ms", "time, × forward", "FLOPs, × forward")
            title = f"{where}, layer {LAYERS[name]}, {SIZE} px"
            tables.append(Table(title, columns, rows, NOTE.format(rounds=len(rounds))))
            checks += requirements(where, rounds, work)
            data[where] = {"seconds": rounds.seconds, "flops": count}
    publish("speed", "One Grad-CAM map", tables, checks, data, options.threads)


if __name__ == "__main__":
    main()
