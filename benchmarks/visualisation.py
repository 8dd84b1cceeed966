"""A step of feature visualisation at inner layers: interp against lucent, single-threaded."""

from __future__ import annotations

import torch
from contestants import SIZE, models, shared
from lucent.optvis import objectives, param, render
from results import Check, Table, arguments, ms, publish, times
from timing import Case, Rounds, interleave

import interp
from interp.features.visualisation import ascend, channel, fourier, seer
from interp.features.visualisation.transforms import STANDARD

OURS, LUCENT = "interp", "lucent"
BARE = "{}, no transforms"
LAYERS = {"ResNet-34": "layer2", "EfficientNet-Lite0": "blocks.2"}
CHANNEL, STEPS = 3, 2
NOTE = (
    f"Median (quartiles) over {{rounds}} interleaved rounds of {STEPS} steps from the same kind of start "
    f"(waves in decorrelated colours, Adam) at {SIZE} px, channel {CHANNEL}; ratios within a round. "
    "interp's start-up of a few forward passes is left out. With transforms each uses its own: lucent's pad "
    "the picture, so that its network sees more pixels."
)


def ours(model: interp.ImageModel, layer: str, *, moved: bool) -> Case:
    see, objective = seer(model, [layer]), channel(layer, CHANNEL)

    def run() -> object:
        start = fourier((1, 3, SIZE, SIZE))
        return ascend(
            start, lambda seen: objective(see(seen)), steps=STEPS, transforms=STANDARD if moved else ()
        )

    return run


def lucent(model: interp.ImageModel, layer: str, *, moved: bool) -> Case:
    private = shared(model.module)
    options = {} if moved else {"transforms": []}

    def run() -> object:
        return render.render_vis(
            private,
            objectives.channel(layer.replace(".", "_"), CHANNEL),
            lambda: param.image(SIZE, fft=True, decorrelate=True),
            thresholds=(STEPS,),
            progress=False,
            show_image=False,
            **options,
        )

    return run


def contestants(model: interp.ImageModel, layer: str) -> dict[str, Case]:
    return {
        OURS: ours(model, layer, moved=True),
        LUCENT: lucent(model, layer, moved=True),
        BARE.format(OURS): ours(model, layer, moved=False),
        BARE.format(LUCENT): lucent(model, layer, moved=False),
    }


def table(where: str, rounds: Rounds) -> Table:
    rows = [
        (case, ms(rounds, case), times(rounds, case, OURS if case == LUCENT else BARE.format(OURS), 2))
        for case in rounds.seconds
    ]
    rows = [(case, time, "" if case.startswith(OURS) else ratio) for case, time, ratio in rows]
    return Table(where, ("", f"ms, {STEPS} steps", "time, × interp"), rows, NOTE.format(rounds=len(rounds)))


def main() -> None:
    parser = arguments(__doc__ or "", seconds=60)
    parser.set_defaults(threads=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    tables, checks, data = [], [], {}
    for name, model in models(options.seed).items():
        layer = LAYERS[name]
        where = f"{name}, {layer}"
        cases = contestants(model, layer)
        rounds = interleave(cases, seconds=options.seconds, least=options.rounds, seed=options.seed)
        tables.append(table(where, rounds))
        faster = rounds.ratio(LUCENT, OURS).median
        checks.append(Check(f"{where}: times faster than {LUCENT}", faster, 2.0, at_least=True))
        data[where] = {"seconds": rounds.seconds, "steps": STEPS}
    publish("visualisation", "A step of feature visualisation", tables, checks, data, options.threads)


if __name__ == "__main__":
    main()
