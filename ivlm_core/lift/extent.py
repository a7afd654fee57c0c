"""How far contact reaches: the score from which the vertices of one answer count as in contact."""

import numpy as np

from ivlm_core.config import LiftConfig


def contact_threshold(scores: np.ndarray, least: float, lift: LiftConfig) -> float:
    """Return the score from which a vertex of one answer counts as in contact.

    Args:
        scores: `[vertex]` of the answer.
        least: what some vertex has to score, or there is no contact.
        lift: how far contact reaches where there is.
    """
    if lift.extent == "threshold" or not scores.max(initial=0.0) >= least:  # NaN expects nothing
        return least
    return expected_f1_threshold(scores)


def expected_f1_threshold(scores: np.ndarray) -> float:
    """Return the score of the last vertex to take for the highest expected F1.

    With vertices taken from the highest score down, the F1 that k of them can expect is about
    `2 s_k / (k + s)`, with `s_k` the sum of their scores and `s` that of all (Lipton et al. 2014,
    the ratio of expectations in place of the expectation of the ratio). A sure answer is cut high;
    one that is spread over two hands, of which neither reaches one half, is cut low.

    Args:
        scores: `[vertex]`, the probability of contact of each; unseen vertices have 0.

    Raises:
        ValueError: there is no vertex.
    """
    if not len(scores):
        raise ValueError("there is no vertex to take; a surface has at least one")
    highest_first = np.sort(np.asarray(scores, dtype=np.float64))[::-1]
    taken = highest_first.cumsum()
    expected = 2 * taken / (np.arange(1, len(taken) + 1) + taken[-1])
    return float(highest_first[expected.argmax()])
