"""Reports: a folder of pictures in; panels, a contact sheet, an HTML page and the raw maps out."""

from interp.engines import Engine, Local
from interp.images import SUFFIXES
from interp.ray_engine import Ray
from interp.report.finding import ReportError, find_pictures
from interp.report.finishing import Report
from interp.report.planning import Plan, plan
from interp.report.rendering import Rendered, render
from interp.report.writing import carry_out, write_report
from interp.shards import Slice

__all__ = [
    "SUFFIXES",
    "Engine",
    "Local",
    "Plan",
    "Ray",
    "Rendered",
    "Report",
    "ReportError",
    "Slice",
    "carry_out",
    "find_pictures",
    "plan",
    "render",
    "write_report",
]
