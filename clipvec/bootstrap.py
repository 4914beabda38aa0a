"""How sure a mean over queries is: the Bayesian bootstrap (Rubin, Annals of Statistics, 1981).

Queries get random weights. One more query takes part, which fails entirely for a lower limit and
succeeds entirely for an upper one: without it, a hundred queries with a recall of 1 would say that
there are no others, and near 1 such limits cover the true mean far less often than they promise.
For values of 0 and 1 this is the interval of Clopper and Pearson; for others see Learned-Miller
and Thomas (arXiv 1905.06208), who find that it covers whatever the distribution.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

Share = Annotated[float, Field(ge=0, le=1)]
SignedShare = Annotated[float, Field(ge=-1, le=1)]
RESAMPLES = 4000
_TAIL = 0.025
"""Share beyond each limit."""


@dataclass(frozen=True, config=ConfigDict(use_attribute_docstrings=True))
class Interval:
    """A mean over queries with its 95 % interval."""

    value: Share
    """The mean over queries."""
    low: Share
    """Lower end of the interval."""
    high: Share
    """Upper end of the interval."""


@dataclass(frozen=True, config=ConfigDict(use_attribute_docstrings=True))
class Difference:
    """A mean difference over queries with its 95 % interval."""

    value: SignedShare
    """The mean over queries."""
    low: SignedShare
    """Lower end of the interval."""
    high: SignedShare
    """Upper end of the interval."""


def confidence_interval(values: np.ndarray, seed: int) -> Interval:
    """Return the mean of one value per query with its 95 % confidence interval.

    Args:
        values: float [Q] from 0 to 1, such as the recall of each query.
        seed: of the resampling.
    """
    levels, weights = _weighted(values, np.random.default_rng(seed))
    return _between(values, weights[:, :-1] @ levels, weights[:, -1])


def prediction_interval(values: np.ndarray, seed: int) -> Interval:
    """Return the mean with the 95 % prediction interval of the mean of as many other queries.

    It is wider than `confidence_interval` by the root of two: the others are drawn by chance too.

    Args:
        values: float [Q] from 0 to 1, such as the recall of each query.
        seed: of the resampling.
    """
    rng = np.random.default_rng(seed)
    levels, weights = _weighted(values, rng)
    shares = rng.multinomial(len(values), weights) / len(values)
    return _between(values, shares[:, :-1] @ levels, shares[:, -1])


def _weighted(values: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return the different values, float64 [L], and weights, float64 [`RESAMPLES`, L + 1].

    The last weight is that of the one more query. Equal values share a weight: values of recall
    are few, so this is exact and small.
    """
    levels, counts = np.unique(values, return_counts=True)
    return levels, rng.dirichlet([*counts, 1], RESAMPLES)


def _between(values: np.ndarray, means: np.ndarray, extra: np.ndarray) -> Interval:
    """Return the interval between resampled means without and with the share of the extra query."""
    low, high = np.quantile(means, _TAIL), np.quantile(means + extra, 1 - _TAIL)
    return Interval(float(values.mean()), max(float(low), 0.0), min(float(high), 1.0))


def difference_interval(values: np.ndarray, seed: int) -> Difference:
    """Return the mean of differences, one for each query, with its 95 % confidence interval.

    Args:
        values: float [Q] from -1 to 1: what one model gains over another on the same query.
        seed: of the resampling.
    """
    found = confidence_interval((values + 1) / 2, seed)
    return Difference(*(2 * end - 1 for end in (found.value, found.low, found.high)))


def median_limits(values: np.ndarray, seed: int) -> tuple[float, float]:
    """Return the 95 % interval of the median, from the values around it in order.

    Args:
        values: float [Q], at least one.
        seed: of the resampling.
    """
    # How many of as many resampled values lie below the median, which is what its rank varies by.
    below = np.random.default_rng(seed).binomial(len(values), 0.5, RESAMPLES)
    low, high = np.quantile(below, [_TAIL, 1 - _TAIL]).astype(int)
    ordered = np.sort(values)
    return float(ordered[max(low - 1, 0)]), float(ordered[min(high, len(values) - 1)])


def balanced_interval(right: np.ndarray, groups: np.ndarray, seed: int) -> Interval:
    """Return the mean of the means of groups with its 95 % confidence interval.

    Each group is resampled for itself, but for those of one query, which tell nothing of how far
    their own mean varies: they are resampled together. The one more query is where it counts most.

    Args:
        right: bool [Q], one value per query.
        groups: int [Q], the number of the group of each; numbers without queries do not count.
        seed: of the resampling.
    """
    rng = np.random.default_rng(seed)
    counts = np.bincount(groups)
    hits = np.bincount(groups, right)[counts > 0]
    counts = counts[counts > 0]
    alone, many = counts == 1, counts > 1
    strata = [(hit, count, 1) for hit, count in zip(hits[many], counts[many], strict=True)]
    if single := int(alone.sum()):
        strata.append((hits[alone].sum(), single, single))
    means = np.zeros(RESAMPLES)
    for hit, count, size in strata:
        weights = rng.standard_gamma([hit, count - hit], (RESAMPLES, 2))
        # Resampled means vary by less than means do, which shows where many small groups add up.
        wider = np.sqrt((count + 1) / max(count - 1, 1))
        off = weights[:, 0] / weights.sum(axis=1) - hit / count
        means += size * (hit / count + wider * off)
    means /= len(counts)
    _, count, size = max(strata, key=lambda stratum: stratum[2] / (stratum[1] + 1))
    extra = size * rng.beta(1, count, RESAMPLES) / len(counts)
    return _between(hits / counts, means * (1 - extra), extra)
