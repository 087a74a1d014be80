"""libespeak-ng by ctypes: its synthesis callback tells when each phoneme begins, which its command line cannot.

Run as a program: one request (JSON: text, voice, words_per_minute) on stdin; on stdout one line of JSON (hz, phonemes:
[[first sample, IPA], ...]) and then the sound, 16-bit little-endian mono. A process for each request because
the library keeps the state of its noise between calls and cannot be started twice: only a fresh one gives the same
sound for the same text. Standard library only, so that it starts in a blink.
"""

from __future__ import annotations

import ctypes
import json
import sys

LIBRARY = "libespeak-ng.so.1"
SYNCHRONOUS, PHONEME_EVENTS_IN_IPA, UTF8, RATE = 2, 3, 1, 1
LIST_END, PHONEME = 0, 7


class Identity(ctypes.Union):
    _fields_ = [("number", ctypes.c_int), ("name", ctypes.c_char_p), ("text", ctypes.c_char * 8)]


class Event(ctypes.Structure):
    """espeak_EVENT of speak_lib.h; sample counts from the start of the sound."""

    _fields_ = [
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position_ms", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", Identity),
    ]


CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(Event))


def load() -> ctypes.CDLL:
    """Raises OSError where the library is not installed."""
    return ctypes.CDLL(LIBRARY)


def synthesise(text: str, voice: str, words_per_minute: int) -> tuple[bytes, int, list[tuple[int, str]]]:
    """The sound (16-bit), its rate in Hz, and (first sample, IPA) of each phoneme. Once a process."""
    library, sound, phonemes = load(), bytearray(), []

    def collect(samples, count, events) -> int:
        if samples and count > 0:
            sound.extend(ctypes.string_at(samples, 2 * count))
        index = 0
        while events[index].type != LIST_END:
            event = events[index]
            if event.type == PHONEME:  # eight bytes, not always ended; a cut character is dropped
                name = ctypes.string_at(ctypes.addressof(event.id), 8).split(b"\0")[0].decode("utf-8", "ignore")
                phonemes.append((event.sample, name))
            index += 1
        return 0

    hz = library.espeak_Initialize(SYNCHRONOUS, 0, None, PHONEME_EVENTS_IN_IPA)
    callback = CALLBACK(collect)
    library.espeak_SetSynthCallback(callback)
    if hz <= 0 or library.espeak_SetVoiceByName(voice.encode()) != 0:
        raise ValueError(f"espeak-ng has no voice {voice}")
    library.espeak_SetParameter(RATE, words_per_minute, 0)
    data = text.encode()
    library.espeak_Synth(data, len(data) + 1, 0, 1, 0, UTF8, None, None)
    library.espeak_Synchronize()
    return bytes(sound), hz, phonemes


def main() -> int:
    request = json.load(sys.stdin)
    try:
        sound, hz, phonemes = synthesise(request["text"], request["voice"], request["words_per_minute"])
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    sys.stdout.buffer.write(json.dumps({"hz": hz, "phonemes": phonemes}).encode() + b"\n" + sound)
    return 0


if __name__ == "__main__":
    sys.exit(main())
