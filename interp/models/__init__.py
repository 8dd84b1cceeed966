"""What is explained: a network with its preprocessing, labels and task; made by `load`."""

from interp.models.architecture import Architecture
from interp.models.builders import ModelError
from interp.models.image_model import Activation, ImageModel, Prediction, Task
from interp.models.labels import LabelError, Labels
from interp.models.loading import DEFAULT_MODEL, ModelEntry, available, load
from interp.models.saved import load_folder, save_folder

__all__ = [
    "DEFAULT_MODEL",
    "Activation",
    "Architecture",
    "ImageModel",
    "LabelError",
    "Labels",
    "ModelEntry",
    "ModelError",
    "Prediction",
    "Task",
    "available",
    "load",
    "load_folder",
    "save_folder",
]
