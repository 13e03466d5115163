"""Draws heads: single images, the sheet of all 52 units, and animations as video, gif or sheet. No display needed.

captalk render out.npz --audio in.wav -o out.mp4
captalk head sheet -o units.png
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from captalk_ros.errors import InputError
from captalk_ros.head import FlameParameters, Head, open_head
from captalk_ros.head.studio import Studio
from captalk_ros.motion import UNIT_NAMES, unit_vector

if TYPE_CHECKING:
    from captalk_ros.animate import Animation

Progress = Callable[[int, int], None]

SUFFIXES = (".mp4", ".gif", ".png")
_SHEET_COLUMNS, _SHEET_ROWS, _SHEET_SIZE = 6, 4, 256
_GIF_EVERY = 2  # frames; players do not keep up with 25 a second
_TEXT_COLOUR, _TEXT_SHADOW, _BAND_COLOUR = (240, 240, 236), (12, 12, 14), (20, 22, 26)
_LONGEST_TEXT = 160  # characters; still shortened to the width
_FONT_SHARE = 1 / 30  # of the image's height


def render_image(head: Head, vertices: np.ndarray, size: int = 640, turn_deg: float = 14.0) -> np.ndarray:
    """One picture of a head.

    Args:
        head: whose surface it is.
        vertices: [V, 3] m, as from `Head.vertices`.
        size: width and height, pixels.
        turn_deg: how far the camera stands to the head's right.

    Returns:
        [size, size, 3] uint8.
    """
    studio = Studio(head, size, turn_deg)
    studio.pose(vertices)
    image = studio.image()
    studio.close()
    return image


def _font(size: int):
    from PIL import ImageFont

    return ImageFont.load_default(size)


def _write_text(image: np.ndarray, lines: list[str], size: int, band: float = 0.0) -> np.ndarray:
    """The image [H, W, 3] with lines of text at its bottom left, each shortened to fit.

    `band` is the share of the height, at the bottom, that is darkened for them.
    """
    from PIL import Image, ImageDraw

    picture = Image.fromarray(image)
    draw, font = ImageDraw.Draw(picture), _font(size)
    top = round(picture.height * (1 - band))
    if band:
        draw.rectangle((0, top, picture.width, picture.height), _BAND_COLOUR)
    else:
        top = picture.height - round(size * (0.7 + 1.35 * len(lines)))
    for row, line in enumerate(lines):
        while draw.textlength(line, font) > picture.width - 2 * size and len(line) > 1:
            line = line[:-2].rstrip("…") + "…"
        place = (size, top + round(size * (0.3 + 1.35 * row)))
        draw.text((place[0] + 1, place[1] + 1), line, _TEXT_SHADOW, font)
        draw.text(place, line, _TEXT_COLOUR, font)
    return np.asarray(picture)


def _sheet(images: list[np.ndarray], columns: int) -> np.ndarray:
    """Images of one size [H, W, 3] in rows of `columns`."""
    blank = np.zeros_like(images[0])
    images = images + [blank] * (-len(images) % columns)
    return np.vstack([np.hstack(images[row : row + columns]) for row in range(0, len(images), columns)])


def render_sheet(head: Head, path: str | Path, progress: Progress | None = None, size: int = _SHEET_SIZE) -> None:
    """Draw the neutral face and each of the 52 units at 1, labelled, as one picture.

    mouthClose is drawn at 0.4 on a jaw opened as far, as it means nothing on a closed one.
    """
    studio, images = Studio(head, size, turn_deg=6.0), []
    faces = {"neutral": {}, **{name: {name: 1.0} for name in UNIT_NAMES}}
    faces["mouthClose"] = {"mouthClose": 0.4, "jawOpen": 0.4}
    for name, values in faces.items():
        studio.pose(head.vertices(head.parameters(unit_vector(values))))
        label = "mouthClose + jawOpen 0.4" if name == "mouthClose" else name
        images.append(_write_text(studio.image(), [label], max(10, size // 16)))
        if progress:
            progress(len(images), len(faces))
    studio.close()
    _save(path, _sheet(images, 9))


def _parameters(animation: "Animation", head: Head) -> FlameParameters:
    """FLAME parameters of all frames: those of the animation where they are this head's, else from its units."""
    from_units = head.parameters(animation.units, animation.head_rotation)
    if str(animation.head_model) != head.name:
        return from_units
    return FlameParameters(
        expression=animation.expression,
        jaw_pose=animation.jaw_pose,
        neck_pose=animation.neck_pose,
        eye_pose=animation.eye_pose,
        eyelids=from_units.eyelids,
    )


