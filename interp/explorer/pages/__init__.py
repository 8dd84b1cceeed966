"""The pages, in the order of the menu. A new one is a file here and a row in this table."""

from interp.explorer.page import Page
from interp.explorer.pages import compare, inside, look, report, segmentation, style, training, trust

PAGES: tuple[Page, ...] = (
    look.PAGE,
    trust.PAGE,
    compare.PAGE,
    inside.PAGE,
    style.PAGE,
    segmentation.PAGE,
    training.PAGE,
    report.PAGE,
)
