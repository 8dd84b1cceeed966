"""Masks are opened as other pictures are, by `interp.images`."""

from interp.images.masks import open_mask

__all__ = ["open_mask"]
