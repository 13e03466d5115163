"""Write what a face should feel and how it should speak as captions in thousands of English wordings.

An emotion is a list of (state, intensity), a style is a `Style`. The grammar combines the lexicons beside this file
(emotions.txt, styles.txt); its test split uses templates, words, idioms and situations that the train split never does.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

INTENSITIES = (0.4, 0.75, 1.1)
"""Intensity of a slight, a plain and a strong emotion."""
MOUTH_LEVELS = {"minimal": 0.35, "small": 0.6, "natural": 1.0, "large": 1.5, "theatrical": 1.9}
HEAD_LEVELS = {"still": 0.0, "little": 0.45, "natural": 1.0, "lively": 1.7, "big": 2.4}
TONES = ("serious", "warm", "energetic", "monotone", "professional", "gentle", "gloomy", "cheerful", "tense")
SPLITS = ("train", "test")

_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_ALTERNATIVES = re.compile(r"\[([^\[\]]*)\]")


@dataclass(frozen=True)
class Style:
    """How one speaks; None is a trait that the caption does not mention."""

    mouth: str | None = None
    head: str | None = None
    tone: str | None = None

    @property
    def mouth_gain(self) -> float:
        """Mouth amplitude relative to natural speech."""
        return MOUTH_LEVELS[self.mouth or "natural"]

    @property
    def head_gain(self) -> float:
        """Head amplitude relative to natural speech."""
        return HEAD_LEVELS[self.head or "natural"]


@cache
def _lexicon(name: str) -> dict[str, dict[str, dict[str, tuple[str, ...]]]]:
    """Block -> field -> split -> items of a lexicon file."""
    lexicon: dict = {}
    for line in (Path(__file__).parent / name).read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            block = lexicon.setdefault(line.strip("[]"), {})
        elif line and not line.startswith("#"):
            field, _, items = line.partition(": ")
            parts = zip(SPLITS, items.split(" // "), strict=False)
            block[field] = {split: tuple(item.strip() for item in part.split(";")) for split, part in parts}
    return lexicon


STATES = tuple(_lexicon("emotions.txt"))
"""The 24 emotional states, the paper's eight first."""

_DEGREES = {
    "train": {
        "slight": "slightly|a little|a bit|mildly|somewhat|faintly|just a little|vaguely|ever so slightly".split("|"),
        "plain": "|||||quite|rather|pretty|clearly".split("|"),
        "strong": "very|extremely|absolutely|totally|incredibly|really really|terribly|so very|completely".split("|"),
        "slight_noun": "a little|a hint of|slight|mild|some|a trace of".split("|"),
        "strong_noun": "extreme|intense|deep|overwhelming|immense|nothing but".split("|"),
    },
    "test": {
        "slight": "a tad|marginally|a wee bit|barely".split("|"),
        "plain": "||duly|decidedly".split("|"),
        "strong": "insanely|exceedingly|tremendously|unbelievably".split("|"),
        "slight_noun": "a whiff of|a smidgen of|a dash of".split("|"),
        "strong_noun": "limitless|tremendous|all-consuming".split("|"),
    },
}

_SUBJECTS = {
    "train": "He|She|The speaker|The robot|The man|The woman|The character|A boy|A girl|The avatar|Someone".split("|"),
    "test": "The actress|This person|Grandma|The lad|Our guide|The android".split("|"),
}

