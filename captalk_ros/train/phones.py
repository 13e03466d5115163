"""One phone set for every speech engine and language: the 39 of ARPAbet and SIL, chosen by what the mouth does.

A phone of another language becomes the English phone with the nearest lips and jaw, not the nearest sound: a front
rounded vowel is a UW, a trilled r (no rounding) a D, a bilabial fricative a V, a uvular r an HH.
"""

import csv
import re
import unicodedata
from pathlib import Path
from typing import NamedTuple

from captalk_ros.errors import InputError

SIL = "SIL"
VOWELS = frozenset(("AA", "AE", "AH", "AO", "AW", "AY", "EH", "ER", "EY", "IH", "IY", "OW", "OY", "UH", "UW"))
STOPS = frozenset(("P", "B", "T", "D", "K", "G", "CH", "JH"))
CONSONANTS = STOPS | {"DH", "F", "HH", "L", "M", "N", "NG", "R", "S", "SH", "TH", "V", "W", "Y", "Z", "ZH"}
PHONE_NAMES = (SIL, *sorted(VOWELS | CONSONANTS))


class Phone(NamedTuple):
    """One phone of an utterance; a stop runs from the start of its closure to the end of its burst.

    Attributes:
        name: one of `PHONE_NAMES`.
        start_s: start in seconds from the utterance's first sample.
        end_s: end in seconds, the next phone's start.
    """

    name: str
    start_s: float
    end_s: float


# The International Phonetic Alphabet, one base letter each; marks of length, stress, nasality are left out before.
_IPA = {
    **{"i": "IY", "ɪ": "IH", "ᵻ": "IH", "ɨ": "IH", "ɯ": "IH", "e": "EH", "ɛ": "EH", "æ": "AE", "a": "AA", "ɑ": "AA"},
    **{"ɒ": "AO", "ɔ": "AO", "o": "OW", "u": "UW", "ʊ": "UH", "ʌ": "AH", "ə": "AH", "ɐ": "AH", "ɤ": "AH", "ɘ": "AH"},
    **{"ɜ": "ER", "ɚ": "ER", "ɝ": "ER", "ɞ": "ER", "y": "UW", "ʏ": "UH", "ø": "UH", "œ": "UH", "ʉ": "UW", "ɵ": "UH"},
    **{"p": "P", "b": "B", "t": "T", "d": "D", "k": "K", "g": "G", "ɡ": "G", "q": "K", "ɢ": "G", "c": "K", "ɟ": "G"},
    **{"ʈ": "T", "ɖ": "D", "ɓ": "B", "ɗ": "D", "ɠ": "G", "ʔ": "HH", "ɾ": "D", "r": "D", "ɽ": "D", "ɹ": "R", "ɻ": "R"},
    **{"m": "M", "ɱ": "V", "n": "N", "ɲ": "N", "ɳ": "N", "ŋ": "NG", "ɴ": "NG", "l": "L", "ɫ": "L", "ɭ": "L", "ʎ": "L"},
    **{"ɬ": "L", "ɮ": "L", "f": "F", "v": "V", "ɸ": "F", "β": "V", "ʋ": "V", "θ": "TH", "ð": "DH", "s": "S", "z": "Z"},
    **{"ʃ": "SH", "ʒ": "ZH", "ɕ": "SH", "ʑ": "ZH", "ʂ": "SH", "ʐ": "ZH", "h": "HH", "ɦ": "HH", "ç": "HH", "ʝ": "Y"},
    **{"x": "HH", "χ": "HH", "ħ": "HH", "ɣ": "HH", "ʁ": "HH", "ʀ": "HH", "ʕ": "HH", "ɰ": "HH", "j": "Y", "ɥ": "W"},
    **{"w": "W", "ʍ": "W"},
}
# Two phones that an engine gives as one and that ARPAbet has one name for.
_PAIRS = {
    **{(a, i): "AY" for a in ("AA", "AE", "AH") for i in ("IH", "IY", "Y")},
    **{(a, u): "AW" for a in ("AA", "AE") for u in ("UH", "UW", "W")},
    **{("EH", i): "EY" for i in ("IH", "IY", "Y")},
    **{(o, i): "OY" for o in ("AO", "OW") for i in ("IH", "IY", "Y")},
    **{(o, "UH"): "OW" for o in ("OW", "AO", "AH")},
    **{("T", "SH"): "CH", ("D", "ZH"): "JH"},
}
# What the English voices of flite and festival use beside ARPAbet.
_ARPABET_EXTRA = {
    "AX": "AH",
    "AXR": "ER",
    "IX": "IH",
    "UX": "UW",
    "DX": "D",
    "NX": "N",
    "EN": "N",
    "EM": "M",
    "EL": "L",
}
_ARPABET_EXTRA |= {"HV": "HH", "PAU": SIL, "H#": SIL, "#": SIL, "BRTH": SIL, "SSIL": SIL, "_": SIL}


def from_arpabet(name: str) -> tuple[str, ...]:
    """The phone of an English voice's own name, such as `ax`, `dx` or `pau`.

    Raises:
        ValueError: the name is unknown.
    """
    upper = name.upper().rstrip("012")
    upper = _ARPABET_EXTRA.get(upper, upper)
    if upper not in PHONE_NAMES:
        raise ValueError(f"unknown English phone {name!r}, expected an ARPAbet name or one of {sorted(_ARPABET_EXTRA)}")
    return (upper,)


