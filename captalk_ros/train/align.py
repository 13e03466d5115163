"""Phone times of recordings with transcripts, by forced alignment; doubtful recordings are left out.

The aligner is pocketsphinx 5, whose wheel carries its American English model and dictionary
(`pip install captalk-ros[train]`). Its times are a little early; `ALL_LATE_S` and `AFTER_SILENCE_LATE_S` mend that.
"""

import csv
import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from captalk_ros.audio import read_audio, to_int16
from captalk_ros.errors import InputError
from captalk_ros.timebase import SAMPLE_RATE_HZ
from captalk_ros.train.phones import PHONE_NAMES, SIL, VOWELS, Phone, join_equal

# How much later a boundary is than the aligner says. Measured on readers of LibriSpeech, VCTK, Speech Commands and
# others against the steepest step of band energy within 70 ms, medians: vowel to S 15 ms, S to vowel 10, vowel to
# P, T, K 5 to 15, stop or nasal to vowel 0 to 5, but silence to vowel 20 to 32.
ALL_LATE_S = 0.008
AFTER_SILENCE_LATE_S = 0.020

ALIGNER_FRAME_S = 0.01
ALIGNER_PEAK, ALIGNER_MAX_GAIN = 0.5, 30.0  # the level at which the aligner hears, whatever the recording's is
MIN_S, MAX_S = 0.3, 40.0  # of a recording; the aligner's time and memory grow with it

# What makes an alignment doubtful.
MAX_PHONE_S = 0.6
MIN_RANGE_DB = 18.0  # between loud and quiet
SPEECH_BELOW_VOWELS_DB, MAX_SPEECH_IN_SILENCE = 8.0, 0.1  # how loud a silence may not be, but for this share of it
MIN_DIP_DB = {"P": 8.0, "B": 8.0, "M": 5.0}  # below the louder neighbour, where the lips close
MAX_WITHOUT_DIP = 0.34
MIN_SCORE = -35.0  # mean over phones of the aligner's score of a frame

HOP = SAMPLE_RATE_HZ // 200  # 5 ms
WINDOW = 2 * HOP
BAND_HZ = (500, 4000)  # where voice behind closed lips is weak

Segment = tuple[str, float, float, float]  # phone, start and end in seconds, score of a frame


class AlignmentError(InputError):
    """Transcripts that cannot be used, or an alignment that cannot be trusted."""


def read_transcripts(directory: Path) -> dict[str, str]:
    """What is said in each file, from `transcripts.tsv` (columns file, transcript or text; others are passed over).

    Raises:
        AlignmentError: no such table, columns or rows, or a file named twice.
    """
    path = directory / "transcripts.tsv"
    expected = "expected tab-separated columns file, transcript"
    if not path.is_file():
        raise AlignmentError(f"{path}: no such file; {expected}")
    transcripts: dict[str, str] = {}
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise AlignmentError(f"{path}: is no UTF-8 text; {expected}") from None
    table = csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
    names = table.fieldnames or []
    column = "transcript" if "transcript" in names else "text"
    if "file" not in names or column not in names:
        raise AlignmentError(f"{path}: has columns {', '.join(names) or 'none'}; {expected}")
    for row in table:
        if not row["file"] or row["file"] in transcripts:
            raise AlignmentError(f"{path}:{table.line_num}: file {row['file']!r}, expected a name not named before")
        transcripts[row["file"]] = row[column] or ""
    if not transcripts:
        raise AlignmentError(f"{path}: no rows; {expected}")
    return transcripts