# Templates by what they need of an intensity: "any" grades by its words, "plain" carries plain emotions,
# "strong" strong ones. {a} graded adjective, {n} noun, {adv} adverb, {s} situation, {x} one of just this level; the rest are lexicon fields.
_EMOTION_TEMPLATES = {
    "train": {
        "any": """
            {a}|{a}|{a}|{n}|{n}|{idiom}|{idiom}|{adv}|{body}|{body}
            [emotion|mood|feeling|face|state|tone|expression]: {a}|[emotion|mood|feeling] = {n}
            {N} {be} {a}|{N} {feel} {a}|{N} {look} {a}|{N} {sound} {a}|{N} {seem} {a}
            {N} {be} {a} because {s}|{a} because {s}|{a}, because {s}|{a} now that {s}|{N} {feel} {a}. {s}.
            {s}, [so|and now|that is why] {S} {be} {a}|{s}. {N} {be} {a}.
            [be|look|sound|act|seem|get] {a}|[please|now] [be|look|sound] {a}|I want you to be {a}|make it sound {a}
            [speak|talk|say this|answer|read this] in a {a} [voice|way|tone|manner]|a {a} [face|look|expression|voice]
            with {n}|speaks with {n}|{N} {show} {n}|{n} in the [voice|face|eyes]|{n}, because {s}|{N} {feel} {n}
            [say it|speak|talk|answers|says it|asks|speaks] {adv}|{N} {say} it {adv}|{adv}, because {s}
            {N} {be} {idiom}|{idiom} because {s}|{idiom}: {s}|{N} {be} {idiom} because {s}
            {a}, {body}|{body}; {a}|{N} {be} {a}, {body}|{a}: {body}|{body}, because {s}|{a} ({n})
            not {other}, [just|but|rather] {a}|not {other} any more, [now|just] {a}|no longer {other}, now {a}
            less {other}, more {a}|{a}, not {other}|[first|before] {other}, [now|then] {a}|{a} instead of {other}
            like a {a} [person|child|teacher|friend|actor]|as a {a} [customer|mother|man|woman|robot] would say it
            The [speaker|person] [appears|seems|looks] {a}.|The emotional tone is {a}.|The voice is {a} and the face shows {n}.
            {a}. "{say}"|"{say}", {a}|{N} {say} "{say}" and {sound} {a}|{a} about it|{a} about the [news|result|visit|letter]
        """,
        "plain": """
            {verb}|{N3} {verb}|{N3} {verb} because {s}|{verb}, {body}|{verb}, {a}
            {s}|{s}|{s}|{s}.|imagine {s}|imagine that {s}|as if {s}|pretend {s}|{S} just heard that {s}|it turned out that {s}
            someone to whom this happened: {s}|{N} {say} that {s}|today {s}|this morning {s}|[think|speak as though] {s}
            "{say}"|{say}!|{say}.|{say}|{say}, {s}|{N} {say}: {say}|{say}! {s}!
            {cmd}|{cmd}|{cmd}!|{cmd}, {s}|[now|please|and now] {cmd}|{cmd} please|{cmd}: {say}
            {free}|{free}|{free}|{free}|{free}, {a}|{free} ({n})
        """,
        "strong": """
            {a}!!!|{x}|{x}!|imagine {x}|as if {x}|{s} and {S} {be} {a}|so {adj} that {S} cannot speak
            {S} {have} never been so {adj}|more {adj} than ever|{n}, {a}|as {adj} as can be|the most {adj} person alive
        """,
    },
    "test": {
        "any": """
            {a}|{n}|{idiom}|{adv}|{body}
            {N} could be described as {a}|[vibe|temper|frame of mind]: {a}|what one hears is {n}|let there be {n}
            {a} on account of what happened: {s}|given that {s}, {a}|{s} - {a}, obviously|{s}, which leaves {O} {a}
            [perform|deliver|render] this line {adv}|[portray|play] {n}|try a {a} reading|we need a {a} take here
            {N} {be} {idiom}, for {s}|{body} - {a}|{body}, clearly {a}|come across as {a}|{other}? No, {a}
            {a} rather than {other}|the {other} phase has passed, what remains is {n}|one would call it {n}
        """,
        "plain": """
            {verb}|{N3} {verb}, for {s}|{s}|{s}|news for {O}: {s}|suppose {s}|well, {s}
            {say}|{N} {cry}: {say}|{cmd}|{cmd}, will you|{free}|{free}
        """,
        "strong": """
            {x}|suppose {x}|{a}, and how|{adj} to the highest degree|{S} could not possibly be any more {adj}
        """,
    },
}

_MIXED_TEMPLATES = {
    "train": """
        {a} but {b}|{a} and {b}|{a}, but also {b}|both {a} and {b}|{a} with {m}|{a} and at the same time {b}|{a}, {b}
        a mix of {n} and {m}|{n} mixed with {m}|{N} {be} {a} but {b}|{N} {feel} {a} and also {b}|{a} yet {b}
        {a}, and because {s} also {b}|mostly {a}, in part {b}|{n} and {m}|[be|look|sound] {a} but {b}
    """,
    "test": """
        {a} though {b}|{n} blended with {m}|torn between {n} and {m}|{a} on the outside and {b} too|{a} as well as {b}
    """,
}

_NEUTRAL_TEMPLATES = {
    "train": """
        neither {o1} nor {o2}|not {o1}, not {o2}|without any {on}|no {on}|not {o1}|no longer {o1}|not {o1} any more
        neither {o1} nor {o2}, [just neutral|just normal|nothing]|no {on} and no {on2}|[stop being|don't be] {o1}
        neutral, not {o1}|without {on} or {on2}|{N} {be} not {o1} at all|free of {on}|{N} {feel} neither {o1} nor {o2}
    """,
    "test": """
        by no means {o1} or {o2}|devoid of {on}|{o1}? {o2}? Nothing of the kind|lacking any {on} or {on2}
    """,
}

