"""What is asked: the class, the method and the layer, and the maps that answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Sequence
from dataclasses import replace

import streamlit as st
import torch

import interp
from interp.explanation import Explanation
from interp.explorer.drawing import shrunk
from interp.explorer.links import remember
from interp.explorer.networks import Network
from interp.explorer.page import Sight
from interp.explorer.pictures import Chosen
from interp.explorer.words import say
from interp.methods import INPUT, Method, MethodError, get
from interp.models import Prediction
from interp.progress import Progress
from interp.targets import AnyTarget, several


@st.cache_resource(max_entries=64, show_spinner=False, hash_funcs={Network: repr, Chosen: lambda c: c.digest})
def predicted(sight_network: Network, picture: Chosen, top: int = 5) -> tuple[Prediction, ...]:
    """Return the classes that the network considers, likeliest first; none where it is no classifier."""
    model = sight_network.model
    return model.predict([picture.picture], top)[0] if model.task == "classification" else ()


@st.cache_resource(max_entries=8, show_spinner=False, hash_funcs={Network: repr, Chosen: lambda c: c.digest})
def logits(network: Network, picture: Chosen) -> torch.Tensor:
    """Return what the network puts out for a picture, without the batch; not to be changed."""
    model = network.model
    return model.logits(model.prepare([picture.picture]))[0].float().cpu()


def areas(network: Network, picture: Chosen) -> list[tuple[int, float]]:
    """Return the classes that a segmentation predicts with their shares of the picture, the largest first."""
    classes = logits(network, picture).argmax(0).flatten()
    counts = classes.bincount() / len(classes)
    order = counts.argsort(descending=True, stable=True).tolist()
    return [(index, float(counts[index])) for index in order if counts[index] > 0]


def seen(network: Network, picture: Chosen) -> list[tuple[str, float]]:
    """Return what the network sees: names with probabilities, or with shares of the picture."""
    if network.model.task == "segmentation":
        return [(network.model.labels[index], share) for index, share in areas(network, picture)]
    return [(each.name, each.probability) for each in predicted(network, picture)]


@st.cache_resource(max_entries=48, show_spinner=False, hash_funcs={Network: repr, Chosen: lambda c: c.digest})
def explained(
    network: Network,
    picture: Chosen,
    targets: tuple[str | int | None, ...],
    method_names: tuple[str, ...],
    layers: tuple[str, ...] | None,
) -> tuple[Explanation, ...]:
    """Return maps in the order of targets, layers and methods, over a picture of the screen's size.

    Everybody who asks the same gets the same, so they are not to be changed.
    """
    return explained_now(network, picture, targets, method_names, layers, None)


def explained_now(
    network: Network,
    picture: Chosen,
    targets: tuple[str | int | None, ...],
    method_names: tuple[str, ...],
    layers: tuple[str, ...] | None,
    progress: Progress | None,
) -> tuple[Explanation, ...]:
    """Do what `explained` does, tell how far it is, and keep nothing of it."""
    asked = [target_of(network, each) if isinstance(each, str) else each for each in targets]
    target: AnyTarget = asked[0] if len(asked) == 1 else several(*asked)
    found = interp.explain(
        network.model,
        [picture.picture],
        target,
        list(method_names),
        None if layers is None else list(layers),
        progress=progress,
    )
    small = shrunk(found[0])
    return tuple(replace(each, picture=small.picture, box=small.box) for each in found)


def explained_stages(
    network: Network, picture: Chosen, target: str | None, method_name: str
) -> dict[str, Explanation]:
    """Return the maps at the ends of the stages, by layer; only where the method works.

    Of a method whose map lies on the input there is one, at `INPUT`.

    Raises:
        MethodError: it works at none of them.
    """
    layers = layers_of(network, get(method_name))
    try:
        found = explained(network, picture, (target,), (method_name,), layers)
    except MethodError as reason:
        alone = {layer: _if_it_works(network, picture, target, method_name, layer) for layer in layers}
        working = {layer: each for layer, each in alone.items() if each is not None}
        if not working:
            raise reason
        return working
    return dict(zip(layers, found, strict=True))


def _if_it_works(
    network: Network, picture: Chosen, target: str | None, method_name: str, layer: str
) -> Explanation | None:
    try:
        return explained(network, picture, (target,), (method_name,), (layer,))[0]
    except MethodError:
        return None


def whole(explanation: Explanation, picture: Chosen) -> Explanation:
    """Return it over the original again, to be saved."""
    box = explanation.model.preprocess.box(picture.picture.size)
    path = None if picture.path is None else str(picture.path)
    return replace(explanation, picture=picture.picture, box=box, path=path)


@st.cache_resource(max_entries=8, show_spinner=False, hash_funcs={Network: repr})
def class_titles(network: Network) -> dict[str, str]:
    """Return how the classes are asked for → what they are called on the page.

    By name, or as "#7" where two share one or nobody knows the names.
    """
    labels = tuple(network.model.labels)
    if not labels:
        outputs = network.model.logits(network.model.blank()).shape[1]
        return {f"#{index}": network.model.labels[index] for index in range(outputs)}
    count = Counter(labels)
    titles = {}
    for index, name in enumerate(labels):
        if count[name] == 1:
            titles[name] = name
        else:
            titles[_numbered(index, count)] = f"{name} ({index})"
    return titles


def _numbered(index: int, taken: Container[str]) -> str:
    key = f"#{index}"
    while key in taken:
        key = f"#{key}"
    return key


def target_of(network: Network, name: str) -> str | int:
    """Return what `interp.explain` is asked for a class: its name, or its index where `name` is "#7"."""
    alone = name in set(network.model.labels)
    return name if alone or not name.startswith("#") else int(name.lstrip("#"))


def class_names(network: Network) -> tuple[str, ...]:
    """Return how the classes are asked for, in the order of the outputs."""
    return tuple(class_titles(network))


def class_title(network: Network, name: str) -> str:
    """Return what a class is called on the page."""
    return class_titles(network)[name]


def class_targets(network: Network) -> tuple[str | int, ...]:
    """Return what `interp.explain` and the commands are asked for each class, in the order of the outputs."""
    return tuple(target_of(network, name) for name in class_names(network))


def name_of(network: Network, prediction: Prediction) -> str:
    """Return how a predicted class is asked for."""
    return class_names(network)[prediction.index]


def asked_class(sight: Sight) -> str | None:
    """Return the class that is asked about, or None for the predicted one."""
    if sight.network.model.task == "image":
        return None
    chosen: str | None = remember("class", None, class_titles(sight.network))
    return chosen


def choose_class(sight: Sight) -> str | None:
    """Draw the list of all classes, and return the one that is asked about."""
    chosen = asked_class(sight)
    if sight.network.model.task != "classification":
        return None
    titles = class_titles(sight.network)
    st.selectbox(
        say("Ask about any class"),
        list(titles),
        index=None,
        key="class",
        format_func=titles.__getitem__,
        placeholder=say("what it predicts"),
        persist_state="session",
    )
    return chosen


def stage_layers(network: Network) -> tuple[str, ...]:
    """Return the layers at the ends of the stages, the default among them, in the network's order."""
    stages, default = network.model.layers.stages, network.model.layers.default
    return stages if default is None or default in stages else (*stages, default)


def layers_of(network: Network, method: Method) -> tuple[str, ...]:
    """Return where maps of a method may lie: at the ends of the stages, or on the input.

    Raises:
        LayerError: the network has no layer that the method could look at.
    """
    if method.place == "input":
        return (INPUT,)
    return stage_layers(network) or (network.model.default_layer,)


def no_layer() -> str:
    """Return in words where the map of a method lies that has no layer."""
    return say("The map of this method lies on the picture as the network gets it: it has no layer.")


def default_layer(network: Network, layers: Sequence[str]) -> str:
    """Return the layer that is shown when nobody says."""
    default = network.model.layers.default
    return default if default is not None and default in layers else layers[-1]


def layer_title(network: Network, name: str) -> str:
    """Return a layer with the size of its grid."""
    if name == INPUT:
        return say("input")
    shape = network.model.layers[network.model.layers.resolve(name)].shape
    return name if shape is None or len(shape) != 3 else f"{name} · {shape[1]}×{shape[2]}"