def align(directory: Path) -> Iterator[tuple[str, str | None]]:
    """Write `phones.tsv` (file, phone, start_s, end_s) for the recordings that `transcripts.tsv` lists.

    An older `phones.tsv` is replaced at the end, if any recording could be aligned.

    Args:
        directory: of `transcripts.tsv` and the sound files it names, of any format and rate.

    Yields:
        The name of each recording that is done, and why it was left out, or None.

    Raises:
        AlignmentError: no usable `transcripts.tsv`, no aligner, or nothing that could be aligned.
    """
    transcripts = read_transcripts(directory)
    aligner = Aligner()
    rows = []
    for file, transcript in transcripts.items():
        reason = None
        try:
            phones = aligner.align(read_audio(directory / file), transcript)
            rows += [f"{file}\t{name}\t{start_s:.3f}\t{end_s:.3f}\n" for name, start_s, end_s in phones]
        except InputError as error:
            reason = str(error)
        yield file, reason
    if not rows:
        raise AlignmentError(f"{directory}: none of {len(transcripts)} recordings could be aligned")
    unfinished = directory / "phones.part"
    unfinished.write_text("".join(["file\tphone\tstart_s\tend_s\n", *rows]))
    unfinished.replace(directory / "phones.tsv")


class Aligner:
    """pocketsphinx with its American English model, made to find phones where the words are known."""

    def __init__(self):
        try:
            import pocketsphinx
        except ImportError:
            raise AlignmentError("pocketsphinx is not installed: pip install captalk-ros[train]") from None
        beams = {"beam": 1e-100, "pbeam": 1e-100, "wbeam": 1e-80}  # wide: the words are sure, how they sound is not
        self._decoder = pocketsphinx.Decoder(lm=None, loglevel="FATAL", bestpath=False, **beams)

    def align(self, samples: np.ndarray, transcript: str) -> list[Phone]:
        """When each phone of a transcript is said.

        Args:
            samples: float32 [N] at 16 kHz.
            transcript: English words; punctuation and case do not matter.

        Returns:
            Phones that cover the samples from first to last without a gap.

        Raises:
            AlignmentError: a word is not in the dictionary, or the result is doubtful.
        """
        duration_s = len(samples) / SAMPLE_RATE_HZ
        if not MIN_S <= duration_s <= MAX_S:
            raise AlignmentError(f"is {duration_s:.1f} s long, expected {MIN_S:g} to {MAX_S:g} s")
        segments = self._segments(samples, self._words(transcript))
        _check(segments, levels_db(samples))
        return _cover(segments, duration_s)

    def _words(self, transcript: str) -> list[str]:
        """The transcript's words as the dictionary writes them."""
        text = re.sub("[\u2019\u02bc]", "'", transcript.lower())
        words = []
        for token in re.findall(r"[\w']+", text.replace("_", " ")):
            known = [word for word in (token, token.strip("'")) if word and self._decoder.lookup_word(word)]
            if token.strip("'") and not known:
                raise AlignmentError(f"the word {token!r} is not in the dictionary")
            words += known[:1]
        if not words:
            raise AlignmentError(f"the transcript {transcript!r} has no words")
        return words

    def _segments(self, samples: np.ndarray, words: list[str]) -> list[Segment]:
        """Phones and silences as the aligner times them: it finds the pauses and pronunciations, then the phones."""
        gain = min(ALIGNER_PEAK / max(np.abs(samples).max(), 1e-6), ALIGNER_MAX_GAIN)
        sound = to_int16(gain * samples).astype("<i2").tobytes()
        try:
            self._decoder.set_align_text(" ".join(words))
            self._decode(sound)
            if self._decoder.hyp() is None:
                raise AlignmentError("the words do not fit the sound")
            self._decoder.set_alignment()
            self._decode(sound)
            words_found = self._decoder.get_alignment()
        except RuntimeError as error:
            raise AlignmentError(f"the words do not fit the sound ({error})") from None
        segments = []
        for phone in (phone for word in words_found or () for phone in word):
            name = phone.name if phone.name in PHONE_NAMES else SIL  # breaths and noises have names of their own
            times_s = phone.start * ALIGNER_FRAME_S, (phone.start + phone.duration) * ALIGNER_FRAME_S
            segments.append((name, *times_s, phone.score / phone.duration))
        return segments

    def _decode(self, sound: bytes) -> None:
        self._decoder.start_utt()
        self._decoder.process_raw(sound, full_utt=True)
        self._decoder.end_utt()