_PERSONS = {
    "he": dict(S="he", P="his", O="him", Q="himself", W="was"),
    "she": dict(S="she", P="her", O="her", Q="herself", W="was"),
    "you": dict(S="you", P="your", O="you", Q="yourself", W="were"),
    "I": dict(S="I", P="my", O="me", Q="myself", W="was"),
}
_VERBS = ("feel", "look", "sound", "seem", "show", "say", "cry")


def _pick(items: Sequence[str], rng: np.random.Generator) -> str:
    return items[int(rng.integers(len(items)))]


@cache
def _templates(text: str) -> tuple[str, ...]:
    """Templates of a block: split at line ends and at '|' outside square brackets."""
    lines = re.split(r"\n|\|(?![^\[]*\])", text.strip())
    return tuple(line.strip() for line in lines if line.strip())


def _person(rng: np.random.Generator, split: str) -> dict[str, str]:
    """Words that agree with a randomly chosen person."""
    name = _pick(("he", "she", "you", "I"), rng)
    third = name in ("he", "she")
    words = dict(_PERSONS[name], be={"you": "are", "I": "am"}.get(name, "is"), have="has" if third else "have")
    words |= {verb: ("cries" if verb == "cry" else verb + "s") if third else verb for verb in _VERBS}
    words["N3"] = _pick(_SUBJECTS[split], rng)
    words["N"] = _pick((words["N3"], words["S"]), rng) if third else words["S"]
    return words


class _Emotion:
    """Looks up the words of one state at one intensity level (0 slight, 1 plain, 2 strong)."""

    def __init__(self, state: str, level: int, split: str, rng: np.random.Generator):
        if state not in STATES:
            raise ValueError(f"unknown emotional state {state!r}, expected one of {', '.join(STATES)}")
        self.state, self.level, self.split, self.rng = state, level, split, rng
        self.fields = _lexicon("emotions.txt")[state]

    def has(self, field: str, level: int) -> bool:
        return self.split in self.fields.get(f"{field}{level}", {})

    def word(self, field: str, level: int) -> str:
        return _pick(self.fields[f"{field}{level}"][self.split], self.rng)

    def exact(self, field: str) -> str | None:
        """An item of just this level; None where the lexicon has none."""
        return self.word(field, self.level) if self.has(field, self.level) else None

    def graded(self, field: str) -> str | None:
        """An adjective, noun or adverb of this level, or a plain one with a word of degree."""
        own = self.has(field, self.level)
        if own and self.level != 1 and self.rng.random() < 0.6:
            return self.word(field, self.level)
        if not self.has(field, 1):
            return None
        plain = self.word(field, 1)
        if self.level == 1 and field != "adj":
            return plain
        if field == "adv" and not plain.endswith("ly"):
            return None
        degree = ("slight", "plain", "strong")[self.level] + ("_noun" if field == "noun" else "")
        return _pick(_DEGREES[self.split][degree], self.rng).strip() + " " + re.sub("^(an?|the) ", "", plain)

    def situation(self) -> str | None:
        """A situation of this level, now and then a plain one."""
        if self.has("sit", self.level) and self.rng.random() < 0.8:
            return self.word("sit", self.level)
        return self.word("sit", 1) if self.has("sit", 1) else None


def _other_state(state: str, rng: np.random.Generator) -> str:
    """A state that contrasts with the given one, mostly one of the paper's classes."""
    others = [other for other in (STATES[1:8] if rng.random() < 0.8 else STATES[8:]) if other != state]
    return _pick(others, rng)


def _emotion_words(emotion: _Emotion, names: set[str], rng: np.random.Generator) -> dict[str, str | None]:
    """Values for the placeholders in names; None where this state has no words for one."""
    split = emotion.split
    makers = {
        "a": lambda: emotion.graded("adj"),
        "n": lambda: emotion.graded("noun"),
        "adv": lambda: emotion.graded("adv"),
        "adj": lambda: emotion.word("adj", 1),
        "s": emotion.situation,
        "x": lambda: emotion.exact("sit"),
        "idiom": lambda: emotion.exact("idiom"),
        "body": lambda: emotion.exact("body"),
        "verb": lambda: emotion.exact("verb"),
        "say": lambda: emotion.word("say", 1),
        "cmd": lambda: emotion.exact("cmd"),
        "free": lambda: emotion.exact("free"),
        "other": lambda: _Emotion(_other_state(emotion.state, rng), 1, split, rng).word("adj", 1),
    }
    return {name: makers[name]() for name in names if name in makers}


