"""Poor versions of good pictures, as the course makes them: what super-resolution learns to undo."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args

from PIL import Image, ImageDraw, ImageFont

from interp.files import read_json, sweep, write_drawn, write_whole
from interp.images import LIMITS, ImageError, open_image
from interp.images.geometry import shorter_side_to
from interp.training.data import DataError, in_threads, pictures_in

Variant = Literal["crappify", "resize", "grey"]
Quality = tuple[int, int]

MANIFEST = "crappify.json"

_SIZES: dict[str, int | None] = {"crappify": 96, "resize": 96, "grey": None}
_QUALITIES: dict[str, Quality] = {"crappify": (10, 70), "resize": (60, 60), "grey": (90, 90)}
_LONGEST = 65_500  # that JPEG can hold


@dataclass(frozen=True)
class Made:
    """What `crappify` did.

    Attributes:
        folder: of the poor pictures.
        written: how many were made.
        skipped: how many were there already.
        failed: for each picture that could not be used, the reason.
    """

    folder: Path
    written: int
    skipped: int
    failed: dict[str, str]


def crappify(
    pictures: str | Path,
    out: str | Path,
    *,
    variant: Variant = "crappify",
    size: int | None = None,
    quality: Quality | int | None = None,
    seed: int = 0,
    recursive: bool = False,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Made:
    """Write a poor JPEG of every picture, under its own name, into another folder.

    `crappify`, fast.ai's of 2019: the shorter side becomes 96 pixels (bilinear), a quality 10 … 70 is drawn
    at random, written in white at a random place of the upper left quarter, and saved with. `resize` only
    makes pictures small, with quality 60. `grey` takes the colours, with quality 90.

    What is random depends on `seed` and a picture's name alone. Pictures that are done stay as they are, so
    an interrupted call goes on; each file is written whole.

    Args:
        pictures: folder of the good pictures.
        out: folder for the poor ones, new or of an earlier call with the same settings.
        variant: what is done to them.
        size: of the shorter side; default 96, and for `grey` as it is.
        quality: of the JPEGs, 1 … 95, or the lowest and the highest.
        seed: of what is random.
        recursive: whether to walk the folders inside `pictures` too; `out` never is.
        workers: threads; default one for each core.
        progress: is called with (done, count).

    Returns:
        What was made, what was there, and what failed and why.

    Raises:
        DataError: no such folder, no picture, a value out of its range, two pictures whose poor ones would
            have one name, or an `out` that has other settings or other things in it.

    Example:
        >>> made = crappify("sample_images", "poor", seed=1)
        >>> made.failed
        {}
    """
    plan = Plan.of(pictures, out, variant=variant, size=size, quality=quality, seed=seed, recursive=recursive)
    return plan.run(workers=workers, progress=progress)


@dataclass(frozen=True)
class _Settings:
    """What decides the bytes of a poor picture, together with the good one and its name."""

    pictures: str
    variant: Variant
    size: int | None
    quality: Quality
    seed: int


@dataclass(frozen=True)
class _Job:
    source: Path
    name: str
    target: Path

    def is_done(self) -> bool:
        try:
            return self.target.stat().st_mtime_ns >= self.source.stat().st_mtime_ns
        except FileNotFoundError:
            return False


@dataclass(frozen=True)
class Plan:
    """A call of `crappify` whose arguments are all right and whose folder is there."""

    folder: Path
    settings: _Settings
    jobs: tuple[_Job, ...]

    @classmethod
    def of(
        cls,
        pictures: str | Path,
        out: str | Path,
        *,
        variant: Variant = "crappify",
        size: int | None = None,
        quality: Quality | int | None = None,
        seed: int = 0,
        recursive: bool = False,
    ) -> Plan:
        """Find the pictures, and make the folder or see that it was made the same way.

        Args and errors are those of `crappify`.

        Example:
            >>> plan = Plan.of("sample_images", "poor")
        """
        source, out = Path(pictures), Path(out)
        settings = _settings(source, variant, size, quality, seed)
        plan = cls(out, settings, tuple(_jobs(source, out, recursive)))
        _open_folder(out, settings)
        sweep(out, *{job.target.parent for job in plan.jobs})
        return plan

    def run(self, *, workers: int | None = None, progress: Callable[[int, int], None] | None = None) -> Made:
        """Make what is not there yet.

        Args:
            workers: threads; default one for each core.
            progress: is called with (done, count).

        Raises:
            DataError: less than one worker.

        Example:
            >>> made = plan.run(workers=2)
        """
        if workers is not None and workers < 1:
            raise DataError(f"workers={workers}: give a whole number from 1.")
        left = [job for job in self.jobs if not job.is_done()]
        before = len(self.jobs) - len(left)
        reasons: dict[int, str | None] = {}
        # Threads: Pillow decodes, resizes and encodes without the interpreter's lock.
        with closing(in_threads(self._reason, left, workers)) as results:
            for number, reason in results:
                reasons[number] = reason
                if progress:
                    progress(before + len(reasons), len(self.jobs))
        failed = {left[number].name: why for number in sorted(reasons) if (why := reasons[number])}
        return Made(self.folder, len(left) - len(failed), before, failed)

    def _reason(self, job: _Job) -> str | None:
        """Make a poor picture, or return why that cannot be."""
        asked = self.settings
        chance = random.Random(f"{asked.seed} {job.name}")
        quality = chance.randint(*asked.quality)
        try:
            poor = poor_version(open_image(job.source), asked.variant, asked.size, quality, chance)
        except ImageError as error:
            return str(error)
        job.target.parent.mkdir(parents=True, exist_ok=True)
        with write_drawn(job.target) as drawn:
            poor.save(drawn, format="JPEG", quality=quality)
        return None


def poor_version(
    picture: Image.Image, variant: Variant, size: int | None, quality: int, chance: random.Random
) -> Image.Image:
    """Return a picture made poor, still to be saved with its quality.

    Args:
        picture: RGB.
        variant: as `crappify` takes it.
        size: of the shorter side; `None` leaves it.
        quality: that `crappify` writes into the picture.
        chance: for the place of the writing.

    Raises:
        ImageError: it would become larger than a JPEG can be.

    Example:
        >>> poor_version(Image.new("RGB", (640, 480)), "resize", 96, 60, random.Random(0)).size
        (128, 96)
    """
    if size is not None:
        width, height = shorter_side_to(size, *picture.size)
        if max(width, height) > _LONGEST or width * height > LIMITS.pixels:
            raise ImageError(f"would become {width} x {height} pixels. Leave it out, or give a smaller size.")
        picture = picture.resize((width, height), Image.Resampling.BILINEAR)
    if variant == "grey":
        return picture.convert("L")
    if variant == "crappify":
        place = chance.randint(0, picture.width // 2), chance.randint(0, picture.height // 2)
        ImageDraw.Draw(picture).text(place, str(quality), fill=(255, 255, 255), font=_font())
    return picture


@cache
def _font() -> ImageFont.ImageFont:
    # The course's; Pillow's default is another today, and another again on machines without FreeType.
    return ImageFont.load_default_imagefont()


def _settings(source: Path, variant: Any, size: Any, quality: Any, seed: int) -> _Settings:
    if variant not in get_args(Variant):
        raise DataError(f"there is no variant {variant!r}; give one of {', '.join(get_args(Variant))}.")
    if size is not None and not 1 <= size <= 4096:
        raise DataError(f"size={size}: give the pixels of the shorter side, 1 to 4096.")
    if quality is None:
        quality = _QUALITIES[variant]
    low, high = (quality, quality) if isinstance(quality, int) else quality
    if not 1 <= low <= high <= 95:
        raise DataError(f"quality={low}-{high}: give a JPEG quality or two, the lower one first, 1 to 95.")
    name = source.resolve().name
    return _Settings(name, variant, _SIZES[variant] if size is None else size, (low, high), seed)


def _jobs(source: Path, out: Path, recursive: bool) -> list[_Job]:
    if out.resolve() == source.resolve():
        raise DataError(f"{out} holds the good pictures. Give another folder for the poor ones.")
    jobs: dict[Path, _Job] = {}
    for path in pictures_in(source, recursive=recursive, but=out):
        inside = path.relative_to(source)
        job = _Job(path, inside.as_posix(), out / inside.with_suffix(".jpg"))
        if job.target in jobs:
            raise DataError(
                f"{jobs[job.target].name} and {job.name} in {source} would both become {job.target.name}. "
                "Rename one of them."
            )
        jobs[job.target] = job
    return list(jobs.values())


def _open_folder(out: Path, settings: _Settings) -> None:
    """Make the folder and write what its pictures are made with, or see that it is the same."""
    manifest = out / MANIFEST
    wanted = json.loads(json.dumps(asdict(settings)))
    if out.exists() and not out.is_dir():
        raise DataError(f"{out} is a file. Give a folder.")
    if manifest.exists():
        _compare(manifest, wanted)
        return
    out.mkdir(parents=True, exist_ok=True)
    if any(not path.name.startswith(".") for path in out.iterdir()):
        raise DataError(
            f"{out} has other things in it (there is no {MANIFEST}). Give a new folder for the poor pictures."
        )
    with write_whole(manifest) as part:
        part.write_text(json.dumps(wanted, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _compare(manifest: Path, wanted: dict[str, Any]) -> None:
    try:
        found = read_json(manifest)
        other = [key for key in wanted if found[key] != wanted[key]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{manifest} is damaged. Delete its folder, or give a new one.") from error
    if other:
        what = ", ".join(f"{key} {_shown(found[key])}, now {_shown(wanted[key])}" for key in other)
        raise DataError(
            f"{manifest.parent} was made with other settings: {what}. Give a new folder, or delete this one."
        )


def _shown(value: Any) -> str:
    return "-".join(map(str, value)) if isinstance(value, list) else str(value)
