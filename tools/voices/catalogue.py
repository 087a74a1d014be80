"""The voices in use, where each comes from, and what its makers allow.

Terms are those of /usr/share/doc/PACKAGE/copyright in Debian 12. `cc0` says whether we offer the sound under CC0: yes
where the makers of the voice let it be used, published and sublicensed without restriction (their conditions bind the
code and the data, not the sound). No where the voice is under the GPL or LGPL and its recordings are spliced into the
sound: whether that makes the sound a derived work is disputed, so we do not claim it is free. Such voices may teach a
network and be measured with; their sound is not shipped.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from pgstalker.errors import ConfigError
from tools.voices import espeak, festival, flite

CMU = "Carnegie Mellon University, free of charge and without restriction; notice kept with the code"
EDINBURGH = "University of Edinburgh / A. W. Black and K. Lenzo, free of charge and without restriction"
SHMYREV = "N. V. Shmyrev 2005, free of charge and without restriction (terms as Festival's)"
GPL2, GPL3, LGPL2 = "GPL-2.0-or-later", "GPL-3.0-or-later", "LGPL-2.1-or-later"
FINNISH = "LGPL-2.0-or-later, Universities of Helsinki and Joensuu"
ENGINES = {"espeak": espeak, "festival": festival, "flite": flite}


@dataclass(frozen=True)
class Voice:
    """name: as the engine calls it. language: BCP 47. package: what to install. licence: terms of the voice data."""

    id: str
    engine: str
    name: str
    language: str
    package: str
    licence: str
    cc0: bool
    person: str


def _espeak(language: str) -> Voice:
    return Voice(f"espeak-{language}", "espeak", language, language, "espeak-ng", GPL3, False, "man, formants")


def _festival(identity: str, name: str, language: str, package: str, licence: str, person: str) -> Voice:
    cc0 = licence in (CMU, EDINBURGH, SHMYREV)
    return Voice(identity, "festival", name, language, f"festvox-{package}", licence, cc0, person)


_ALL = (
    Voice("slt", "flite", "slt", "en-US", "flite", CMU, True, "woman"),
    Voice("rms", "flite", "rms", "en-US", "flite", CMU, True, "man"),
    Voice("awb", "flite", "awb", "en-GB", "flite", CMU, True, "man, Scottish"),
    Voice("kal", "flite", "kal16", "en-US", "flite", CMU, True, "man, diphones"),
    _festival("slt-hts", "cmu_us_slt_arctic_hts", "en-US", "us-slt-hts", CMU, "woman"),
    _festival("ked", "ked_diphone", "en-US", "kdlpc16k", EDINBURGH, "man, diphones"),
    _festival("nsh", "msu_ru_nsh_clunits", "ru", "ru", SHMYREV, "man"),
    _festival("lp", "lp_diphone", "it", "italp16k", GPL2, "woman, diphones"),
    _festival("pc", "pc_diphone", "it", "itapc16k", GPL2, "man, diphones"),
    _festival("dita", "czech_dita", "cs", "czech-dita", GPL3, "woman, diphones"),
    _festival("machac", "czech_machac", "cs", "czech-machac", GPL3, "man, diphones"),
    _festival("krb", "czech_krb", "cs", "czech-krb", GPL3, "child, diphones"),
    _festival("lj", "suo_fi_lj_diphone", "fi", "suopuhe-lj", FINNISH, "woman, diphones"),
    _festival("mv", "hy_fi_mv_diphone", "fi", "suopuhe-mv", FINNISH, "man, diphones"),
    _festival("ona", "upc_ca_ona_hts", "ca", "ca-ona-hts", LGPL2, "woman"),
    *(_espeak(language) for language in ("en-us", "en", "de", "es", "it", "pt-br", "ru", "pl", "cs", "nl", "sv")),
    *(_espeak(language) for language in ("fr", "tr", "hi", "el", "hu", "fi", "ro", "id", "ca")),
)
VOICES = {voice.id: voice for voice in _ALL}


def find(identity: str) -> Voice:
    """The voice of that id; "espeak-de+f3" is espeak's German with its variant f3 (m1..m8, f1..f5).

    Raises ConfigError for an unknown one.
    """
    base, plus, variant = identity.partition("+")
    voice = VOICES.get(base)
    if voice is None or (plus and (voice.engine != "espeak" or variant not in espeak.VARIANTS)):
        raise ConfigError(f"no voice '{identity}': there are {', '.join(VOICES)}; espeak's also with +m1..8, +f1..5")
    return replace(voice, id=identity, name=f"{voice.name}+{variant}", person=variant) if plus else voice


def require(identity: str) -> Voice:
    """The voice, after a look whether it is installed. Raises EnvironmentMissing naming the package."""
    voice = find(identity)
    ENGINES[voice.engine].require(voice.name, voice.package)
    return voice
