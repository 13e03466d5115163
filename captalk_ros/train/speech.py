"""Speech with known phones: utterances of many voices, languages and engines, each made from (seed, index) alone.

Which engines and voices are needed is in `VOICES`; they are Debian packages:

    apt-get install flite espeak-ng festival festvox-kallpc16k festvox-kdlpc16k festvox-us-slt-hts \\
        festvox-italp16k festvox-itapc16k festvox-czech-{dita,machac,krb,ph} festvox-suopuhe-{lj,mv} \\
        festvox-ca-ona-hts festvox-ru
"""

import contextlib
from dataclasses import dataclass

import numpy as np

from captalk_ros.timebase import SAMPLE_RATE_HZ
from captalk_ros.train.engines import SynthesisError, speak_espeak, speak_festival, speak_flite
from captalk_ros.train.morph import morph, warp_times
from captalk_ros.train.phones import SIL, Phone, join_equal
from captalk_ros.train.sentences import FOREIGN, SPLITS, draw_sentence

MORPH_SHARE = 0.75
LONG_PAUSE_SHARE = 0.1
BREATH_SHARE = 0.2


@dataclass(frozen=True)
class Voice:
    """One voice of one engine.

    Attributes:
        engine: `flite`, `espeak` or `festival`.
        name: the engine's name of it.
        language: `en` or a key of `sentences.FOREIGN`.
        split: `train`, or `test` for a voice that training never hears.
    """

    engine: str
    name: str
    language: str
    split: str = "train"


@dataclass(frozen=True)
class Utterance:
    """Speech and what the mouth does in it.

    Attributes:
        samples: float32 [N], 16 kHz, within [-1, 1].
        phones: they cover the samples from first to last without a gap.
        voice: who speaks.
        text: what is said.
    """

    samples: np.ndarray
    phones: list[Phone]
    voice: Voice
    text: str

    @property
    def duration_s(self) -> float:
        """Length of the audio in seconds."""
        return self.samples.size / SAMPLE_RATE_HZ


_ESPEAK_ENGLISH = ("en-us", "en", "en-gb-scotland", "en-gb-x-gbclan", "en-gb-x-rp", "en-029", "en-us-nyc")
_ESPEAK_OTHER = {"es-419": "es", "fr-be": "fr", "pt": "pt-br", "nb": "sv"}  # dialects that read another's text
# fmt: off
_VARIANTS = (
    "m1", "m2", "m3", "m4", "m5", "m6", "m7", "f1", "f2", "f3", "f4", "klatt", "klatt2", "klatt3", "klatt4", "croak",
    "Alex", "Alicia", "Andrea", "Andy", "Annie", "Denis", "Diogo", "Gene", "Henrique", "Hugo", "Jacky", "Lee", "Marco",
    "Michael", "Mike", "Nguyen", "adam", "anika", "antonio", "belinda", "benjamin", "boris", "caleb", "david", "ed",
    "edward", "gustave", "iven", "john", "linda", "marcelo", "max", "michel", "miguel", "norbert", "pablo", "paul",
    "pedro", "quincy", "rob", "robert", "sandro", "steph", "travis", "victor", "zac",
)
# fmt: on
_TEST_VARIANTS = ("f5", "m8", "klatt5", "Mario", "shelby", "aunty")
_TEST_LANGUAGES = ("hu", "sw")


def _espeak_voices(names: dict[str, str]) -> tuple[Voice, ...]:
    """Every variant of espeak-ng's voices, given as name -> language of its text."""
    voices = []
    for name, language in names.items():
        for variant in (*_VARIANTS, *_TEST_VARIANTS):
            unseen = variant in _TEST_VARIANTS or language in _TEST_LANGUAGES
            voices.append(Voice("espeak", f"{name}+{variant}", language, "test" if unseen else "train"))
    return tuple(voices)


# Groups of voices and how often each is heard: the more natural ones more.
VOICES: dict[str, tuple[float, tuple[Voice, ...]]] = {
    "flite": (0.35, tuple(Voice("flite", name, "en") for name in ("slt", "awb", "rms", "kal16"))),
    "festival English": (
        0.20,
        (
            Voice("festival", "cmu_us_slt_arctic_hts", "en"),
            Voice("festival", "kal_diphone", "en"),
            Voice("festival", "ked_diphone", "en", "test"),
        ),
    ),
    "festival": (
        0.15,
        (
            Voice("festival", "lp_diphone", "it"),
            Voice("festival", "pc_diphone", "it", "test"),
            Voice("festival", "czech_dita", "cs"),
            Voice("festival", "czech_machac", "cs"),
            Voice("festival", "czech_krb", "cs"),
            Voice("festival", "czech_ph", "cs", "test"),
            Voice("festival", "suo_fi_lj_diphone", "fi"),
            Voice("festival", "hy_fi_mv_diphone", "fi"),
            Voice("festival", "upc_ca_ona_hts", "ca"),
            Voice("festival", "msu_ru_nsh_clunits", "ru"),
        ),
    ),
    "espeak English": (0.15, _espeak_voices(dict.fromkeys(_ESPEAK_ENGLISH, "en"))),
    "espeak": (
        0.15,
        _espeak_voices({language: language for language in FOREIGN} | _ESPEAK_OTHER),
    ),
}


def voices(split: str) -> dict[str, tuple[float, tuple[Voice, ...]]]:
    """The groups of `VOICES` with the voices of one split (`all`: every voice); groups left empty are gone."""
    if split not in SPLITS:
        raise ValueError(f"unknown split {split!r}, expected one of {SPLITS}")
    chosen = {
        group: (share, tuple(voice for voice in members if split in ("all", voice.split)))
        for group, (share, members) in VOICES.items()
    }
    return {group: (share, members) for group, (share, members) in chosen.items() if members}


