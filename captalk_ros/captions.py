"""Captions in time: what is said about style and emotion, from which sample on, and how one changes into the next."""

import json
import unicodedata
from bisect import insort
from dataclasses import dataclass, field
from pathlib import Path

from captalk_ros.errors import InputError

DEFAULT_TRANSITION_S = 0.4
MAX_CHARACTERS = 1000  # more than the 256 tokens that the text encoder reads
MAX_EVENTS = 1024  # captions that may wait to take effect; more is a mistake of the caller
_MAX_PARTS = 8  # captions that one blend may hold; quick changes keep the heaviest
_KEYS = ("time_s", "style", "emotion", "transition_s")

Blend = list[tuple[str, float]]
"""Captions with their weights, which sum to 1; "" is no caption at all."""


class CaptionError(InputError):
    """A caption or a timeline of captions that cannot be used."""


@dataclass(frozen=True)
class Caption:
    """Style and emotion from a time on.

    Attributes:
        time_s: when it takes effect, in seconds from the first sample; at least 0.
        style, emotion: plain English; "" leaves that one as it is.
        transition_s: how long the change takes, in seconds; at least 0.
    """

    time_s: float
    style: str = ""
    emotion: str = ""
    transition_s: float = DEFAULT_TRANSITION_S


def clean_caption(text: str) -> str:
    """Normalise unicode (NFKC), turn control characters and runs of white space into single spaces, bound the length.

    Cutting happens at 1,000 characters and between words where possible; `is_too_long` tells beforehand.
    """
    text = _collapse(text)
    if len(text) <= MAX_CHARACTERS:
        return text
    head = text[: MAX_CHARACTERS + 1].rpartition(" ")[0]
    return head if len(head) > MAX_CHARACTERS // 2 else text[:MAX_CHARACTERS]


def is_too_long(text: str) -> bool:
    """Whether `clean_caption` would cut the text."""
    return len(_collapse(text)) > MAX_CHARACTERS


def _collapse(text: str) -> str:
    text = unicodedata.normalize("NFKC", text)
    # Categories C*: control, format, surrogate, private use, unassigned; they carry no meaning for a caption.
    return " ".join("".join(" " if unicodedata.category(letter)[0] == "C" else letter for letter in text).split())


def read_timeline(path: Path | str) -> list[Caption]:
    """Read captions from a JSON list of {"time_s", "style", "emotion", "transition_s"}, sorted by time.

    All but "time_s" may be missing.

    Raises:
        CaptionError: for a file that is missing or no such list.
    """
    try:
        entries = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise CaptionError(f"{path}: {error.strerror or error}; expected a timeline of captions (JSON)") from error
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise CaptionError(f"{path}: not JSON ({error}); expected a list of captions") from error
    if not isinstance(entries, list):
        raise CaptionError(f"{path}: holds {_kind(entries)}, expected a list of captions")
    captions = [_caption(entry, f"{path}: caption {number}") for number, entry in enumerate(entries, 1)]
    return sorted(captions, key=lambda caption: caption.time_s)


def _caption(entry: object, where: str) -> Caption:
    if not isinstance(entry, dict):
        raise CaptionError(f"{where} is {_kind(entry)}, expected an object with time_s, style and emotion")
    unknown = [key for key in entry if key not in _KEYS]
    if unknown:
        raise CaptionError(f"{where} has {unknown[0]!r}, expected only {', '.join(_KEYS)}")
    if "time_s" not in entry:
        raise CaptionError(f"{where} lacks 'time_s', expected seconds from the start")
    for key in ("style", "emotion"):
        if not isinstance(entry.get(key, ""), str):
            raise CaptionError(f"{where}: {key} is {_kind(entry[key])}, expected text")
    return Caption(
        _seconds(entry["time_s"], f"{where}: time_s"),
        clean_caption(entry.get("style", "")),
        clean_caption(entry.get("emotion", "")),
        _seconds(entry.get("transition_s", DEFAULT_TRANSITION_S), f"{where}: transition_s"),
    )


def _seconds(value: object, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise CaptionError(f"{what} is {_kind(value)}, expected seconds")
    if not 0 <= value < 1e7:
        raise CaptionError(f"{what} is {value}, expected seconds from 0 on")
    return float(value)


def _kind(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "text", bool: "true or false", type(None): "null"}
    return names.get(type(value), f"the number {value}")


@dataclass(order=True)
class _Event:
    sample: int
    number: int
    style: str = field(compare=False)
    emotion: str = field(compare=False)
    transition_samples: int = field(compare=False)


@dataclass
class _Fade:
    """One caption line: the blend it came from and the caption it goes to."""

    origin: Blend = field(default_factory=lambda: [("", 1.0)])
    text: str = ""
    start: int = 0
    length: int = 0

    def blend(self, sample: int) -> Blend:
        """The captions in force at a sample."""
        progress = 1.0 if self.length <= 0 else min(1.0, max(0.0, (sample - self.start) / self.length))
        eased = progress * progress * (3.0 - 2.0 * progress)
        weights: dict[str, float] = {}
        for text, weight in [*((text, weight * (1.0 - eased)) for text, weight in self.origin), (self.text, eased)]:
            weights[text] = weights.get(text, 0.0) + weight
        heaviest = sorted(
            ((text, weight) for text, weight in weights.items() if weight > 0.0), key=lambda part: -part[1]
        )
        total = sum(weight for _, weight in heaviest[:_MAX_PARTS])
        return [(text, weight / total) for text, weight in heaviest[:_MAX_PARTS]]

    def turn_to(self, text: str, sample: int, length: int) -> None:
        """Begin the change to another caption, from what is in force at that sample."""
        self.origin, self.text, self.start, self.length = self.blend(sample), text, sample, length


class CaptionTrack:
    """Captions in the order of the samples from which they hold, read by a sample that never goes back."""

    def __init__(self) -> None:
        self._waiting: list[_Event] = []
        self._n_added = 0
        self._last_read = 0
        self._style, self._emotion = _Fade(), _Fade()

    def add(self, sample: int, style: str = "", emotion: str = "", transition_samples: int = 0) -> None:
        """Let captions hold from a sample on; "" leaves that one as it is.

        Of two at the same sample the later added wins. What was read stays as it was: an earlier sample than the last
        one read counts as that one.

        Raises:
            CaptionError: when more than 1,024 captions wait.
        """
        if len(self._waiting) >= MAX_EVENTS:
            raise CaptionError(f"over {MAX_EVENTS} captions wait to take effect, expected fewer at a time")
        sample = max(sample, self._last_read)
        insort(self._waiting, _Event(sample, self._n_added, style, emotion, max(0, transition_samples)))
        self._n_added += 1

    def blend(self, sample: int) -> tuple[Blend, Blend]:
        """Style and emotion in force at a sample, each as captions with weights that sum to 1."""
        self._last_read = max(self._last_read, sample)
        while self._waiting and self._waiting[0].sample <= sample:
            event = self._waiting.pop(0)
            for fade, text in ((self._style, event.style), (self._emotion, event.emotion)):
                if text:
                    fade.turn_to(text, event.sample, event.transition_samples)
        return self._style.blend(sample), self._emotion.blend(sample)
