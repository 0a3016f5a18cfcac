"""Format published values and ours as text."""

from __future__ import annotations

from benchsuite.papers.measured_values import MeasuredValue
from benchsuite.results.formatting import MINUS, plain_mean_sd, quantity
from benchsuite.specs.models.reference import PublishedValue

ERRORS = {"test_error_percent": "test error (%)", "train_error_percent": "train error (%)"}
SPREADS = {"standard_deviation": "SD", "standard_error": "SE"}


def value_metric_words(value: PublishedValue) -> str:
    """Return a published metric with its unit, segment and epoch."""
    name = ERRORS.get(value.metric) or quantity(value.metric)
    epoch = {"last": "", 0: "before training"}.get(value.epoch, f"epoch {value.epoch}")
    return ", ".join(part for part in (name, value.segment or "", epoch) if part)


def published_words(value: PublishedValue) -> str:
    """Return a published value with its spread, ``≤`` before a bound."""
    # Errors have two digits, as ours do, unless the source has more.
    number = f"{value.value:.2f}" if value.is_error and value.value == round(value.value, 2) else f"{value.value:g}"
    bound = "≤ " if value.relation == "at_most" else ""
    spread = (
        f" ± {value.spread:g} {SPREADS[value.spread_kind]}" if value.spread is not None and value.spread_kind else ""
    )
    return f"{bound}{number}{spread}".replace("-", MINUS)


def measured_words(compared: MeasuredValue) -> str:
    """Return our mean, spread and number of seeds, or the reason why there are none."""
    if compared.measured is None:
        return compared.remark or "–"
    return f"{plain_mean_sd(compared.measured, digits=_digits(compared.value))} (n = {compared.measured.n})"


def difference_words(compared: MeasuredValue) -> str:
    """Return our mean minus the published value, with its sign; an en dash without one."""
    if compared.difference is None:
        return "–"
    text = f"{compared.difference:+.{_digits(compared.value)}f}"
    return (text.lstrip("+-") if float(text) == 0 else text).replace("-", MINUS)


def _digits(value: PublishedValue) -> int:
    return 2 if value.is_error or value.metric.endswith("_deg") else 4