def _draw_voice(rng: np.random.Generator, split: str) -> Voice:
    groups = list(voices(split).values())
    shares = np.array([share for share, _ in groups])
    members = groups[rng.choice(len(groups), p=shares / shares.sum())][1]
    return members[rng.integers(len(members))]


def _draw_manner(voice: Voice, rng: np.random.Generator) -> dict[str, float]:
    """Settings of the engine for one speaker: tempo, pitch, melody."""
    stretch = float(np.exp(rng.normal(0, 0.15)))
    if voice.engine == "flite":
        return {"stretch": stretch, "pitch_hz": float(rng.uniform(80, 180))}
    if voice.engine == "espeak":
        gap = int(rng.choice([0, 0, 0, 1, 3]))
        rate_wpm = int(160 / stretch)
        pitch, pitch_range = int(rng.integers(20, 80)), int(rng.integers(10, 95))
        return {"rate_wpm": rate_wpm, "pitch": pitch, "pitch_range": pitch_range, "word_gap": gap}
    return {"stretch": stretch, "semitones": float(rng.normal(0, 2))}


def _cover(phones: list[Phone], duration_s: float) -> list[Phone]:
    """Phones in order that reach exactly from 0 to the end of the audio."""
    phones = [phone for phone in phones if phone.start_s < duration_s]
    phones = warp_times(phones, lambda time_s: min(time_s, duration_s))
    return [*phones[:-1], phones[-1]._replace(end_s=duration_s)]


def synthesise(text: str, voice: Voice, manner: dict[str, float] | None = None) -> Utterance:
    """Speaks one sentence.

    Args:
        text: one sentence that the voice can read.
        voice: one of `VOICES`.
        manner: the engine's settings (keyword arguments of `engines.speak_*`), None its own.

    Returns:
        The utterance; every stop runs from the start of its closure to the end of its burst.

    Raises:
        SynthesisError: the engine is missing or said nothing.
    """
    manner = manner or {}
    if voice.engine == "flite":
        samples, phones = speak_flite(text, voice.name, **manner)
    elif voice.engine == "espeak":
        samples, phones = speak_espeak(text, voice.name, **manner)
    else:
        samples, phones = speak_festival(text, voice.name, voice.language, **manner)
    if samples.size < SAMPLE_RATE_HZ // 20 or not phones:
        raise SynthesisError(f"{voice.engine} ({voice.name}) gave {samples.size} samples for {text!r}")
    return Utterance(samples, _cover(join_equal(phones), samples.size / SAMPLE_RATE_HZ), voice, text)


def _pause(rng: np.random.Generator) -> tuple[np.ndarray, list[Phone]]:
    """A stretch of nothing, 0.1 to 1 s and now and then up to 3.5 s, sometimes with a breath in it."""
    pause_s = rng.uniform(1.0, 3.5) if rng.random() < LONG_PAUSE_SHARE else rng.uniform(0.1, 1.0)
    samples = np.zeros(int(pause_s * SAMPLE_RATE_HZ), np.float32)
    length = int(rng.uniform(0.2, 0.35) * SAMPLE_RATE_HZ)
    if length < samples.size and rng.random() < BREATH_SHARE:
        at = rng.integers(samples.size - length)
        noise = np.convolve(rng.normal(size=length + 8), [0.5, 0.3, -0.1, -0.2, -0.2, -0.1, 0.1, 0.1], "same")[:length]
        samples[at : at + length] = noise * np.hanning(length) * 10 ** (rng.uniform(-50, -32) / 20)
    return samples, [Phone(SIL, 0.0, samples.size / SAMPLE_RATE_HZ)]


def _join(pieces: list[tuple[np.ndarray, list[Phone]]]) -> tuple[np.ndarray, list[Phone]]:
    phones: list[Phone] = []
    offset = 0
    for samples, own in pieces:
        shift_s = offset / SAMPLE_RATE_HZ
        phones += [Phone(name, start_s + shift_s, end_s + shift_s) for name, start_s, end_s in own]
        offset += samples.size
    return np.concatenate([samples for samples, _ in pieces]), join_equal(phones)


def _say_something(voice: Voice, manner: dict[str, float], rng: np.random.Generator, split: str) -> Utterance:
    """A drawn sentence, or the next one where the voice stumbles (festival's Russian does over some words)."""
    for _ in range(3):
        with contextlib.suppress(SynthesisError):
            return synthesise(draw_sentence(rng, voice.language, split), voice, manner)
    return synthesise(draw_sentence(rng, voice.language, split), voice, manner)


def make_utterance(index: int, split: str = "train", seed: int = 0) -> Utterance:
    """Utterance number `index` of an endless row: one to three sentences of one voice, with pauses around.

    What comes out depends on (seed, split, index) alone, so the row can be made in any order and in parallel.

    Args:
        index: 0 or more.
        split: `train`; `test` for voices and sentences unlike those of `train`; `all` for everything.
        seed: of the whole row.

    Raises:
        SynthesisError: an engine is missing.
    """
    rng = np.random.default_rng([seed, SPLITS.index(split), index])
    voice = _draw_voice(rng, split)
    manner = _draw_manner(voice, rng)
    pieces, texts = [_pause(rng)], []
    for _ in range(rng.choice([1, 2, 3], p=[0.5, 0.35, 0.15])):
        spoken = _say_something(voice, manner, rng, split)
        pieces += [(spoken.samples, spoken.phones), _pause(rng)]
        texts.append(spoken.text)
    sound = _join(pieces)
    if rng.random() < MORPH_SHARE:
        sound = morph(sound, rng)
    samples, phones = sound
    samples = samples * np.float32(0.7 / max(np.abs(samples).max(), 1e-3))
    return Utterance(samples, phones, voice, " ".join(texts))
