"""The data of a training: found, checked in one go, and split; no file is opened before `check_...`."""

from interp.training.data.checks import check_pairs, check_pictures
from interp.training.data.labels import Labelled, labelled_folder
from interp.training.data.listing import pictures_in
from interp.training.data.masks import open_mask
from interp.training.data.pairs import Paired, matched_pairs, paired_folder
from interp.training.data.problems import DataError, Kind, Problems
from interp.training.data.split import Group, split
from interp.training.data.threads import in_threads

__all__ = [
    "DataError",
    "Group",
    "Kind",
    "Labelled",
    "Paired",
    "Problems",
    "check_pairs",
    "check_pictures",
    "in_threads",
    "labelled_folder",
    "matched_pairs",
    "open_mask",
    "paired_folder",
    "pictures_in",
    "split",
]
