"""One HTML page without scripts, links or files beside it.

The page is a tree of elements that is written out at the end, so every text is escaped and every
element is closed. Its content policy forbids whatever a browser could fetch.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from xml.etree.ElementTree import Element, SubElement, tostring

_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; color: #111; background: #fff; max-width: 74rem;
  margin: 2rem auto; padding: 0 1rem }
h2 { border-bottom: 1px solid #bbb; margin-top: 2.2rem }
table { border-collapse: collapse; margin: .6rem 0; font-variant-numeric: tabular-nums }
caption { text-align: left; font-weight: 600; padding: .3rem 0 }
th, td { border: 1px solid #ccc; padding: .2rem .5rem; text-align: left; vertical-align: top }
th { background: #f3f3f3 }
.wide { overflow-x: auto }
.warning { border-left: 4px solid #d55e00; background: #fff4ec; padding: .4rem .8rem }
.note { color: #555; font-size: 13px }
.row { display: flex; flex-wrap: wrap; gap: .8rem }
figure { margin: 0; border: 1px solid #ddd; padding: .4rem; break-inside: avoid }
figcaption { font-size: 13px; max-width: 33rem; overflow-wrap: anywhere }
figure.film img { width: 11rem; height: auto }
img { max-width: 100% }
details { margin: .6rem 0 }
@media print { body { margin: 0; max-width: none; font-size: 11px } h2 { break-after: avoid }
  table { font-size: 9px } .wide { overflow: visible } }
"""


class Page:
    """A page under construction; what is added goes to its end, or into the fold that is open."""

    def __init__(self, title: str) -> None:
        self._root = Element("html", lang="en")
        head = SubElement(self._root, "head")
        SubElement(head, "meta", charset="utf-8")
        policy = {"http-equiv": "Content-Security-Policy", "content": _POLICY}
        SubElement(head, "meta", policy)
        SubElement(head, "meta", name="viewport", content="width=device-width")
        SubElement(head, "title").text = _printable(title)
        SubElement(head, "style").text = _STYLE
        self._place = SubElement(self._root, "body")
        self.heading(title, 1)

    def heading(self, text: str, level: int = 2) -> None:
        """Add a heading; 1 is the page's own."""
        SubElement(self._place, f"h{level}").text = _printable(text)

    def paragraph(self, text: str, kind: str = "") -> None:
        """Add a paragraph; `kind` is "", "note" or "warning"."""
        about = {"class": kind} if kind else {}
        SubElement(self._place, "p", about).text = _printable(text)

    def table(self, caption: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Add a table; the first cell of each row is its heading."""
        table = SubElement(SubElement(self._place, "div", {"class": "wide"}), "table")
        SubElement(table, "caption").text = _printable(caption)
        if head:
            line = SubElement(SubElement(table, "thead"), "tr")
            for text in head:
                SubElement(line, "th", scope="col").text = _printable(text)
        body = SubElement(table, "tbody")
        for first, *rest in rows:
            line = SubElement(body, "tr")
            SubElement(line, "th", scope="row").text = _printable(first)
            for text in rest:
                SubElement(line, "td").text = _printable(text)

    def figure(self, caption: str, *pictures: str, kind: str = "") -> None:
        """Add pictures, data URIs, over one caption; `kind` is "" or "film"."""
        figure = SubElement(self._place, "figure", {"class": kind} if kind else {})
        for picture in pictures:
            if not picture.startswith("data:"):
                raise ValueError("a page shows data: pictures only")
            SubElement(figure, "img", src=picture, alt=_printable(caption))
        SubElement(figure, "figcaption").text = _printable(caption)

    @contextmanager
    def row(self) -> Iterator[None]:
        """Put what is added side by side."""
        with self._inside(SubElement(self._place, "div", {"class": "row"})):
            yield

    @contextmanager
    def fold(self, title: str) -> Iterator[None]:
        """Put what is added behind a title that opens it."""
        fold = SubElement(self._place, "details")
        SubElement(fold, "summary").text = _printable(title)
        with self._inside(fold):
            yield

    def render(self) -> str:
        """Return the document."""
        return "<!DOCTYPE html>\n" + tostring(self._root, encoding="unicode", method="html") + "\n"

    @contextmanager
    def _inside(self, element: Element) -> Iterator[None]:
        before, self._place = self._place, element
        yield
        self._place = before


def _printable(text: str) -> str:
    """Replace characters that no page may hold: controls, and halves of characters."""
    return "".join(
        c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in text
    )