def levels_db(samples: np.ndarray) -> np.ndarray:
    """Level of the band `BAND_HZ` in windows of 10 ms every 5 ms: float32 [N] -> [N // HOP - 1]."""
    windows = np.lib.stride_tricks.sliding_window_view(samples, WINDOW)[::HOP] * np.hanning(WINDOW)
    power = np.abs(np.fft.rfft(windows, 256)) ** 2
    frequency_hz = np.fft.rfftfreq(256, 1 / SAMPLE_RATE_HZ)
    band = (frequency_hz > BAND_HZ[0]) & (frequency_hz < BAND_HZ[1])
    return 10 * np.log10(power[:, band].sum(axis=1) + 1e-7)


def _check(segments: list[Segment], levels: np.ndarray) -> None:
    """Refuse an alignment that the sound speaks against.

    Raises:
        AlignmentError: with the reason.
    """

    def during(start_s: float, end_s: float) -> np.ndarray:
        """Levels of a stretch of time, one at the least."""
        first, last = (int(np.clip(round(200 * t - 1), 0, len(levels) - 1)) for t in (start_s, end_s))
        return levels[first : max(first, last) + 1]

    spoken = [segment for segment in segments if segment[0] != SIL]
    vowels = np.array([during(start_s, end_s).max() for name, start_s, end_s, _ in spoken if name in VOWELS])
    if not len(vowels):
        raise AlignmentError("no vowel was found")
    name, start_s, end_s, _ = max(spoken, key=lambda segment: segment[2] - segment[1])
    if end_s - start_s > MAX_PHONE_S:
        raise AlignmentError(f"{name} at {start_s:.2f} s would be {end_s - start_s:.2f} s long")
    score = np.mean([score for *_, score in spoken])
    if score < MIN_SCORE:
        raise AlignmentError(f"the words fit the sound badly (score {score:.0f}, expected {MIN_SCORE:.0f} or more)")
    quiet, loud = np.percentile(levels, (5, 95))
    if loud - quiet < MIN_RANGE_DB:
        raise AlignmentError(f"{loud - quiet:.0f} dB between loud and quiet, expected {MIN_RANGE_DB:.0f} or more")
    pauses = [during(s + 0.03, e - 0.03) for name, s, e, _ in segments if name == SIL and e - s > 0.11]
    if pauses and np.mean(np.concatenate(pauses) > np.median(vowels) - SPEECH_BELOW_VOWELS_DB) > MAX_SPEECH_IN_SILENCE:
        raise AlignmentError("speech where there should be a pause")
    closures = [segment for segment in spoken if segment[0] in MIN_DIP_DB]
    flat = 0
    for name, start_s, end_s, _ in closures:
        around = max(during(start_s - 0.12, start_s).max(), during(end_s, end_s + 0.12).max())
        flat += during(start_s + 0.005, end_s).min() > around - MIN_DIP_DB[name]
    if flat > MAX_WITHOUT_DIP * len(closures):
        raise AlignmentError(f"{flat} of {len(closures)} p, b and m without a dip of energy")


def _cover(segments: list[Segment], duration_s: float) -> list[Phone]:
    """The aligner's phones with boundaries put right, from 0 to the end of the sound."""
    starts_s = [0.0]
    for (before, *_), (_, start_s, *_) in itertools.pairwise(segments):
        late_s = AFTER_SILENCE_LATE_S if before == SIL else ALL_LATE_S
        starts_s.append(min(max(start_s + late_s, starts_s[-1] + ALIGNER_FRAME_S), duration_s))
    ends_s = [*starts_s[1:], duration_s]
    return join_equal([Phone(segment[0], *times) for segment, *times in zip(segments, starts_s, ends_s, strict=True)])
