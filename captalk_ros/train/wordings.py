"""Write what a face should feel and how it should speak as captions in thousands of English wordings.

The grammar combines the lexicons beside this file (emotions.txt, styles.txt) by templates (templates.txt). Its test
split shares no templates, words, idioms and situations with the train split.
"""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import numpy as np

from captalk_ros.train import acting

SPLITS = ("train", "test")

_HEADER = re.compile(r"\[([\w.]+)\]")
_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_CHOICE = re.compile(r"\[([^\[\]]*)\]")
_GRADES = ("slight", "plain", "strong")
_PERSONS = {
    "he": {"S": "he", "P": "his", "O": "him", "Q": "himself", "W": "was"},
    "she": {"S": "she", "P": "her", "O": "her", "Q": "herself", "W": "was"},
    "you": {"S": "you", "P": "your", "O": "you", "Q": "yourself", "W": "were"},
    "I": {"S": "I", "P": "my", "O": "me", "Q": "myself", "W": "was"},
}
_VERBS = {"feel": "feels", "look": "looks", "sound": "sounds", "seem": "seems", "show": "shows"}

Fields = dict[str, dict[str, tuple[str, ...]]]
"""Field -> split -> items."""


def _blocks(name: str) -> dict[str, list[str]]:
    """Block -> lines of a data file; an indented line continues the one before."""
    blocks: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in (Path(__file__).parent / name).read_text(encoding="utf-8").splitlines():
        if header := _HEADER.fullmatch(line):
            lines = blocks.setdefault(header[1], [])
        elif line.startswith("  "):
            lines[-1] += " " + line.strip()
        elif line and not line.startswith("#"):
            lines.append(line)
    return blocks


@cache
def _lexicon(name: str) -> dict[str, Fields]:
    """Block -> fields of a lexicon file."""

    def fields(lines: Sequence[str]) -> Fields:
        parts = {field: items.split(" // ") for field, items in (line.split(": ", 1) for line in lines)}
        return {
            field: {
                split: tuple(item.strip() for item in part.split(";"))
                for split, part in zip(SPLITS, both, strict=False)
            }
            for field, both in parts.items()
        }

    return {block: fields(lines) for block, lines in _blocks(name).items()}


@cache
def _templates() -> dict[str, tuple[str, ...]]:
    """Block -> templates: split at line ends and at '|' outside square brackets."""
    return {
        block: tuple(template for line in lines for template in re.split(r"\|(?![^\[]*\])", line))
        for block, lines in _blocks("templates.txt").items()
    }


STATES = tuple(_lexicon("emotions.txt"))
"""The 24 emotional states, the paper's eight first."""


def _pick(items: Sequence[str], rng: np.random.Generator) -> str:
    return items[int(rng.integers(len(items)))]


def _template(block: str, split: str, rng: np.random.Generator) -> str:
    return _pick(_templates()[f"{block}.{split}"], rng)


class _Emotion:
    """Draws the words of one state at one intensity level (0 slight, 1 plain, 2 strong)."""

    def __init__(self, state: str, level: int, split: str, rng: np.random.Generator) -> None:
        self.state, self.level, self.split, self.rng = state, level, split, rng
        self.fields = _lexicon("emotions.txt")[state]

    def word(self, field: str, level: int) -> str | None:
        """An item of a level; None where the lexicon has none."""
        items = self.fields.get(f"{field}{level}", {}).get(self.split)
        return _pick(items, self.rng) if items else None

    def graded(self, field: str) -> str | None:
        """An adjective, noun or adverb of this level, or a plain one with a word of degree."""
        own, plain = self.word(field, self.level), self.word(field, 1)
        if own and self.level != 1 and self.rng.random() < 0.6:
            return own
        if not plain or (self.level == 1 and field != "adj"):
            return plain
        if field == "adv" and not plain.endswith("ly"):
            return None
        degree = _template(f"degree.{_GRADES[self.level]}" + "_noun" * (field == "noun"), self.split, self.rng)
        return plain if degree == "-" else f"{degree} " + re.sub("^(an?|the) ", "", plain)

    def situation(self) -> str | None:
        """A situation of this level, now and then a plain one."""
        return (self.rng.random() < 0.8 and self.word("sit", self.level)) or self.word("sit", 1)

    def contrast(self) -> str:
        """An adjective of another state, mostly one of the paper's classes."""
        basic = self.rng.random() < 0.8
        states = [state for state in (STATES[1:8] if basic else STATES[8:]) if state != self.state]
        return _Emotion(_pick(states, self.rng), 1, self.split, self.rng).word("adj", 1)

    def placeholder(self, name: str) -> str | None:
        """The value of a template's placeholder; None where this state has no word for it."""
        if name in ("a", "n", "adv"):
            return self.graded({"a": "adj", "n": "noun"}.get(name, name))
        if name in ("adj", "say"):
            return self.word(name, 1)
        if name in ("s", "other"):
            return self.situation() if name == "s" else self.contrast()
        return self.word("sit" if name == "x" else name, self.level)


