"""What an actor is told: emotional states and speaking styles as numbers that the performer plays."""

from dataclasses import dataclass, field

import numpy as np

from captalk_ros.direction import BLINKS, EMPHASIS, GAZE, HEAD_BIAS, HEAD_GAIN, LOOK, MOUTH_GAIN, compose
from captalk_ros.direction import NEUTRAL as NEUTRAL_DIRECTION
from captalk_ros.motion import unit_vector


@dataclass(frozen=True)
class Look:
    """A state's full-intensity expression (EMFACS action units as ARKit units) and its bearing.

    Attributes:
        units: ARKit unit values in [0, 1]; a name without a side stands for both.
        head_rad: head bias (pitch, yaw, roll), axis-angle in rad, signs as in `captalk_ros.motion`.
        head: factor on head movement.
        blinks: factor on the blink rate.
        gaze: factor on how often the gaze wanders.
        emphasis: factor on brow and nod accents.
    """

    units: dict[str, float] = field(default_factory=dict)
    head_rad: tuple[float, float, float] = (0.0, 0.0, 0.0)
    head: float = 1.0
    blinks: float = 1.0
    gaze: float = 1.0
    emphasis: float = 1.0


# fmt: off
STATES: dict[str, Look] = {
    "neutral": Look(),
    "happy": Look({"mouthSmile": .75, "cheekSquint": .6, "eyeSquint": .28, "mouthDimple": .1, "browOuterUp": .12,
                   "mouthUpperUp": .08}, (-.03, 0, .02), head=1.15, emphasis=1.2),
    "sad": Look({"browInnerUp": .8, "mouthFrown": .65, "browDown": .12, "mouthShrugLower": .3, "eyeBlink": .16,
                 "eyeLookDown": .28}, (.13, 0, .03), head=.6, blinks=.8, gaze=.7, emphasis=.5),
    "angry": Look({"browDown": .95, "eyeSquint": .4, "noseSneer": .4, "mouthPress": .3, "mouthFrown": .3,
                   "eyeWide": .25, "jawForward": .18, "mouthStretch": .1}, (.07, 0, 0), head=1.2, blinks=.6, gaze=.5,
                  emphasis=1.5),
    "surprised": Look({"browInnerUp": .8, "browOuterUp": .9, "eyeWide": .85, "jawOpen": .06}, (-.06, 0, 0),
                      head=1.0, blinks=.7, gaze=.7, emphasis=1.2),
    "afraid": Look({"browInnerUp": .85, "browOuterUp": .35, "browDown": .3, "eyeWide": .75, "mouthStretch": .55,
                    "mouthFrown": .2}, (-.07, .03, 0), head=.8, blinks=1.5, gaze=1.8),
    "disgusted": Look({"noseSneer": .9, "mouthUpperUp": .4, "browDown": .5, "eyeSquint": .5, "mouthFrown": .35,
                       "mouthShrugLower": .3, "cheekSquint": .35}, (-.04, .07, -.03), head=.8, gaze=1.2),
    "contemptuous": Look({"mouthDimpleRight": .6, "mouthSmileRight": .45, "eyeSquint": .3, "browOuterUpRight": .5,
                          "browDownLeft": .3, "eyeBlink": .12}, (-.09, .03, .05), head=.8, blinks=.8, gaze=.8,
                         emphasis=.8),
    "amused": Look({"mouthSmile": .5, "mouthDimple": .3, "cheekSquint": .45, "eyeSquint": .3, "browOuterUp": .25},
                   (0, 0, .05), head=1.15),
    "excited": Look({"mouthSmile": .65, "browOuterUp": .6, "browInnerUp": .4, "eyeWide": .5, "cheekSquint": .3},
                    (-.04, 0, 0), head=1.5, blinks=1.2, emphasis=1.6),
    "bored": Look({"eyeBlink": .38, "mouthFrown": .18, "mouthShrugLower": .12, "eyeLookDown": .15}, (.05, .05, .09),
                  head=.5, blinks=.8, gaze=1.6, emphasis=.3),
    "tired": Look({"eyeBlink": .45, "browInnerUp": .3, "mouthFrown": .22, "eyeLookDown": .15}, (.11, 0, .04), head=.5,
                  blinks=1.4, gaze=.7, emphasis=.4),
    "nervous": Look({"browInnerUp": .55, "mouthStretch": .35, "mouthPress": .25, "eyeWide": .3, "mouthRollLower": .15},
                    (.02, 0, 0), head=1.1, blinks=2.0, gaze=2.2),
    "calm": Look({"mouthSmile": .16, "eyeBlink": .13, "mouthDimple": .06}, (0, 0, .02), head=.7, blinks=.8, gaze=.6,
                 emphasis=.6),
    "confused": Look({"browDownLeft": .65, "browInnerUp": .3, "browOuterUpRight": .5, "eyeSquint": .32,
                      "mouthLeft": .18, "mouthShrugUpper": .15}, (.02, .03, .11), gaze=1.5),
    "embarrassed": Look({"mouthSmile": .3, "mouthPress": .35, "browInnerUp": .45, "eyeLookDown": .42,
                         "cheekSquint": .28}, (.12, .08, .04), head=.8, blinks=1.4, gaze=2.0, emphasis=.7),
    "proud": Look({"mouthSmile": .38, "mouthPress": .15, "browOuterUp": .28, "eyeBlink": .1}, (-.12, 0, 0), head=.8,
                  gaze=.6),
    "disappointed": Look({"browInnerUp": .5, "mouthFrown": .5, "mouthPress": .3, "eyeLookDown": .22, "eyeBlink": .1},
                         (.08, .03, 0), head=.7, emphasis=.6),
    "skeptical": Look({"browDownLeft": .5, "browOuterUpRight": .75, "eyeSquint": .38, "mouthPress": .2,
                       "mouthFrown": .2, "mouthLeft": .12}, (0, .05, -.06), head=.8, gaze=.7),
    "affectionate": Look({"mouthSmile": .45, "eyeSquint": .22, "browInnerUp": .38, "cheekSquint": .28}, (.02, 0, .11),
                         gaze=.5, emphasis=.8),
    "guilty": Look({"browInnerUp": .65, "mouthFrown": .3, "mouthPress": .3, "eyeLookDown": .45}, (.14, .04, 0),
                   head=.6, blinks=1.3, gaze=1.6, emphasis=.5),
    "pleading": Look({"browInnerUp": .95, "eyeWide": .35, "mouthFrown": .32, "mouthShrugLower": .2}, (.02, 0, .09),
                     gaze=.4, emphasis=1.3),
    "curious": Look({"browOuterUp": .5, "browInnerUp": .32, "eyeWide": .4, "mouthSmile": .14}, (.04, 0, .11), gaze=.8),
    "determined": Look({"browDown": .55, "mouthPress": .35, "eyeSquint": .22, "jawForward": .15}, (.03, 0, 0),
                       blinks=.6, gaze=.4, emphasis=1.4),
}