def from_ipa(ipa: str, language: str = "") -> tuple[str, ...]:
    """The phones of one IPA phoneme, such as `tʃ` (CH), `ɔːɹ` (AO, R) or `ø` (UH).

    Args:
        ipa: IPA letters; diacritics are passed over and letters unknown here too (an engine's odd marks).
        language: its code; in English an `a` is the AE of "map".

    Returns:
        Phones in order, perhaps none.
    """
    letters = unicodedata.normalize("NFC", re.sub("[(].*?[)]", "", ipa))
    phones: list[str] = []
    for i, letter in enumerate(letters):
        phone = _IPA.get(letter)
        if phone is None:
            continue
        if letter == "a" and language.startswith("en"):
            phone = "AE"
        if letters[i : i + 2] == "eː":
            phone = "EY"
        pair = _PAIRS.get((phones[-1], phone)) if phones else None
        phones[-1:] = [pair] if pair else [*phones[-1:], phone]
    return tuple(phones)


def _table(text: str) -> dict[str, tuple[str, ...]]:
    return {name: tuple(phones.split("+")) for name, phones in (entry.split("=") for entry in text.split())}


# Phone names of festival's voices in other languages; marks of stress (1) and length (:) are left out.
FESTIVAL_PHONES = {
    "it": _table(
        "i=IY e=EH E=EH a=AA o=OW O=AO u=UW j=Y w=W p=P t=T k=K b=B d=D g=G f=F v=V s=S z=Z S=SH Z=ZH ts=T+S dz=D+Z"
        " tS=CH dZ=JH m=M n=N J=N ng=NG nf=N l=L L=L r=D #=SIL"
    ),
    "ca": _table(
        "ax=AH a=AA e=EH E=EH i=IY o=OW O=AO u=UW j=Y w=W p=P t=T k=K b=B d=D g=G f=F s=S z=Z S=SH Z=ZH m=M n=N J=N"
        " l=L L=L r=D rr=D pau=SIL _=SIL #=SIL"
    ),
    "cs": _table(
        "#=SIL _=HH a=AA a:=AA b=B c=T+S c~=CH ch=HH d=D d~=D dz=D+Z dz~=JH e=EH e:=EH f=F g=G h=HH i=IH i:=IY j=Y k=K"
        " l=L m=M n=N n*=NG n~=N o=AO o:=OW p=P r=D r~=ZH r~*=SH s=S s~=SH t=T t~=T u=UH u:=UW v=V z=Z z~=ZH"
    ),
    "fi": _table(
        "a=AA e=EH i=IY o=OW u=UW y=UW @=AE 7=UH &=SIL p=P t=T k=K b=B d=D g=G f=F T=TH D=DH s=S z=Z S=SH Z=ZH h=HH v=V"
        " m=M n=N N=NG l=L L=L r=D j=Y w=W #=SIL ##=SIL"
    ),
    "ru": _table(
        "pau=SIL ii=IY yy=IH uu=UW ee=EH oo=AO aa=AA a=AH e=IH i=IH y=IH u=UH ae=AH ay=IH ur=UH p=P b=B t=T d=D k=K g=G"
        " c=T+S ch=CH f=F v=V s=S z=Z sh=SH sch=SH zh=ZH h=HH m=M n=N l=L r=D j=Y pp=P bb=B tt=T dd=D kk=K gg=G ff=F"
        " vv=V ss=S zz=Z hh=HH mm=M nn=N ll=L rr=D"
    ),
}


def from_festival(name: str, language: str) -> tuple[str, ...]:
    """The phones of a festival voice's own name, such as `r~` of its Czech voices.

    Raises:
        ValueError: the name is unknown in that language.
    """
    if language == "en":
        return from_arpabet(name)
    table = FESTIVAL_PHONES[language]
    plain = name.removesuffix("1")
    for candidate in (name, plain, plain.removesuffix(":")):
        if candidate in table:
            return table[candidate]
    raise ValueError(f"unknown phone {name!r} of festival's {language!r} voices, expected one of {sorted(table)}")


def spread(names: tuple[str, ...], start_s: float, end_s: float) -> list[Phone]:
    """Shares a stretch of time among phones, a vowel getting twice as much as a consonant."""
    weights = [2.0 if name in VOWELS else 1.0 for name in names]
    phones, time_s = [], start_s
    for name, weight in zip(names, weights, strict=True):
        until_s = time_s + (end_s - start_s) * weight / sum(weights)
        phones.append(Phone(name, time_s, until_s))
        time_s = until_s
    return phones


def join_equal(phones: list[Phone]) -> list[Phone]:
    """Joins equal neighbours (geminates, double pauses) and leaves out phones of no length."""
    joined: list[Phone] = []
    for phone in phones:
        if phone.end_s - phone.start_s < 1e-4:
            continue
        if joined and joined[-1].name == phone.name:
            joined[-1] = joined[-1]._replace(end_s=phone.end_s)
        else:
            joined.append(phone)
    return joined


class PhoneFileError(InputError):
    """A folder or table of phone times that cannot be used."""


def read_phones(directory: Path) -> dict[str, list[Phone]]:
    """Phone times by file name from `phones.tsv` (columns file, phone, start_s, end_s).

    Raises:
        PhoneFileError: no such table, or a row that cannot be read.
    """
    path = directory / "phones.tsv"
    if not path.is_file():
        raise PhoneFileError(f"{path}: no such file; expected columns file, phone, start_s, end_s")
    phones: dict[str, list[Phone]] = {}
    with path.open(newline="") as file:
        for number, row in enumerate(csv.DictReader(file, delimiter="\t"), start=2):
            try:
                phone = Phone(row["phone"], float(row["start_s"]), float(row["end_s"]))
                phones.setdefault(row["file"], []).append(phone)
            except (KeyError, TypeError, ValueError) as error:
                raise PhoneFileError(f"{path}:{number}: expected file, phone, start_s, end_s ({error})") from error
    return phones
