"""The words that reports and captures share, so that both always say the same."""

from collections.abc import Sequence

from daemon.dicom.header import Header
from daemon.records import Category, FindingScore, ImageReading, Note, StudyReading
from daemon.results.language import ENGLISH, Language
from model.findings import FINDINGS

BANNER = "AI result - not for diagnostic use"
OUTLINES = "solid outline: positive \u00b7 dotted outline: doubt"

_VIEW_WORDS = {"PA": "PA", "AP": "AP", "LAT": "Lateral", "OBL": "Oblique"}
_SIDE_WORDS = {"L": "left", "R": "right"}
_SEVERITY = (Category.POSITIVE, Category.DOUBT)


def display(finding: str, say: Language = ENGLISH) -> str:
    """Return what a reader calls a finding."""
    return say(FINDINGS[finding].display)


def image_label(header: Header, number: int, say: Language = ENGLISH) -> str:
    """Name an image by what its header says of it, e.g. "1  PA, left"."""
    view = _VIEW_WORDS.get(header.view or "", "")
    side = _SIDE_WORDS.get(header.side or "", "")
    said = ", ".join(say(part) for part in (view, side) if part)
    return f"{number}  {said or say('image')}"


def score_text(score: FindingScore) -> str:
    """Return a calibrated score with three decimals: operating points may lie close together."""
    return f"{score.probability:.3f}"


def leading(image: ImageReading) -> tuple[FindingScore, ...]:
    """Return the findings of an image that are not negative, the worst first."""
    seen = [score for score in image.scores if score.category in _SEVERITY]
    return tuple(
        sorted(seen, key=lambda one: (_SEVERITY.index(one.category), -one.probability, one.finding))
    )


def outcome(category: Category, say: Language = ENGLISH) -> str:
    """Return a category as a headline."""
    return say(category.value).capitalize()


def note_words(note: Note, say: Language = ENGLISH) -> str:
    """Return a note as a line of its own."""
    words = say(note.value)
    return words[:1].upper() + words[1:]


def impression(reading: StudyReading, say: Language = ENGLISH) -> str:
    """Sum a study up in a few sentences: the outcome, then what a reader must know of it."""
    sentences = [_verdict(reading, say)]
    unread = [image for image in reading.images if image.category is Category.NOT_ANALYSED]
    if unread and reading.category is not Category.NOT_ANALYSED:
        why = ", ".join(sorted({say(image.reason) for image in unread if image.reason}))
        text = "{count} of {total} images not analysed: {why}."
        sentences.append(say(text, count=len(unread), total=len(reading.images), why=why))
    sentences += [_noted(reading, note, say) for note in Note]
    if reading.disagreements:
        text = "Images disagree in {names}; released by a person."
        sentences.append(say(text, names=", ".join(reading.disagreements)))
    return " ".join(filter(None, sentences))


def _noted(reading: StudyReading, note: Note, say: Language) -> str:
    """Say on how many images a note holds; nothing where it holds on none."""
    count = sum(note in image.notes for image in reading.images)
    if not count:
        return ""
    text = "{note} ({count} of {total} images)."
    return say(text, note=note_words(note, say), count=count, total=len(reading.images))


def _verdict(reading: StudyReading, say: Language) -> str:
    if reading.category is Category.NOT_ANALYSED:
        text = "Not analysed: {reason}. No statement is made about findings."
        return say(text, reason=say(reading.reason or ""))
    analysed = [image for image in reading.images if image.scores]
    if reading.category is Category.NEGATIVE:
        names = [say.noun(FINDINGS[score.finding].display) for score in analysed[0].scores]
        return say("No sign of {names} reached an operating point.", names=_listed(names, say))
    parts = []
    for name, category, count in _worst_findings(analysed):
        many = " on {count} of {total} images" if len(analysed) > 1 else ""
        text = "{name}: {category}" + many
        values = {"name": display(name, say), "category": say(category.value)}
        parts.append(say(text, **values, count=count, total=len(analysed)))
    return "; ".join(parts) + "."


def _worst_findings(images: Sequence[ImageReading]) -> list[tuple[str, Category, int]]:
    """Return each finding's worst category, and on how many images it has that one."""
    found: list[tuple[str, Category, int]] = []
    for category in _SEVERITY:
        for name in FINDINGS:
            named = {seen for seen, _category, _count in found}
            count = sum(
                score.finding == name and score.category is category
                for image in images
                for score in image.scores
            )
            if count and name not in named:
                found.append((name, category, count))
    return found


def _listed(names: Sequence[str], say: Language) -> str:
    return say(" or ").join(filter(None, (", ".join(names[:-1]), names[-1])))
