"""Reports: a folder of pictures in; panels, a contact sheet, an HTML page and the raw maps out."""

from interp.images import SUFFIXES
from interp.report.finding import ReportError, find_pictures
from interp.report.rendering import Rendered, render
from interp.report.writing import Report, write_report

__all__ = ["SUFFIXES", "Rendered", "Report", "ReportError", "find_pictures", "render", "write_report"]
