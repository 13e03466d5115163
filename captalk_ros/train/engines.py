"""The three speech engines, each giving one sentence's audio with the times of its phones.

flite and festival print a segment list of their own; espeak-ng reports phoneme events through its library. All are
Debian packages: `apt-get install flite espeak-ng festival` and the voices that `speech.VOICES` names.
"""

import _ctypes
import atexit
import contextlib
import ctypes
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import soundfile
import soxr

from captalk_ros.timebase import SAMPLE_RATE_HZ
from captalk_ros.train.phones import (
    SIL,
    STOPS,
    VOWELS,
    Phone,
    from_arpabet,
    from_festival,
    from_ipa,
    join_equal,
    spread,
)

CLOSURE_S = 0.06  # of a stop after a pause, where nobody hears it begin
LONGEST_CLOSURE_S = 0.1
SILENT_DB = -40.0  # relative to loud vowels: inside a closure
ECHO_DB = -16.0  # the same after a vowel, where some voices of espeak-ng leave an echo
VOICELESS_STOPS = frozenset(("P", "T", "K", "CH"))
VOICED_CLOSURES = frozenset(("B", "D", "G", "M", "N", "NG"))
LATE_S = {"msu_ru_nsh_clunits": 0.02}  # voices whose times lag behind their sound, measured at their stops

Spoken = tuple[np.ndarray, list[Phone]]  # float32 [N] at 16 kHz, phones that cover it


class SynthesisError(RuntimeError):
    """An engine is missing or did not speak."""


def _program(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise SynthesisError(f"the program {name} was not found, install the Debian package of that name")
    return path


def _read_wav(path: Path, engine: str, text: str) -> np.ndarray:
    try:
        samples, rate_hz = soundfile.read(path, dtype="float32")
    except soundfile.LibsndfileError as error:
        raise SynthesisError(f"{engine} wrote no audio for {text!r}: {error}") from None
    return soxr.resample(samples, rate_hz, SAMPLE_RATE_HZ).astype(np.float32)


def _from_ends(segments: list[tuple[tuple[str, ...], float]]) -> list[Phone]:
    """Phones from (names, end time in seconds) in order."""
    phones, start_s = [], 0.0
    for names, end_s in segments:
        phones += spread(names, start_s, end_s)
        start_s = end_s
    return phones


def speak_flite(text: str, voice: str, stretch: float = 1.0, pitch_hz: float | None = None) -> Spoken:
    """One sentence by flite.

    Args:
        text: plain English without a full stop inside.
        voice: `slt`, `awb`, `rms` or `kal16`.
        stretch: duration factor, 1 the voice's own.
        pitch_hz: mean pitch (heeded by `kal16` alone), None the voice's own.

    Raises:
        SynthesisError: flite is not installed or failed.
    """
    command = [_program("flite"), "-voice", voice, "-psdur", "--setf", f"duration_stretch={stretch:.3f}"]
    if pitch_hz is not None:
        command += ["--setf", f"int_f0_target_mean={pitch_hz:.1f}"]
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "speech.wav")
        done = subprocess.run([*command, "-t", text, "-o", path], capture_output=True, text=True, check=False)
        if done.returncode:
            raise SynthesisError(f"flite failed on {text!r}: {done.stderr.strip()[:200]}")
        samples = _read_wav(path, "flite", text)
    pairs = [entry.rsplit(":", 1) for entry in done.stdout.split()]
    return samples, _from_ends([(from_arpabet(name), float(end_s)) for name, end_s in pairs])


class _EspeakEvent(ctypes.Structure):
    """`espeak_EVENT` of espeak-ng's speak_lib.h."""

    _fields_ = [
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position_ms", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("name", ctypes.c_char * 8),
    ]


