"""Festival: voices in several languages; times come from the utterance's Segment relation."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from pgstalker.errors import EnvironmentMissing, MediaError
from tools.voices import phonesets
from tools.voices.spoken import Phone, Spoken
from tools.voices.wave_file import read_wave

VOICE_FOLDERS = (Path("/usr/share/festival/voices"), Path("/usr/local/share/festival/voices"))
SCRIPT = """(voice_{name})
(Parameter.set 'Duration_Stretch {stretch:.6f})
(set! said (utt.synth (Utterance Text "{text}")))
(utt.save.wave said "{wave}" 'riff)
(set! file (fopen "{segments}" "w"))
(mapcar
 (lambda (s) (format file "%s %.5f\\n" (item.name s) (item.feat s "end")))
 (utt.relation.items said 'Segment))
(fclose file)
"""


@dataclass(frozen=True)
class Dialect:
    """How a voice wants its text and what its segment names mean.

    late_s: how far its printed times lag the sound, where more than 10 ms: median over the edges between voiceless
    consonants and vowels, where the level below 1.2 kHz rises or falls most steeply."""

    phones: dict[str, str]
    encoding: str = "ascii"
    late_s: float = 0.0


DIALECTS = {
    "cmu_us_slt_arctic_hts": Dialect(phonesets.RADIO),
    "ked_diphone": Dialect(phonesets.RADIO),
    "msu_ru_nsh_clunits": Dialect(phonesets.RUSSIAN, "utf-8", late_s=0.019),
    "lp_diphone": Dialect(phonesets.ITALIAN, "iso-8859-1"),
    "pc_diphone": Dialect(phonesets.ITALIAN, "iso-8859-1"),
    "czech_dita": Dialect(phonesets.CZECH, "iso-8859-2"),
    "czech_machac": Dialect(phonesets.CZECH, "iso-8859-2"),
    "czech_krb": Dialect(phonesets.CZECH, "iso-8859-2"),
    "suo_fi_lj_diphone": Dialect(phonesets.FINNISH, "iso-8859-1"),
    "hy_fi_mv_diphone": Dialect(phonesets.FINNISH, "iso-8859-1"),
    "upc_ca_ona_hts": Dialect(phonesets.CATALAN, "iso-8859-1"),
}


def require(name: str, package: str) -> None:
    """Raises EnvironmentMissing where Festival or the voice is not installed."""
    has_voice = any(any(folder.glob(f"*/{name}")) for folder in VOICE_FOLDERS)
    if shutil.which("festival") is None or not has_voice:
        raise EnvironmentMissing(f"festival's voice {name} is missing: sudo apt-get install festival {package}")


def say(text: str, name: str, rate: float) -> Spoken:
    """One sentence. Characters that the voice's encoding lacks are dropped."""
    dialect = DIALECTS[name]
    quoted = text.replace("\\", " ").replace('"', " ")
    with tempfile.TemporaryDirectory() as folder:
        sound, segments, script = (Path(folder, part) for part in ("said.wav", "said.txt", "say.scm"))
        program = SCRIPT.format(name=name, stretch=1 / rate, text=quoted, wave=sound, segments=segments)
        script.write_bytes(program.encode(dialect.encoding, "ignore"))
        result = subprocess.run(["festival", "--batch", str(script)], capture_output=True, check=False)
        if result.returncode or not sound.is_file() or not segments.is_file():
            told = result.stderr.decode("utf-8", "replace").strip()[-200:]
            raise MediaError(f"festival's {name} could not say '{text[:40]}': {told}")
        samples, hz = read_wave(sound)
        phones = parse(segments.read_text("latin-1"), dialect)
    return Spoken(samples, hz, phones)


def parse(printed: str, dialect: Dialect) -> list[Phone]:
    """Lines of "name end" as phones. Raises MediaError for a name that the voice is not known to have."""
    phones, start = [], 0.0
    for line in printed.splitlines():
        name, _, end = line.rpartition(" ")
        try:
            end_s = max(start, float(end) - dialect.late_s)
            phones.append(Phone(start, end_s, dialect.phones[name]))
        except (KeyError, ValueError):
            raise MediaError(f"festival printed '{line[:40]}' where a segment and its end were expected") from None
        start = end_s
    return phones
