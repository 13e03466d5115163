"""Wordings of captions: every meaning in many words, splits that share none, held-out captions apart from both."""

import csv
import re
from pathlib import Path

import numpy as np
import pytest

from captalk_ros.train import acting, wordings
from captalk_ros.train.acting import INTENSITIES, Style
from captalk_ros.train.wordings import SPLITS, STATES, emotion_caption, style_caption

HELD_OUT = Path(__file__).parent / "data" / "captions_heldout.tsv"
N_DRAWS = 40


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def _held_out():
    with HELD_OUT.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def _words(text):
    return re.findall(r"[a-z']+", text.lower())


def test_the_states_are_those_the_performer_knows():
    assert set(STATES) == set(acting.STATES)
    assert STATES[:8] == ("neutral", "happy", "sad", "angry", "surprised", "afraid", "disgusted", "contemptuous")


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("state", STATES)
def test_every_emotion_has_many_finished_wordings(state, split, rng):
    for intensity in INTENSITIES:
        captions = [emotion_caption([(state, intensity)], rng, split) for _ in range(N_DRAWS)]
        assert len(set(captions)) > N_DRAWS / 4
        assert not any(re.search(r"[{}$]|None", caption) for caption in captions)


@pytest.mark.parametrize("split", SPLITS)
def test_every_style_has_finished_wordings(split, rng):
    for mouth in (None, *acting.MOUTH_AMPLITUDES):
        for head in (None, *acting.HEAD_AMPLITUDES):
            for tone in (None, *acting.TONES):
                caption = style_caption(Style(mouth, head, tone), rng, split)
                assert caption
                assert not re.search(r"[{}$]|None", caption)


def test_thousands_of_distinct_wordings(rng):
    emotions = {emotion_caption([(STATES[k % 24], 0.75)], rng) for k in range(4000)}
    styles = {style_caption(Style("large", "still"), rng) for _ in range(1000)}
    assert len(emotions) > 3000
    assert len(styles) > 700


def test_degrees_are_worded(rng):
    degrees = r"slight|a little|a bit|mild|somewhat|faint|vague|hint|trace|some|annoy|irrit|impatien|displeas|grump"
    slight = [emotion_caption([("angry", 0.4)], rng).lower() for _ in range(200)]
    strong = [emotion_caption([("angry", 1.1)], rng).lower() for _ in range(200)]
    assert sum(bool(re.search(degrees, caption)) for caption in slight) > 100
    assert sum(bool(re.search(degrees, caption)) for caption in strong) < 30


def test_a_mixed_caption_names_both_states(rng):
    text = " ".join(emotion_caption([("happy", 0.75), ("nervous", 0.4)], rng) for _ in range(100)).lower()
    assert re.search("happy|glad|cheerful", text)
    assert re.search("nervous|tense|worried", text)


def test_the_same_seed_gives_the_same_captions():
    first, second = ([emotion_caption([("sad", 0.75)], np.random.default_rng(7)) for _ in range(5)] for _ in range(2))
    assert first == second


def test_the_splits_share_no_words_and_no_templates():
    for lexicon in ("emotions.txt", "styles.txt"):
        items = {split: set() for split in SPLITS}
        for fields in wordings._lexicon(lexicon).values():
            for parts in fields.values():
                for split, part in parts.items():
                    items[split] |= {item.lower() for item in part}
        assert not items["train"] & items["test"]
    plain = {"{a}", "{n}", "{adv}", "{idiom}", "{body}", "{verb}", "{s}", "{x}", "{say}", "{cmd}", "{free}"}
    plain |= {"{m} {h}", "{h} {m}", "-"}
    templates = wordings._templates()
    for block in templates:
        if block.endswith(".train"):
            shared = set(templates[block]) & set(templates[block.replace(".train", ".test")])
            assert shared <= plain, block


def test_the_held_out_captions_are_enough_and_well_formed():
    rows = _held_out()
    emotions = [row for row in rows if row["kind"] == "emotion"]
    assert len(emotions) >= 160
    for state in STATES:
        assert sum(row["state_or_mouth"] == state for row in emotions) >= (14 if state in STATES[:8] else 4)
    graded = [row for row in rows if row["kind"].startswith("graded")]
    assert len(graded) >= 90
    assert [row["intensity_or_head"] for row in graded] == ["slight", "plain", "strong"] * (len(graded) // 3)
    styles = [row for row in rows if row["kind"] == "style"]
    assert len(styles) >= 60
    for row in styles:
        assert row["state_or_mouth"] in acting.MOUTH_AMPLITUDES
        assert row["intensity_or_head"] in acting.HEAD_AMPLITUDES


def test_held_out_sentences_are_not_in_the_lexicons():
    """Single words and short labels may coincide; whole sentences and long phrases may not."""
    written = " | ".join(
        " ".join(_words(item))
        for lexicon in ("emotions.txt", "styles.txt")
        for fields in wordings._lexicon(lexicon).values()
        for parts in fields.values()
        for part in parts.values()
        for item in part
    )
    for row in _held_out():
        words = _words(row["text"])
        for k in range(len(words) - 5):
            assert " ".join(words[k : k + 6]) not in written, row["text"]


@pytest.mark.parametrize(
    ("write", "told"),
    [
        (lambda rng: emotion_caption([("grumpy", 0.4)], rng), "unknown 'grumpy', expected one of neutral, happy"),
        (lambda rng: emotion_caption([], rng), "an emotion has 0 states, expected one or two"),
        (lambda rng: emotion_caption([("sad", 0.4)], rng, "val"), "unknown 'val', expected one of train, test"),
        (lambda rng: style_caption(Style("huge"), rng), "unknown 'huge', expected one of minimal"),
        (lambda rng: style_caption(Style(tone="odd"), rng), "unknown 'odd', expected one of"),
    ],
)
def test_an_unknown_meaning_is_named(write, told, rng):
    with pytest.raises(ValueError, match=told):
        write(rng)
