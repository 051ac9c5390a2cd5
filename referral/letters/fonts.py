"""The fonts that letters may use, configured in a folder of their own, so that no host changes a letter.

The text faces are static TTFs from the packages font-source-serif-pro and font-source-sans-pro (OFL 1.1);
names in other scripts use the Noto families where the host has them.
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
import os
import tempfile
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape

from fontTools.pens.svgPathPen import SVGPathPen  # type: ignore[import-untyped]
from fontTools.ttLib import TTFont  # type: ignore[import-untyped]

from referral.letters.content import LetterProblem

_TEXT_FACES: Final = {
    "font_source_serif_pro": ("SourceSerifPro-Regular", "SourceSerifPro-Semibold", "SourceSerifPro-Bold"),
    "font_source_sans_pro": ("SourceSansPro-Regular", "SourceSansPro-Semibold", "SourceSansPro-Bold"),
}
# The order is the order of fallback. Without it fontconfig takes Arabic from a Kufi face and Han in Japanese
# shapes: one Han character is drawn differently in Chinese, Korean and Japanese, and Chinese names are the
# most frequent.
_SCRIPTS: Final = (
    "Arabic",
    "Armenian",
    "Hebrew",
    "Devanagari",
    "Bengali",
    "Gurmukhi",
    "Gujarati",
    "Tamil",
    "Telugu",
    "Malayalam",
    "Thai",
    "Lao",
    "Khmer",
    "Myanmar",
    "Georgian",
    "Ethiopic",
    "CJK SC",
    "CJK KR",
    "CJK JP",
)
_HOST_FOLDERS: Final = (Path("/usr/share/fonts"), Path("/usr/local/share/fonts"))
_CONFIGURATION: Final = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "urn:fontconfig:fonts.dtd">
<fontconfig>
  <reset-dirs/>
  <dir prefix="relative">.</dir>
  <cachedir>{cache}</cachedir>
  <match target="pattern">
    <test qual="any" name="family" compare="not_eq"><string>no such family</string></test>
    <edit name="family" mode="append_last" binding="weak">{fallback}</edit>
  </match>
</fontconfig>
"""


class FontSet:
    """The installed fonts; answers what they can print and how wide a line is."""

    def __init__(self, folder: Path, text_faces: tuple[Path, ...], scripts: tuple[Path, ...]) -> None:
        self.folder = folder
        self.configuration = folder / "fonts.conf"
        self._text_faces = text_faces
        self._scripts = scripts

    def uncovered(self, text: str) -> frozenset[str]:
        """The characters that no installed font can draw. They are parts of names: never log them."""
        rest = {character for character in text if ord(character) not in self._text_characters}
        rest -= {"\n", "\u200c", "\u200d"}
        return frozenset(c for c in rest if ord(c) not in self._script_characters) if rest else frozenset()

    def width(self, text: str, size: float) -> float:
        """Points that a line of the sans face takes, without kerning; foreign characters count as one em."""
        cmap, advances = self._sans.getBestCmap(), self._sans["hmtx"]
        em: int = self._sans["head"].unitsPerEm
        units = sum(advances[cmap[ord(c)]][0] if ord(c) in cmap else em for c in text)
        return float(units * size / em)

    def initial_path(self, character: str) -> tuple[str, float, float] | None:
        """The serif outline of a capital: SVG path, width, cap height; a thousand units per em, y upwards."""
        name = self._serif.getBestCmap().get(ord(character))
        if name is None:
            return None
        pen = SVGPathPen(glyphs := self._serif.getGlyphSet())
        glyphs[name].draw(pen)
        return pen.getCommands(), float(glyphs[name].width), float(self._serif["OS/2"].sCapHeight)

    @cached_property
    def _sans(self) -> TTFont:
        return self._face("SourceSansPro-Regular")

    @cached_property
    def _serif(self) -> TTFont:
        return self._face("SourceSerifPro-Semibold")

    def _face(self, name: str) -> TTFont:
        """Read from memory: by a path, it would hold the file open for as long as it lives."""
        file = next(face for face in self._text_faces if face.stem == name)
        return TTFont(io.BytesIO(file.read_bytes()), lazy=True)

    @cached_property
    def _text_characters(self) -> frozenset[int]:
        return frozenset.intersection(*(_characters(face) for face in self._text_faces))

    @cached_property
    def _script_characters(self) -> frozenset[int]:
        """Read only when a name needs it: the script fonts are many."""
        return frozenset().union(*(_characters(face) for face in self._scripts))