# The emotional tone that a style caption may name; weaker than an emotion, and added to it.
TONES: dict[str, Look] = {
    "serious": Look({"browDown": .22, "mouthPress": .08}, emphasis=.9),
    "warm": Look({"mouthSmile": .28, "eyeSquint": .12, "browInnerUp": .12, "cheekSquint": .1}, (0, 0, .03)),
    "energetic": Look({"browOuterUp": .22, "eyeWide": .18, "mouthSmile": .1}, head=1.2, emphasis=1.6),
    "monotone": Look({"eyeBlink": .06}, head=.7, emphasis=.2),
    "professional": Look({"mouthSmile": .1, "browOuterUp": .06}, gaze=.6, emphasis=.9),
    "gentle": Look({"mouthSmile": .14, "browInnerUp": .18, "eyeBlink": .05}, (.02, 0, .04), emphasis=.7),
    "gloomy": Look({"mouthFrown": .24, "browInnerUp": .22, "eyeBlink": .1}, (.06, 0, 0), emphasis=.6),
    "cheerful": Look({"mouthSmile": .36, "cheekSquint": .24, "browOuterUp": .12}, (-.02, 0, 0), emphasis=1.3),
    "tense": Look({"browDown": .16, "mouthPress": .22, "eyeSquint": .16, "mouthStretch": .12}, emphasis=1.1),
}
# fmt: on

EXPRESSIVENESS = 1.3  # of the states' looks, which are written as for a close-up: a robot is seen from across a table

INTENSITIES = (0.4, 0.75, 1.1)  # of a slight, a plain and a strong emotion
MOUTH_AMPLITUDES = {"minimal": 0.35, "small": 0.6, "natural": 1.0, "large": 1.5, "theatrical": 1.9}
HEAD_AMPLITUDES = {"still": 0.0, "little": 0.45, "natural": 1.0, "lively": 1.7, "big": 2.4}


@dataclass(frozen=True)
class Style:
    """How to speak: amplitudes of mouth and head by name, and an emotional tone; None is what is left open."""

    mouth: str | None = None
    head: str | None = None
    tone: str | None = None


Emotion = tuple[tuple[str, float], ...]  # (state, intensity in [0, 1.2]) parts that are felt together
NEUTRAL: Emotion = (("neutral", 1.0),)


def look_direction(look: Look, intensity: float = 1.0) -> np.ndarray:
    """A look at an intensity as a direction [N_DIRECTION] float32; gains do not grow beyond intensity 1."""
    direction = NEUTRAL_DIRECTION.copy()
    direction[LOOK] = intensity * unit_vector(look.units)
    direction[HEAD_BIAS] = intensity * np.asarray(look.head_rad, np.float32)
    gains = np.asarray([look.head, look.blinks, look.gaze, look.emphasis], np.float32)
    direction[[HEAD_GAIN, BLINKS, GAZE, EMPHASIS]] += min(intensity, 1.0) * (gains - 1.0)
    return direction


def state_direction(state: str, intensity: float = 1.0) -> np.ndarray:
    """A state of `STATES` at an intensity as a direction [N_DIRECTION] float32, its look not clipped."""
    direction = look_direction(STATES[state], intensity)
    direction[LOOK] *= EXPRESSIVENESS
    return direction


def emotion_direction(emotion: Emotion) -> np.ndarray:
    """An emotion as a direction [N_DIRECTION] float32.

    Raises:
        KeyError: an unknown state.
    """
    direction = NEUTRAL_DIRECTION.copy()
    for state, intensity in emotion:
        direction = compose(direction, state_direction(state, intensity))
    return direction


def style_direction(style: Style) -> np.ndarray:
    """A style as a direction [N_DIRECTION] float32.

    Raises:
        KeyError: an unknown tone or amplitude.
    """
    direction = look_direction(TONES[style.tone]) if style.tone else NEUTRAL_DIRECTION.copy()
    direction[MOUTH_GAIN] *= MOUTH_AMPLITUDES[style.mouth or "natural"]
    direction[HEAD_GAIN] *= HEAD_AMPLITUDES[style.head or "natural"]
    return direction


def direct(style: Style, emotion: Emotion) -> np.ndarray:
    """A style and an emotion at once, as a direction [N_DIRECTION] float32 for the performer."""
    return compose(style_direction(style), emotion_direction(emotion))
