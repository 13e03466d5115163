"""The teacher: lips shut on p/b/m, apart on other speech, at rest in silence; captions' meanings show on the face."""

import numpy as np
import pytest

from captalk_ros.head import open_head
from captalk_ros.metrics import lip_scores
from captalk_ros.motion import HEAD_ROTATION, UNITS
from captalk_ros.train import acting, performer
from captalk_ros.train.evaluate import gap_mm

# "my papa saw a big tuba", with a pause
PHONES = [
    ("SIL", 0.0, 0.5), ("M", 0.5, 0.58), ("AY", 0.58, 0.74), ("P", 0.74, 0.84), ("AA", 0.84, 0.97), ("P", 0.97, 1.06),
    ("AH", 1.06, 1.14), ("SIL", 1.14, 1.7), ("S", 1.7, 1.82), ("AO", 1.82, 1.98), ("AH", 1.98, 2.04), ("B", 2.04, 2.12),
    ("IH", 2.12, 2.2), ("G", 2.2, 2.27), ("T", 2.27, 2.36), ("UW", 2.36, 2.5), ("B", 2.5, 2.56), ("AH", 2.56, 2.68),
    ("SIL", 2.68, 3.6),
]  # fmt: skip
N_FRAMES = 90
HEAD = open_head()


def voice() -> np.ndarray:
    """A hum where somebody speaks, its pitch falling."""
    time_s = np.arange(N_FRAMES * 640) / 16_000
    spoken = np.zeros_like(time_s)
    for phone, start_s, end_s in PHONES:
        spoken[(time_s >= start_s) & (time_s < end_s)] = phone != "SIL"
    return (0.2 * spoken * np.sign(np.sin(2 * np.pi * (130 - 15 * time_s) * time_s))).astype(np.float32)


def act(style: acting.Style = acting.Style(), emotion: acting.Emotion = acting.NEUTRAL) -> np.ndarray:
    articulation = performer.articulate(PHONES, N_FRAMES)
    prosody = performer.prosody(voice(), PHONES, N_FRAMES)
    return performer.perform(articulation, prosody, acting.direct(style, emotion)[None])[0]


@pytest.mark.parametrize("state", acting.STATES)
@pytest.mark.parametrize("mouth", ["natural", "theatrical"])
def test_lips_do_what_the_speech_says_in_every_emotion(state, mouth):
    shares = lip_scores(gap_mm(act(acting.Style(mouth), ((state, 1.1),)), HEAD), PHONES).shares()
    assert shares == {"closure": 1.0, "opening": 1.0, "false closures": 0.0, "quiet": 1.0}


@pytest.mark.parametrize("state", acting.STATES)
def test_units_stay_in_range(state):
    units = act(acting.Style("theatrical", "big", "tense"), ((state, 1.1), ("excited", 1.1)))[:, UNITS]
    assert units.min() >= 0 and units.max() <= 1


def test_mouth_amplitude_orders_the_lip_gap():
    spreads = [gap_mm(act(acting.Style(mouth)), HEAD).std() for mouth in acting.MOUTH_AMPLITUDES]
    assert spreads == sorted(spreads) and spreads[3] > 1.5 * spreads[1]


def test_head_amplitude_orders_the_nods_and_still_is_still():
    spreads = [act(acting.Style(head=head))[:, HEAD_ROTATION].std() for head in acting.HEAD_AMPLITUDES]
    assert spreads == sorted(spreads) and spreads[0] == 0


def test_an_emotion_leaves_the_mouth_amplitude_alone():
    neutral = gap_mm(act(), HEAD).std()
    for state in ("happy", "sad", "angry", "surprised", "afraid", "disgusted", "contemptuous"):
        assert gap_mm(act(emotion=((state, 0.75),)), HEAD).std() == pytest.approx(neutral, rel=0.2)


def test_rounded_vowels_pucker():
    pucker = act()[:, performer._PUCKER[0]]
    assert pucker[round(2.42 * 25)] > 0.3 > pucker[round(0.9 * 25)]


def test_an_unknown_phone_is_named():
    with pytest.raises(ValueError, match="'XX'"):
        performer.articulate([("XX", 0.0, 1.0)], 25)


def test_nobody_speaks_nothing_moves():
    motion, _ = performer.perform(
        performer.articulate([], 50), performer.prosody(np.zeros(0, np.float32), [], 50),
        acting.direct(acting.Style(), acting.NEUTRAL)[None],
    )  # fmt: skip
    assert gap_mm(motion, HEAD).max() < 0.5 and np.isfinite(motion).all()


def test_an_unknown_state_is_refused():
    with pytest.raises(KeyError, match="hangry"):
        acting.direct(acting.Style(), (("hangry", 1.0),))