class _Espeak:
    """espeak-ng's library, loaded anew for every sentence.

    It keeps a flutter phase, an echo and more in globals and draws from the C library's generator: a sentence would
    else depend on those before it.
    """

    SYNCHRONOUS, PHONEME_EVENTS_IN_IPA, PHONEME_EVENT, UTF8 = 2, 1 | 2, 7, 1
    RATE, PITCH, RANGE, WORD_GAP = 1, 3, 4, 7

    def __init__(self):
        try:
            self.library = ctypes.CDLL("libespeak-ng.so.1")
        except OSError:
            raise SynthesisError("libespeak-ng.so.1 was not found, install the Debian package espeak-ng") from None
        ctypes.CDLL(None).srand(1)
        self.rate_hz = self.library.espeak_Initialize(self.SYNCHRONOUS, 0, None, self.PHONEME_EVENTS_IN_IPA)
        callback_type = ctypes.CFUNCTYPE(
            ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_EspeakEvent)
        )
        self.callback = callback_type(self._collect)  # kept: the library holds only a pointer
        self.library.espeak_SetSynthCallback(self.callback)
        self.chunks: list[np.ndarray] = []
        self.events: list[tuple[bytes, float]] = []

    def close(self):
        """Unloads the library and with it what it remembers."""
        self.library.espeak_Terminate()
        _ctypes.dlclose(self.library._handle)

    def _collect(self, samples, n_samples, events) -> int:
        if n_samples > 0:
            self.chunks.append(np.ctypeslib.as_array(samples, shape=(n_samples,)).copy())
        index = 0
        while events[index].type:
            if events[index].type == self.PHONEME_EVENT:
                self.events.append((events[index].name, events[index].audio_position_ms / 1000))
            index += 1
        return 0

    def speak(self, text: str, voice: str, parameters: dict[int, int]) -> tuple[np.ndarray, list[tuple[bytes, float]]]:
        if self.library.espeak_SetVoiceByName(voice.encode()):
            raise SynthesisError(f"espeak-ng has no voice {voice!r}")
        for parameter, value in parameters.items():
            self.library.espeak_SetParameter(parameter, value, 0)
        encoded = text.encode()
        self.library.espeak_Synth(encoded, len(encoded) + 1, 0, 1, 0, self.UTF8, None, None)
        self.library.espeak_Synchronize()
        if not self.chunks:
            raise SynthesisError(f"espeak-ng ({voice}) said nothing to {text!r}")
        return np.concatenate(self.chunks).astype(np.float32) / 32768, self.events