def install(folder: Path | None = None, host_folders: Iterable[Path] = _HOST_FOLDERS) -> FontSet:
    """Link the fonts into `folder`, write its configuration, and make fontconfig use it in this process.

    None means a private folder in the user's cache, named by its content, so that two installations do not
    disturb each other. Doing it again, or in several processes at once, is harmless. Raises LetterProblem
    without the text faces.
    """
    faces, scripts = _text_face_files(), _script_files(host_folders)
    folder = (folder or _cache_folder(faces + scripts)).absolute()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for file in faces + scripts:
        _link(folder / file.name, file)
    fonts = FontSet(folder, faces, scripts)
    fallback = "".join(
        f"<string>{name}</string>" for name in ("Source Sans Pro", *(f"Noto Sans {s}" for s in _SCRIPTS))
    )
    text = _CONFIGURATION.format(cache=escape(str(folder / "cache")), fallback=fallback)
    if not fonts.configuration.exists() or fonts.configuration.read_text() != text:
        _replace(fonts.configuration, text)
    # Read by fontconfig whenever a font configuration is made, so this has to be set before the first letter.
    os.environ["FONTCONFIG_FILE"] = str(fonts.configuration)
    return fonts


def _text_face_files() -> tuple[Path, ...]:
    """The TTFs only: with the OTFs beside them in reach, fontconfig might choose those."""
    found = []
    for package, names in _TEXT_FACES.items():
        spec = importlib.util.find_spec(package)
        if spec is None or not spec.submodule_search_locations:
            raise LetterProblem(
                f"The font package {package} is not installed; without it letters cannot be laid out."
            )
        found += [Path(spec.submodule_search_locations[0]) / "files" / f"{name}.ttf" for name in names]
    return tuple(found)


def _script_files(host_folders: Iterable[Path]) -> tuple[Path, ...]:
    wanted = {f"NotoSans{script}-{style}.ttf" for script in _SCRIPTS for style in ("Regular", "Bold")}
    wanted |= {f"NotoSansCJK-{style}.ttc" for style in ("Regular", "Bold")}
    found = {
        file.name: file
        for folder in host_folders
        for file in folder.rglob("NotoSans*")
        if file.name in wanted
    }
    return tuple(found[name] for name in sorted(found))


def _cache_folder(files: tuple[Path, ...]) -> Path:
    digest = hashlib.sha256("\n".join(map(str, files)).encode()).hexdigest()[:12]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "referral" / f"fonts-{digest}"


def _link(link: Path, target: Path) -> None:
    """Put in place in one step, because another worker may be reading the folder."""
    if link.is_symlink() and link.readlink() == target:
        return
    with tempfile.TemporaryDirectory(dir=link.parent, prefix=".new-") as scratch:
        fresh = Path(scratch) / "link"
        fresh.symlink_to(target)
        fresh.replace(link)


def _replace(file: Path, text: str) -> None:
    with tempfile.TemporaryDirectory(dir=file.parent, prefix=".new-") as scratch:
        fresh = Path(scratch) / "text"
        fresh.write_text(text)
        fresh.replace(file)


def _characters(file: Path) -> frozenset[int]:
    with TTFont(file, fontNumber=0, lazy=True) as font:
        return frozenset(font.getBestCmap() or ())
