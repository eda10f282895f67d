"""Recordings, and clips of files and of arrays. The only package that decodes.

The clock of a recording starts at its first sound or picture. Where its timestamps leave a gap its sound is
silent, and a picture is shown until the next one comes.
"""

from affectline.media.clips import FileClip, MemoryClip
from affectline.media.composed import JoinedClip, PairedClip
from affectline.media.recording import MediaError, Recording, probe
from affectline.media.views import ChangedClip, Cut, View, ViewedClip

__all__ = [
    "ChangedClip",
    "Cut",
    "FileClip",
    "JoinedClip",
    "MediaError",
    "MemoryClip",
    "PairedClip",
    "Recording",
    "View",
    "ViewedClip",
    "probe",
]
