"""Predictions as things to look at: colours, overlays, one overview picture, one offline page."""

from ivlm_core.visualize.colours import UNSEEN_GREY, ramp, score_colours, shaded
from ivlm_core.visualize.mesh_file import save_coloured_mesh
from ivlm_core.visualize.mesh_picture import render_scores
from ivlm_core.visualize.overlay import overlay_image, view_overlays, view_sheet
from ivlm_core.visualize.overview import overview, save_overview
from ivlm_core.visualize.page import save_html
from ivlm_core.visualize.wording import (
    answer_line,
    contact_line,
    parts_line,
    question_line,
    result_line,
    top_parts,
    words_disagree,
)

__all__ = [
    "UNSEEN_GREY",
    "answer_line",
    "contact_line",
    "overlay_image",
    "overview",
    "parts_line",
    "question_line",
    "ramp",
    "render_scores",
    "save_coloured_mesh",
    "save_html",
    "save_overview",
    "score_colours",
    "shaded",
    "result_line",
    "top_parts",
    "view_overlays",
    "view_sheet",
    "words_disagree",
]