def _person(split: str, rng: np.random.Generator) -> dict[str, str]:
    """Words that agree with a randomly chosen person."""
    name = _pick(tuple(_PERSONS), rng)
    third = name in ("he", "she")
    words = _PERSONS[name] | {verb: form if third else verb for verb, form in _VERBS.items()}
    words["be"], words["have"] = {"you": ("are", "have"), "I": ("am", "have")}.get(name, ("is", "has"))
    words["says"] = "says" if third else "say"
    words["N3"], words["topic"] = _template("subject", split, rng), _template("topic", split, rng)
    words["N"] = _pick((words["N3"], words["S"]), rng) if third else words["S"]
    return words


def _fill(template: str, words: Mapping[str, str], rng: np.random.Generator, emotion: _Emotion | None = None) -> str:
    """The template with its choices made and its placeholders filled; empty where the emotion lacks a word."""
    text = _CHOICE.sub(lambda match: _pick(match[1].split("|"), rng), template)
    names = set(_PLACEHOLDER.findall(text))
    found = {name: words[name] if name in words else emotion.placeholder(name) for name in sorted(names)}
    if None in found.values():
        return ""
    text = _PLACEHOLDER.sub(lambda match: found[match[1]], text)
    return re.sub(r"\$([SPOQW])", lambda match: words[match[1]], text)


def _finish(text: str, rng: np.random.Generator) -> str:
    """Mend articles and spaces, then vary case, punctuation and now and then the spelling."""
    text = re.sub(r"\b(a) (?=[aeio]|un(?!i))", r"\1n ", re.sub(r"\s+", " ", text).strip(), flags=re.IGNORECASE)
    draw = rng.random()
    if draw < 0.35:
        text = text[0].upper() + text[1:]
        if " " in text and text[-1].isalnum() and rng.random() < 0.6:
            text += "."
    elif draw < 0.40:
        text = text.upper()
    elif draw < 0.55:
        text = text.lower()
    return _misspell(text, rng) if rng.random() < 0.05 else text


def _misspell(text: str, rng: np.random.Generator) -> str:
    """The text with one letter of one long word doubled, dropped or swapped with the next."""
    words = [match.span() for match in re.finditer(r"[A-Za-z]{5,}", text)]
    if not words:
        return text
    start, stop = words[int(rng.integers(len(words)))]
    i = int(rng.integers(start + 1, stop - 1))
    middle = _pick((text[i] * 2 + text[i + 1], text[i + 1], text[i + 1] + text[i]), rng)
    return text[:i] + middle + text[i + 2 :]


def _draw(block: str, emotion: _Emotion, extra: Mapping[str, str], rng: np.random.Generator) -> str:
    """A caption from the first drawn template that the emotion has words for."""
    text = ""
    while not text:
        text = _fill(_template(block, emotion.split, rng), _person(emotion.split, rng) | extra, rng, emotion)
    return text


def _unfelt(split: str, rng: np.random.Generator) -> dict[str, str]:
    """Adjectives and nouns of feelings that a neutral face does not have."""
    first, second = (_Emotion(_pick(STATES[1:], rng), 1, split, rng) for _ in range(2))
    return {
        "o1": first.word("adj", 1),
        "o2": second.word("adj", 1),
        "on": first.word("noun", 1),
        "on2": second.word("noun", 1),
    }


def emotion_caption(spec: acting.Emotion, rng: np.random.Generator, split: str = "train") -> str:
    """One wording of an emotion.

    Args:
        spec: one or two (state, intensity); the state one of STATES, the intensity about 0.4 (slight), 0.75 (plain) or
            1.1 (strong). A neutral state has no intensity.
        rng: source of all choices.
        split: "train" or "test".

    Raises:
        ValueError: for an unknown state or split, or not one or two states.
    """
    _check(split, SPLITS)
    if len(spec) not in (1, 2):
        raise ValueError(f"an emotion has {len(spec)} states, expected one or two")
    emotions = []
    for state, intensity in spec:
        _check(state, STATES)
        level = 1 if state == "neutral" else int(np.argmin(np.abs(np.subtract(acting.INTENSITIES, intensity))))
        emotions.append(_Emotion(state, level, split, rng))
    first = emotions[0]
    if len(emotions) == 2:
        extra = {"b": emotions[1].graded("adj"), "m": emotions[1].graded("noun")}
        text = _draw("emotion.mixed", first, extra, rng)
    elif first.state == "neutral" and rng.random() < 0.3:
        text = _draw("emotion.neutral", first, _unfelt(split, rng), rng)
    else:
        kind = "any" if first.level == 0 or rng.random() < 0.5 else _GRADES[first.level]
        text = _draw(f"emotion.{kind}", first, {}, rng)
    return _finish(text, rng)


