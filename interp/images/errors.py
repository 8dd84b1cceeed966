"""The exception of everything that goes wrong with a picture."""


class ImageError(ValueError):
    """A picture cannot be used.

    The message is one or two sentences: which picture, what was found, what would work. The error
    that caused it, if there was one, is its `__cause__`.
    """
