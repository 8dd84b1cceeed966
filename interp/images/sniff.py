"""What a file that is not a picture seems to be, judged by its first bytes."""

import codecs

_EXPORT = "Export it as PNG or JPEG first."
_NOT_ONE = "Give a picture, for example PNG or JPEG."
_DAMAGED = "but it is damaged or of a kind that cannot be read. Save it anew as PNG."

# (offset, signature, what it is, what would work); the first match counts.
_SIGNATURES = (
    (0, b"%PDF-", "a PDF document", _EXPORT),
    (0, b"%!PS", "a PostScript drawing", _EXPORT),
    (0, b"\xc5\xd0\xd3\xc6", "a PostScript drawing", _EXPORT),
    (0, b"8BPS", "a Photoshop document", _EXPORT),
    (0, b"\xff\x0a", "a JPEG XL picture", _EXPORT),
    (0, b"\x00\x00\x00\x0cJXL ", "a JPEG XL picture", _EXPORT),
    (0, b"\x76\x2f\x31\x01", "an OpenEXR picture", _EXPORT),
    (0, b"qoif", "a QOI picture", _EXPORT),
    (0, b"SIMPLE  =", "a FITS picture", "Load it with astropy and give the array."),
    (128, b"DICM", "a DICOM picture", "Load it with pydicom and give the array."),
    (0, b"\x93NUMPY", "a NumPy array", "Load it with numpy.load and give the array."),
    (0, b"\x89HDF", "an HDF5 file", "Load it with h5py and give the array."),
    (0, b"PK\x03\x04", "a zip archive (or a PyTorch checkpoint or office document)", _NOT_ONE),
    (0, b"\x1f\x8b", "a gzip archive", "Unpack it first."),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive", "Unpack it first."),
    (0, b"\x7fELF", "a program", _NOT_ONE),
    (0, b"MZ", "a program", _NOT_ONE),
    (0, b"\x1aE\xdf\xa3", "a video", "Extract a frame of it first."),
    (
        0,
        b"version https://git-lfs",
        "a Git LFS pointer, not the file itself",
        "Run `git lfs pull`.",
    ),
    (0, b"\xff\xd8\xff", "a JPEG picture,", _DAMAGED),
    (0, b"\x89PNG", "a PNG picture,", _DAMAGED),
    (0, b"GIF8", "a GIF picture,", _DAMAGED),
    (0, b"II*\x00", "a TIFF or camera raw picture,", _DAMAGED),
    (0, b"MM\x00*", "a TIFF or camera raw picture,", _DAMAGED),
    (0, b"BM", "a BMP picture,", _DAMAGED),
    (8, b"WEBP", "a WebP picture,", _DAMAGED),
    (8, b"AVI ", "a video", "Extract a frame of it first."),
    (0, b"RIFF", "a sound or video", _NOT_ONE),
)

_NEVER_IN_TEXT = set(range(32)) - set(b"\t\n\f\r")
_HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
_PICKLES = tuple(b"\x80" + bytes([protocol]) for protocol in range(2, 6))


def describe(data: bytes) -> str:
    """Tells in a sentence or two what `data`, which no picture reader knows, seems to be.

    Args:
        data: The whole file.

    Returns:
        The end of a sentence that starts with the file's name.

    Example:
        >>> describe(b"%PDF-1.7 ...")
        'seems to be a PDF document. Export it as PNG or JPEG first.'
    """
    head = data[:4096]
    what, advice = _seems(head)
    stop = "" if what.endswith(",") else "."
    return f"seems to be {what}{stop} {advice}"


def _seems(head: bytes) -> tuple[str, str]:
    for offset, signature, what, advice in _SIGNATURES:
        if head[offset:].startswith(signature):
            return what, advice
    if head[4:8] == b"ftyp":
        if head[8:12] in (b"avif", b"avis"):
            return "an AVIF picture,", _DAMAGED
        if head[8:12] in _HEIC_BRANDS:
            return "a HEIC picture (as phones take them)", _EXPORT
        return "a video", "Extract a frame of it first."
    if head.startswith(_PICKLES):
        return "a Python pickle, which is never loaded here", _NOT_ONE
    return _seems_text(head)


def _seems_text(head: bytes) -> tuple[str, str]:
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if b"<svg" in start and start.startswith(b"<"):
        return "an SVG drawing", _EXPORT
    if start.startswith((b"<!doctype html", b"<html")):
        return "a web page", "Download the picture itself, not the page that shows it."
    if start.startswith(b"<?xml"):
        return "an XML document", _NOT_ONE
    if _is_text(head):
        return "text", _NOT_ONE
    return "no kind of picture that is known here", _NOT_ONE


def _is_text(head: bytes) -> bool:
    try:
        # The head may end within a character.
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return not set(head) & _NEVER_IN_TEXT
