"""Endings of the files that `open_image` may be able to open."""

SUFFIXES = frozenset(
    f".{ending}"
    for group in (
        ("jpg", "jpeg", "jpe", "jfif", "mpo", "png", "apng", "gif", "bmp", "dib", "tif", "tiff"),
        (
            "webp",
            "avif",
            "avifs",
            "jp2",
            "j2k",
            "jpx",
            "pbm",
            "pgm",
            "ppm",
            "pnm",
            "ico",
            "tga",
            "pcx",
            "sgi",
        ),
    )
    for ending in group
)
