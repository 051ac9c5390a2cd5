"""The icons: lines on a grid of 24, drawn in the colour of the text around them."""

from __future__ import annotations

from typing import Final

from markupsafe import Markup

_LINES: Final = {
    "open": '<circle cx="12" cy="12" r="9"/><path d="M8 12.5l2.7 2.7L16 9.5"/>',
    "closed": '<circle cx="12" cy="12" r="9"/><path d="M9 9l6 6M15 9l-6 6"/>',
    "waiting": '<circle cx="12" cy="12" r="9"/><path d="M12 7v5l3.2 2"/>',
    "info": '<circle cx="12" cy="12" r="9"/><path d="M12 11v5.5M12 7.6v.1"/>',
    "neutral": '<circle cx="12" cy="12" r="9"/><path d="M8.5 12h7"/>',
    "warning": '<path d="M12 4L2.8 19.5h18.4zM12 10v4.5M12 17.1v.1"/>',
    "lock": '<rect x="5" y="11" width="14" height="9" rx="2"/><path d="M8 11V8a4 4 0 0 1 8 0v3"/>',
    "unlock": '<rect x="5" y="11" width="14" height="9" rx="2"/><path d="M8 11V8a4 4 0 0 1 7.6-1.8"/>',
    "mail": '<rect x="3" y="5.5" width="18" height="13" rx="2"/><path d="M4 7.5l8 6 8-6"/>',
    "fax": '<path d="M7 8V4h10v4M7 17H5a2 2 0 0 1-2-2v-5a2 2 0 0 1 2-2h14a2 2 0 0 1 2 2v5a2 2 0 0 '
    '1-2 2h-2"/><path d="M7 14h10v6H7z"/>',
    "phone": '<path d="M6 3.5h3l1.6 4.2-2.1 1.7a12 12 0 0 0 6 6l1.8-2.1 4.2 1.6v3a2 2 0 0 1-2.2 '
    '2A16.5 16.5 0 0 1 4 5.7a2 2 0 0 1 2-2.2z"/>',
    "document": '<path d="M6 3h8l4 4v14H6z"/><path d="M14 3v4h4M9 12h6M9 16h6"/>',
    "pen": '<path d="M4 20l1-4.5L16 4.5a1.8 1.8 0 0 1 2.6 0l.9.9a1.8 1.8 0 0 1 0 2.6L8.5 19z"/>',
    "user": '<circle cx="12" cy="8" r="4"/><path d="M4.5 20.5a7.5 7.5 0 0 1 15 0"/>',
    "eye": '<path d="M2.5 12S6 5.5 12 5.5 21.5 12 21.5 12 18 18.5 12 18.5 2.5 12 2.5 12z"/>'
    '<circle cx="12" cy="12" r="2.75"/>',
    "shield": '<path d="M12 3l7.5 3v5.5c0 4.5-3.2 8-7.5 9.5-4.3-1.5-7.5-5-7.5-9.5V6z"/>'
    '<path d="M8.8 12l2.3 2.3 4.2-4.4"/>',
    "pause": '<circle cx="12" cy="12" r="9"/><path d="M10 9v6M14 9v6"/>',
    "plus": '<path d="M12 5v14M5 12h14"/>',
    "search": '<circle cx="10.5" cy="10.5" r="6.5"/><path d="M15.5 15.5L21 21"/>',
    "today": '<rect x="3.5" y="5" width="17" height="15.5" rx="2"/><path d="M3.5 10h17M8 2.8v4M16 2.8v4"/>',
    "orders": '<path d="M9 4H6.5A1.5 1.5 0 0 0 5 5.5v14A1.5 1.5 0 0 0 6.5 21h11a1.5 1.5 0 0 0 '
    '1.5-1.5v-14A1.5 1.5 0 0 0 17.5 4H15"/><path d="M9 2.8h6v3.4H9zM9 11h6M9 15.5h6"/>',
    "directory": '<path d="M5 4.5A1.5 1.5 0 0 1 6.5 3H19v18H6.5A1.5 1.5 0 0 1 5 19.5z"/>'
    '<circle cx="12" cy="10" r="2.3"/><path d="M8.3 16.5a3.8 3.8 0 0 1 7.4 0"/>',
    "outbox": '<path d="M3.5 13.5l3-8h11l3 8v6h-17z"/><path d="M3.5 13.5H8l1.5 2.5h5l1.5-2.5h4.5"/>',
    "policy": '<path d="M4 6h9M17 6h3M4 12h3M11 12h9M4 18h9M17 18h3"/><circle cx="15" cy="6" r="2"/>'
    '<circle cx="9" cy="12" r="2"/><circle cx="15" cy="18" r="2"/>',
    "link": '<path d="M10 14a4 4 0 0 0 5.7 0l3.1-3.1a4 4 0 0 0-5.7-5.7l-1.3 1.3M14 10a4 4 0 0 0-5.7 '
    '0l-3.1 3.1a4 4 0 0 0 5.7 5.7l1.3-1.3"/>',
    "chair": '<path d="M6 3.5v9h9.5M6 12.5l1 4.5h9.5M7.5 17L6 21M16 17l1.5 4M15.5 12.5a2 2 0 0 1 2 2V17"/>',
    "more": '<path d="M4 7h16M4 12h16M4 17h16"/>',
    "play": '<circle cx="12" cy="12" r="9"/><path d="M10 8.5v7l5.5-3.5z"/>',
    "next": '<path d="M9 5.5l6.5 6.5L9 18.5"/>',
    "printer": '<path d="M7 9V3.5h10V9M7 17H4.5A1.5 1.5 0 0 1 3 15.5v-5A1.5 1.5 0 0 1 4.5 9h15a1.5 1.5 '
    '0 0 1 1.5 1.5v5a1.5 1.5 0 0 1-1.5 1.5H17"/><path d="M7 14h10v6.5H7z"/>',
    "down": '<path d="M5.5 9l6.5 6.5L18.5 9"/>',
}
_SVG: Final = '<svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">{}</svg>'
# By name.
ICONS: Final = {name: Markup(_SVG.format(lines)) for name, lines in _LINES.items()}  # noqa: S704 - of our own


def icon(name: str) -> Markup:
    """The filter of templates: where the name is written there, Jinja draws it once and for all.

    Raises KeyError for a name without an icon.
    """
    return ICONS[name]