def _fill(template: str, words: dict[str, str | None], rng: np.random.Generator) -> str | None:
    """The template with its alternatives chosen and its placeholders filled; None where a word is missing."""
    text = _ALTERNATIVES.sub(lambda match: _pick(match[1].split("|"), rng), template)
    if any(words.get(name) is None for name in _PLACEHOLDER.findall(text)):
        return None
    text = _PLACEHOLDER.sub(lambda match: words[match[1]], text)
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
    return _pick(
        (
            text[:i] + text[i : i + 1] + text[i:],
            text[:i] + text[i + 1 :],
            text[:i] + text[i + 1] + text[i] + text[i + 2 :],
        ),
        rng,
    )


def _level(intensity: float) -> int:
    return int(np.argmin(np.abs(np.array(INTENSITIES) - intensity)))


def _draw_caption(templates: Sequence[str], emotion: _Emotion, extra: dict[str, str], rng: np.random.Generator) -> str:
    """A caption from the first randomly drawn template that this emotion has words for."""
    for _ in range(100):
        template = _pick(templates, rng)
        words = _person(rng, emotion.split) | _emotion_words(emotion, set(_PLACEHOLDER.findall(template)), rng) | extra
        text = _fill(template, words, rng)
        if text:
            return text
    raise ValueError(f"no wording for {emotion.state!r} at level {emotion.level}")


def _neutral_words(split: str, rng: np.random.Generator) -> dict[str, str]:
    """Adjectives and nouns of feelings that a neutral face does not have."""
    first, second = (_Emotion(_pick(STATES[1:], rng), 1, split, rng) for _ in range(2))
    return dict(o1=first.word("adj", 1), o2=second.word("adj", 1), on=first.word("noun", 1), on2=second.word("noun", 1))


def emotion_caption(spec: Sequence[tuple[str, float]], rng: np.random.Generator, split: str = "train") -> str:
    """One wording of an emotion.

    Args:
        spec: One or two (state, intensity); the state one of STATES, the intensity about 0.4 (slight), 0.75 (plain) or
            1.1 (strong). Empty is neutral.
        rng: Source of all choices.
        split: "train" or "test"; the two share no templates and no words.

    Raises:
        ValueError: For an unknown state or split, or more than two states.
    """
    if split not in SPLITS:
        raise ValueError(f"unknown split {split!r}, expected train or test")
    if len(spec) > 2:
        raise ValueError(f"a caption names at most two states, got {len(spec)}")
    emotions = [_Emotion(state, _level(intensity), split, rng) for state, intensity in spec or [("neutral", 0.75)]]
    first = emotions[0]
    if first.state == "neutral":
        first.level = 1
        if rng.random() < 0.3:
            text = _draw_caption(_templates(_NEUTRAL_TEMPLATES[split]), first, _neutral_words(split, rng), rng)
            return _finish(text, rng)
    if len(emotions) == 2:
        extra = {"b": emotions[1].graded("adj"), "m": emotions[1].graded("noun")}
        return _finish(_draw_caption(_templates(_MIXED_TEMPLATES[split]), first, extra, rng), rng)
    kinds = _EMOTION_TEMPLATES[split]
    kind = "any" if first.level == 0 or rng.random() < 0.5 else ("plain", "strong")[first.level - 1]
    return _finish(_draw_caption(_templates(kinds[kind]), first, {}, rng), rng)


def draw_emotion(rng: np.random.Generator) -> list[tuple[str, float]]:
    """A random emotion spec: the paper's eight classes most often, one in eight a mix of two states."""

    def state() -> str:
        return _pick(STATES[:8] if rng.random() < 0.65 else STATES[8:], rng)

    first = state()
    spec = [(first, _pick(INTENSITIES, rng))]
    if first != "neutral" and rng.random() < 0.12:
        second = state()
        if second not in ("neutral", first):
            spec.append((second, _pick(INTENSITIES[:2], rng)))
    return spec


