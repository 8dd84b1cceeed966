"""The exception of what cannot be computed of features."""


class FeatureError(ValueError):
    """Something asked of features cannot be given; the message says why and what would work."""


class NoSkipsError(FeatureError):
    """A network concatenates nothing on its way up."""
