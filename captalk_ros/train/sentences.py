"""What the synthetic speakers say: sentences in English from templates, in other languages, and in none.

English is rich in p, b and m, whose closed lips a talking face must not miss: talk of people and robots, prompts of
telephones, numbers, interjections. A few hundred lines of `english.txt` give millions of sentences.
"""

import re
import zlib
from importlib.resources import files

import numpy as np

SPLITS = ("train", "test", "all")
TEST_SHARE = 0.1
INVENTED_SHARE = 0.06

_INITIALS = (*"bbbcdfgghjklmmmnppprstvwyz", "ch", "sh", "th", "pl", "br", "st")
_RHYMES = (*"aeiou", "ee", "oo", "ai", "ow", "ar")
_FINALS = ("", "", "", "p", "m", "b", "n", "t", "f", "s")


def _sections(name: str) -> dict[str, list[str]]:
    """Lines of a text file of this package under their `[headings]`; lines that start with # are comments."""
    sections: dict[str, list[str]] = {}
    for line in files(__package__).joinpath(name).read_text(encoding="utf-8").splitlines():
        if heading := re.fullmatch(r"\[([\w-]+)\]", line):
            lines = sections.setdefault(heading[1], [])
        elif line and not line.startswith("#"):
            lines.append(line)
    return sections


_ENGLISH = _sections("english.txt")
TEMPLATES = _ENGLISH.pop("sentences")
WORDS = {slot: " | ".join(lines).split(" | ") for slot, lines in _ENGLISH.items()}
# A template that can give few sentences comes up less often.
_TEMPLATE_SHARES = np.array([min(1.0, 0.2 + 0.4 * template.count("{")) for template in TEMPLATES])
_TEMPLATE_SHARES /= _TEMPLATE_SHARES.sum()

# Sentences of every language but English, by its code.
FOREIGN = {
    language: re.findall(r"\S[^.?!;।]*[.?!;।]", " ".join(lines))
    for language, lines in _sections("languages.txt").items()
}
_OTHER_LETTERS = frozenset({"ru", "el", "hi"})  # their voices cannot read invented words in Latin letters


def is_test_text(text: str) -> bool:
    """Whether a sentence belongs to the test split; a hash of its words decides, so the splits share none."""
    return zlib.crc32(" ".join(re.findall(r"\w+", text.lower())).encode()) % 1000 < TEST_SHARE * 1000


def _fill(template: str, rng: np.random.Generator) -> str:
    while match := re.search(r"\{(\w+)\}", template):
        words = WORDS[match[1]]
        template = template[: match.start()] + words[rng.integers(len(words))] + template[match.end() :]
    return template[0].upper() + template[1:]


def _invented_words(rng: np.random.Generator) -> str:
    """Words of no language, such as "mopee bart vuma": syllables that talk never joins."""
    words = []
    for _ in range(rng.integers(1, 7)):
        syllables = [rng.choice(_INITIALS) + rng.choice(_RHYMES) for _ in range(rng.integers(1, 4))]
        words.append("".join(syllables) + rng.choice(_FINALS))
    return " ".join(words)


def _english(rng: np.random.Generator) -> str:
    if rng.random() < INVENTED_SHARE:
        return _invented_words(rng)
    return _fill(TEMPLATES[rng.choice(len(TEMPLATES), p=_TEMPLATE_SHARES)], rng)


def _foreign(rng: np.random.Generator, language: str) -> str:
    """A sentence as written, or words of several mixed anew, or invented words."""
    sentences = FOREIGN[language]
    kind = rng.random()
    if kind < 0.4:
        return sentences[rng.integers(len(sentences))]
    if kind < 0.85 or language in _OTHER_LETTERS:
        words = re.findall(r"[^\s.,?!;।¿¡]+", " ".join(sentences))
        return " ".join(words[i] for i in rng.integers(len(words), size=rng.integers(1, 9)))
    return _invented_words(rng)


def draw_sentence(rng: np.random.Generator, language: str = "en", split: str = "train") -> str:
    """One sentence without a full stop inside, for a voice to read.

    Args:
        rng: decides alone what comes.
        language: `en` or a key of `FOREIGN`.
        split: `train` or `test`, which share no sentence, or `all`.

    Raises:
        ValueError: the language or the split is unknown.
    """
    if split not in SPLITS:
        raise ValueError(f"unknown split {split!r}, expected one of {SPLITS}")
    if language != "en" and language not in FOREIGN:
        raise ValueError(f"no sentences in language {language!r}, expected en or one of {sorted(FOREIGN)}")
    while True:
        text = _english(rng) if language == "en" else _foreign(rng, language)
        if split == "all" or is_test_text(text) == (split == "test"):
            return text