def _check(value: str, known: Sequence[str]) -> None:
    if value not in known:
        raise ValueError(f"unknown {value!r}, expected one of {', '.join(known)}")


def _amount(block: str, form: str, split: str, rng: np.random.Generator) -> str:
    """How much of a movement: an adjective with a noun, or an adverb with a verb."""
    kind, degree = {"np": ("noun", "adj"), "vp": ("verb", "adv"), "imp": ("imp", "adv")}[form]
    styles = _lexicon("styles.txt")
    movement = _pick(styles[block.partition(".")[0]][kind][split], rng)
    amount = _pick(styles[block][degree][split], rng)
    if form == "np" or amount.startswith("^"):
        return f"{amount.removeprefix('^')} {movement}"
    return f"{movement} {amount}"


def _style_part(block: str, form: str, split: str, rng: np.random.Generator) -> str:
    if form in ("np", "vp", "imp") and block.startswith(("mouth", "head")) and rng.random() < 0.5:
        return _amount(block, form, split, rng)
    text = _pick(_lexicon("styles.txt")[block][form][split], rng)
    subject = _pick(("The speaker", "The person", "The man", "The woman"), rng)
    if text.startswith("$") and rng.random() < 0.4:
        he = rng.random() < 0.5
        return text.replace("$N", "He" if he else "She").replace("$P", "His" if he else "Her")
    for mark, word in (("$N", subject), ("$P", f"{subject}'s")):
        text = text.replace(mark, word if text.startswith(mark) else word.lower())
    return text


def _movement(mouth: str | None, head: str | None, split: str, rng: np.random.Generator) -> str:
    """Wording of mouth and head; empty where both go unmentioned."""
    joint = f"joint.{mouth}.{head}"
    if joint in _lexicon("styles.txt") and rng.random() < 0.25:
        return _style_part(joint, "free", split, rng)
    blocks = [f"{group}.{level}" for group, level in (("mouth", mouth), ("head", head)) if level]
    forms = ("np", "vp", "imp", "free", "sent")
    form = _pick(forms, rng)
    if len(blocks) < 2:
        return "".join(_style_part(block, form, split, rng) for block in blocks)
    mixed = rng.random() < 0.15
    parts = [_style_part(block, _pick(forms, rng) if mixed else form, split, rng) for block in blocks]
    words = {"m": parts[0], "h": parts[1], "N": _pick(("he", "she"), rng)}
    return _fill("{m}, {h}" if mixed else _template(f"style.{form}", split, rng), words, rng).replace(".,", ",")


def _with_tone(text: str, tone: str, split: str, rng: np.random.Generator) -> str:
    adjective, fragment = (_style_part(f"tone.{tone}", form, split, rng) for form in ("adj", "free"))
    if text and text[-1] != "." and text[0].isupper():
        text += "."
    template = _template("style.tone", split, rng) if text else _pick(("{T}", "{t}", "a {t} speaker"), rng)
    return _fill(template, {"x": text, "t": adjective, "T": fragment}, rng)


def style_caption(spec: acting.Style, rng: np.random.Generator, split: str = "train") -> str:
    """One wording of a style; traits that are None go unmentioned.

    Raises:
        ValueError: for an unknown amplitude, tone or split.
    """
    _check(split, SPLITS)
    amplitudes = (spec.mouth, acting.MOUTH_AMPLITUDES), (spec.head, acting.HEAD_AMPLITUDES), (spec.tone, acting.TONES)
    for value, known in amplitudes:
        if value:
            _check(value, tuple(known))
    text = _movement(spec.mouth, spec.head, split, rng)
    if spec.tone:
        text = _with_tone(text, spec.tone, split, rng)
    if not text or rng.random() < 0.08:
        text = f"{_style_part('look', 'free', split, rng)} {text[:1].upper()}{text[1:]}"
    return _finish(text, rng)
