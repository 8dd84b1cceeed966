"""What is explained: a network with its preprocessing, labels and task; made by `load`."""

from interp.models.architecture import Architecture
from interp.models.builders import ModelError
from interp.models.image_model import Activation, ImageModel, Prediction, Task
from interp.models.labels import LabelError, Labels
from interp.models.loading import DEFAULT_MODEL, ModelEntry, available, load
from interp.models.networks import FreezeTotal, GroupLayer, GroupTable, LayerGroup, group_table
from interp.models.saved import load_folder, save_folder

__all__ = [
    "DEFAULT_MODEL",
    "Activation",
    "Architecture",
    "FreezeTotal",
    "GroupLayer",
    "GroupTable",
    "ImageModel",
    "LabelError",
    "Labels",
    "LayerGroup",
    "ModelEntry",
    "ModelError",
    "Prediction",
    "Task",
    "available",
    "group_table",
    "load",
    "load_folder",
    "save_folder",
]