def _captions_at(animation: "Animation", time_s: float) -> list[str]:
    """The captions in force at a time, as lines of text."""
    lines = {}
    for start, style, emotion in zip(
        animation.caption_time_s, animation.caption_style, animation.caption_emotion, strict=True
    ):
        if start <= time_s + 1e-6:
            given = {"style": " ".join(str(style).split()), "emotion": " ".join(str(emotion).split())}
            lines.update({kind: text[:_LONGEST_TEXT] for kind, text in given.items() if text})
    return [f"{kind}: {lines[kind]}" for kind in ("emotion", "style") if kind in lines]


def _images(
    animation: "Animation", head: Head, frames: np.ndarray, size: int, progress: Progress | None, labels: bool = False
) -> Iterator[np.ndarray]:
    """Images [size, size, 3] of some frames with the captions in force; `labels` adds the time."""
    parameters, font = _parameters(animation, head), max(9, round(size * _FONT_SHARE))
    n_lines = max(len(_captions_at(animation, time)) for time in (*animation.caption_time_s, np.inf)) + labels
    band = (0.7 + 1.35 * n_lines) * font / size if n_lines else 0.0
    studio = Studio(head, size, band=band)
    try:
        for done, frame in enumerate(frames.tolist()):
            fields = {name: getattr(parameters, name)[frame] for name in _FRAME_FIELDS}
            studio.pose(head.vertices(FlameParameters(**fields, shape=parameters.shape)))
            time_s = float(animation.time_s[frame])
            lines = ([f"{time_s:.2f} s"] if labels else []) + _captions_at(animation, time_s)
            yield _write_text(studio.image(), lines, font, band)
            if progress:
                progress(done + 1, len(frames))
    finally:
        studio.close()


_FRAME_FIELDS = ("expression", "jaw_pose", "neck_pose", "eye_pose", "eyelids")


def _write_video(path: Path, images: Iterator[np.ndarray], size: int, fps: float, audio: Path | None) -> None:
    import imageio_ffmpeg

    writer = imageio_ffmpeg.write_frames(
        str(path),
        (size, size),
        fps=fps,
        codec="libx264",
        quality=None,
        macro_block_size=2,
        audio_path=None if audio is None else str(audio),
        audio_codec=None if audio is None else "aac",
        ffmpeg_log_level="error",
        output_params=["-preset", "veryfast", "-crf", "19", "-movflags", "+faststart"],
    )
    writer.send(None)
    try:
        for image in images:
            writer.send(np.ascontiguousarray(image))
    finally:
        writer.close()


def _write_gif(path: Path, images: Iterator[np.ndarray], fps: float) -> None:
    from PIL import Image

    pictures = [Image.fromarray(image) for image in images]
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=1000 / fps, loop=0, optimize=False)


def _save(path: str | Path, image: np.ndarray) -> None:
    from PIL import Image

    Image.fromarray(image).save(path)


def _check(animation: "Animation", path: Path, audio: Path | None, size: int) -> None:
    """Raise InputError for what `render_animation` cannot draw."""
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(f"{path}: cannot draw a file of kind {path.suffix!r}, expected {', '.join(SUFFIXES)}")
    if size % 2 or size < 64:
        raise InputError(f"an image size of {size} pixels cannot be encoded, expected an even number from 64 on")
    if not len(animation.units):
        raise InputError(f"{path}: the animation holds no frames")
    if audio is not None and not audio.is_file():
        raise InputError(f"{audio}: no such audio file")


def render_animation(
    animation: "Animation",
    path: str | Path,
    audio: str | Path | None = None,
    size: int = 512,
    progress: Progress | None = None,
    head: Head | None = None,
) -> None:
    """Draw an animation.

    Args:
        animation: as from `animate` or `Animation.load`.
        path: .mp4 (H.264, with sound as AAC if `audio` is given), .gif, or .png (a sheet of 24 frames).
        audio: the recording that belongs to it.
        size: width and height in pixels, even; at most 256 for each frame of a sheet.
        progress: called with (frames done, all frames).
        head: whom to draw; the open head by default. An animation made for another head is drawn from its units.

    Raises:
        InputError: an unknown suffix, an odd size, an animation without frames, or no such audio file.
    """
    path, audio = Path(path), None if audio is None else Path(audio)
    _check(animation, path, audio, size)
    head = head or open_head()
    every, fps = np.arange(len(animation.units)), float(animation.fps)
    suffix = path.suffix.lower()
    if suffix == ".mp4":
        _write_video(path, _images(animation, head, every, size, progress), size, fps, audio)
    elif suffix == ".gif":
        _write_gif(path, _images(animation, head, every[::_GIF_EVERY], size, progress), fps / _GIF_EVERY)
    else:
        n_images = min(len(every), _SHEET_COLUMNS * _SHEET_ROWS)
        picked = np.unique(np.linspace(0, every[-1], n_images).round().astype(int))
        images = list(_images(animation, head, picked, min(size, _SHEET_SIZE), progress, labels=True))
        _save(path, _sheet(images, _SHEET_COLUMNS))