def _mend_espeak(samples: np.ndarray, phones: list[Phone]) -> list[Phone]:
    """Corrects espeak-ng's times: a stop begins with its closure, a voiced one and a nasal end where the lips part.

    Its voiceless stops begin at the burst (the closure is counted to the phone before), and the first 20 ms of a
    vowel are often counted to a voiced stop or nasal before it.
    """
    hop = SAMPLE_RATE_HZ // 200  # 5 ms
    power = np.square(samples[: samples.size // hop * hop].reshape(-1, hop)).mean(axis=1)
    levels_db = 10 * np.log10(power / max(np.percentile(power, 90), 1e-9) + 1e-12)

    def level_db(time_s: float) -> float:
        return levels_db[min(int(time_s * 200), levels_db.size - 1)]

    mended = list(phones)
    for i in range(1, len(mended)):
        before, phone = mended[i - 1], mended[i]
        start_s, before_s = phone.start_s, before.end_s - before.start_s
        if before.name == SIL and phone.name in STOPS:
            if phone.end_s - start_s < CLOSURE_S:
                start_s -= min(CLOSURE_S, before_s / 2)
        elif phone.name in VOICELESS_STOPS:
            quiet_db = ECHO_DB if before.name in VOWELS else SILENT_DB
            earliest_s = max(before.start_s + 0.02, start_s - LONGEST_CLOSURE_S) + 0.005
            while start_s > earliest_s and level_db(start_s - 0.005) < quiet_db:
                start_s -= 0.005
        elif phone.name in VOWELS and before.name in VOICED_CLOSURES:
            open_db = level_db(before.start_s + before_s / 2) + 4
            earliest_s = start_s - min(0.02, before_s / 2)
            while start_s > earliest_s and level_db(start_s - 0.005) > open_db:
                start_s -= 0.005
        mended[i - 1], mended[i] = before._replace(end_s=start_s), phone._replace(start_s=start_s)
    return mended


def speak_espeak(
    text: str, voice: str, rate_wpm: int = 165, pitch: int = 50, pitch_range: int = 50, word_gap: int = 0
) -> Spoken:
    """One sentence by espeak-ng.

    Args:
        text: in any language that the voice reads.
        voice: language and perhaps variant, such as `en-us+f3`.
        rate_wpm: words a minute, 80 to 450.
        pitch: 0 to 99, 50 the voice's own.
        pitch_range: 0 (monotone) to 99, 50 the voice's own.
        word_gap: pause between words in 10 ms.

    Raises:
        SynthesisError: the library or the voice is missing, or nothing was said.
    """
    parameters = {_Espeak.RATE: rate_wpm, _Espeak.PITCH: pitch, _Espeak.RANGE: pitch_range, _Espeak.WORD_GAP: word_gap}
    with contextlib.closing(_Espeak()) as espeak:
        samples, events = espeak.speak(text, voice, parameters)
        rate_hz = espeak.rate_hz
    language = voice.split("+")[0]
    phones, end_s = [], samples.size / rate_hz
    starts_s = [time_s for _, time_s in events] + [end_s]
    if starts_s[0] > 0:
        phones.append(Phone(SIL, 0.0, starts_s[0]))
    for (name, start_s), until_s in zip(events, starts_s[1:], strict=True):
        ipa = name.decode("utf-8", errors="ignore")
        names = (SIL,) if ipa.startswith("_") else from_ipa(ipa, language)
        if not names and phones:  # a mark without a sound of its own, such as palatalisation, stretches the last phone
            names = (phones.pop().name,)
            start_s = phones[-1].end_s if phones else 0.0
        phones += spread(names or (SIL,), start_s, until_s)
    samples = soxr.resample(samples, rate_hz, SAMPLE_RATE_HZ).astype(np.float32)
    return samples, _mend_espeak(samples, join_equal(phones))


_FESTIVAL_SCHEME = """
(defvar czech-randomize nil)
(define (set_manner stretch semitones)
  (if (eq? 'HTS (Parameter.get 'Synth_Method))
    (set! hts_engine_params (append hts_engine_params (list (list "-r" (/ 1 stretch)) (list "-fm" semitones))))
    (begin
      (Parameter.set 'Duration_Stretch (* stretch (or (Parameter.get 'Duration_Stretch) 1)))
      (set! int_lr_params
        (mapcar (lambda (entry) (if (eq? (car entry) 'target_f0_mean)
                                  (list (car entry) (* (cadr entry) (pow 2 (/ semitones 12)))) entry))
                int_lr_params)))))
(define (speak text path)
  (let ((utt (utt.synth (eval (list 'Utterance 'Text text)))))
    (utt.save.wave utt path 'riff)
    (mapcar (lambda (segment) (format t "%s %f\\n" (item.name segment) (item.feat segment 'end)))
            (utt.relation.items utt 'Segment))))
"""
_FESTIVAL_HEAP_CELLS = 3_000_000  # its default of 10 million keeps 320 MB and collects no utterance for hours
_FESTIVAL_ENCODINGS = {"cs": "iso8859-2", "ru": "utf-8"}  # of its voices' letters; Latin-9 elsewhere


class _Festival:
    """A festival process kept alive behind a pipe, for its start takes half a second."""

    def __init__(self):
        self.owner = os.getpid()
        self.process = subprocess.Popen(
            [_program("festival"), "--heap", str(_FESTIVAL_HEAP_CELLS), "--pipe"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        atexit.register(self.close)
        self.ask(_FESTIVAL_SCHEME.encode())

    def close(self):
        """Ends the process; safe to call twice."""
        if self.process.poll() is None and self.owner == os.getpid():
            self.process.kill()
            self.process.wait()

    def ask(self, scheme: bytes) -> list[str]:
        """Sends Scheme; returns the lines printed, fewer than wanted where an error broke it off."""
        lines = []
        try:
            self.process.stdin.write(scheme + b'\n(format t "\nEND\n") (fflush nil)\n')
            self.process.stdin.flush()
        except BrokenPipeError:
            return lines
        for line in self.process.stdout:
            if line.strip() == b"END":
                break
            lines.append(line.decode("latin-1").strip())
        return [line for line in lines if line]


_festival: _Festival | None = None


def speak_festival(text: str, voice: str, language: str, stretch: float = 1.0, semitones: float = 0.0) -> Spoken:
    """One sentence by festival.

    Args:
        text: in the voice's language.
        voice: such as `kal_diphone`.
        language: `en` or a key of `phones.FESTIVAL_PHONES`.
        stretch: duration factor, 1 the voice's own.
        semitones: added to the voice's own pitch.

    Raises:
        SynthesisError: festival is not installed or said nothing.
    """
    global _festival
    if _festival is None or _festival.owner != os.getpid() or _festival.process.poll() is not None:
        _festival = _Festival()
    quoted = text.replace("\\", " ").replace('"', " ")
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "speech.wav")
        scheme = f'(voice_{voice}) (set_manner {stretch:.3f} {semitones:.2f}) (speak "{quoted}" "{path}")'
        lines = _festival.ask(scheme.encode(_FESTIVAL_ENCODINGS.get(language, "iso8859-15"), errors="ignore"))
        if not path.exists() or not lines:
            raise SynthesisError(f"festival ({voice}) said nothing to {text!r}: is the voice installed?")
        samples = _read_wav(path, "festival", text)
    late_s = LATE_S.get(voice, 0.0)
    segments = [line.split() for line in lines]
    ends = [(from_festival(name, language), max(0.0, float(end_s) - late_s)) for name, end_s in segments]
    return samples, _from_ends(ends)