# Style templates by form; {m} and {h} are mouth and head in that form, {t} an adjective of tone, {T} a tone fragment.
_STYLE_TEMPLATES = {
    "train": {
        "np": """
            {m}, {h}|{m} and {h}|{m}; {h}|with {m} and {h}|A speaker with {m} and {h}.|{h}, {m}|{h} and {m}|{m} but {h}
            The style has {m} with {h}.|{h} together with {m}|Shows {m} and {h}.|{N} talks with {m} and {h}
        """,
        "vp": """
            {N} {m} and {h}.|{m}, {h}|{m} and {h}|{h} and {m}|{N} {m} while {N} {h}.|The speaker {h}. The speaker {m}.
            {m} but {h}|someone who {m} and {h}
        """,
        "imp": "{m}, {h}|{m} and {h}|{m}. {h}.|{h}, and {m}|please {m} and {h}|{m} but {h}|{m}!  {h}!|{h}; {m}",
        "free": "{m}, {h}|{m}; {h}|{h}, {m}|{m} / {h}|- {m} - {h}|{m} + {h}|{m}. {h}.",
        "sent": "{m} {h}|{h} {m}",
    },
    "test": {
        "np": "{m} paired with {h}|{h} alongside {m}|a manner marked by {m} plus {h}",
        "vp": "{N} {m}, and on top of that {h}|our speaker {m}; also {h}",
        "imp": "{m}, will you, and {h}|first {m}, then {h}",
        "free": "{m} | {h}|{h} -- {m}",
        "sent": "{m} {h}|{h} {m}",
    },
}
_TONE_TEMPLATES = {
    "train": """
        {x}, {T}|{T}, {x}|{x} The expression is {t}.|The tone is {t}. {x}|a {t} speaker, {x}|{x} The speaker seems {t}.
        {x}; tone: {t}|{t}: {x}|{x}, {t}|{x} The face is {t}.
    """,
    "test": "{x}, all of it {t}|{t} through and through: {x}|{x} The air about the speaker is {t}.",
}


def _style_part(block: str, form: str, split: str, rng: np.random.Generator) -> str:
    text = _pick(_lexicon("styles.txt")[block][form][split], rng)
    subject = _pick(("The speaker", "The person", "The man", "The woman", "He", "She"), rng)
    return text.replace("$N", subject).replace("$P", {"He": "His", "She": "Her"}.get(subject, "The speaker's"))


def _movement(style: Style, split: str, rng: np.random.Generator) -> str:
    """Wording of the mouth and head traits that a style mentions; empty where it mentions neither."""
    blocks = [f"{group}.{level}" for group, level in (("mouth", style.mouth), ("head", style.head)) if level]
    joint = f"joint.{style.mouth}.{style.head}"
    if joint in _lexicon("styles.txt") and rng.random() < 0.25:
        return _style_part(joint, "free", split, rng)
    forms = ("np", "vp", "imp", "free", "sent")
    form = _pick(forms, rng)
    if len(blocks) < 2:
        return "".join(_style_part(block, form, split, rng) for block in blocks)
    mixed = rng.random() < 0.15
    mouth, head = (_style_part(block, _pick(forms, rng) if mixed else form, split, rng) for block in blocks)
    words = {"m": mouth, "h": head, "N": _pick(("he", "she"), rng)}
    template = "{m}, {h}" if mixed else _pick(_templates(_STYLE_TEMPLATES[split][form]), rng)
    return _fill(template, words, rng).replace(".,", ",")


def style_caption(spec: Style, rng: np.random.Generator, split: str = "train") -> str:
    """One wording of a style; traits that are None go unmentioned, a style without any gets a plain description.

    Raises:
        ValueError: For an unknown mouth level, head level, tone or split.
    """
    for value, known in ((spec.mouth, MOUTH_LEVELS), (spec.head, HEAD_LEVELS), (spec.tone, TONES), (split, SPLITS)):
        if value is not None and value not in known:
            raise ValueError(f"unknown {value!r}, expected one of {', '.join(known)}")
    text = _movement(spec, split, rng)
    if spec.tone:
        if text and text[-1] != "." and text[0].isupper():
            text += "."
        words = {
            "x": text,
            "t": _style_part(f"tone.{spec.tone}", "adj", split, rng),
            "T": _style_part(f"tone.{spec.tone}", "free", split, rng),
        }
        template = _pick(_templates(_TONE_TEMPLATES[split]) if text else ("{T}", "{t}", "a {t} speaker"), rng)
        text = _fill(template, words, rng)
    if not text or rng.random() < 0.08:
        text = f"{_style_part('look', 'free', split, rng)} {text[:1].upper()}{text[1:]}"
    return _finish(text, rng)


def draw_style(rng: np.random.Generator) -> Style:
    """A random style: mouth and head mentioned independently in four of five captions, a tone in every third."""
    mouth = _pick(tuple(MOUTH_LEVELS), rng) if rng.random() < 0.8 else None
    head = _pick(tuple(HEAD_LEVELS), rng) if rng.random() < 0.8 else None
    return Style(mouth, head, _pick(TONES, rng) if rng.random() < 0.33 else None)
