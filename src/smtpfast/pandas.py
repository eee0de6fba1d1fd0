"""Replies in pandas: the accessor `.smtp` of a Series, which importing this module makes known.

    import smtpfast.pandas

    frame["reason"] = frame["reply"].smtp.reason()
    frame.join(frame["reply"].smtp.diagnose(fields=["code", "enhanced", "disposition"]))

It takes pandas 2.2 and pyarrow 19. A Series is one of texts or octets: of the dtypes str, string
(in pyarrow or Python), object (where each cell is a str, bytes or missing), category of these, or
one of Arrow's for them. Each cell is a reply, as `smtpfast.classify` and `smtpfast.diagnose` take
it.
What is missing (None, NaN, NA) is missing in all that comes out. The index stays. The columns have
these dtypes, whatever was given:

code: Int16; -1 for what is no reply. enhanced_class: Int8; enhanced_subject, enhanced_detail:
Int16. is_last: boolean. retry_after: Int32, in seconds. enhanced, blocklist, text, evidence: str
(in pandas 2 object), with U+FFFD for octets that are no UTF-8. status, severity, category, reason,
disposition, provider, rule: category, with all the words that there are, seen or not: so Series of
them go together, `value_counts` shows zeros, and `groupby` wants `observed=True`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from . import arrow
from .arrow_columns import CLASSIFY_FIELDS, DIAGNOSE_FIELDS
from .octets import octets

try:
    import pandas as pd
    import pyarrow as pa
except ModuleNotFoundError as error:
    message = "pandas and pyarrow are needed: pip install 'smtpfast[pandas]'"
    raise ModuleNotFoundError(message, name=error.name) from None

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .classifier import Classifier

__all__ = ["SmtpAccessor"]

_DTYPES: Final = {
    pa.bool_(): pd.BooleanDtype(),
    pa.int8(): pd.Int8Dtype(),
    pa.int16(): pd.Int16Dtype(),
    pa.int32(): pd.Int32Dtype(),
}


@pd.api.extensions.register_series_accessor("smtp")
class SmtpAccessor:
    """What the replies of a Series say and mean; see the module for what goes in and comes out.

    A Series of another dtype, or with a cell that is neither text nor octets, is a `TypeError`.
    """

    def __init__(self, series: pd.Series) -> None:
        self._series = series

    def code(self) -> pd.Series:
        """The reply codes."""
        return self._one("code")

    def enhanced(self) -> pd.Series:
        """The enhanced status codes, as "5.1.1"."""
        return self._one("enhanced")

    def reason(self) -> pd.Series:
        """Why the servers answered so, by the default rules."""
        return self._one("reason")

    def disposition(self) -> pd.Series:
        """What to do, by the default rules."""
        return self._one("disposition")

    def classify(self, *, fields: Iterable[str] = CLASSIFY_FIELDS) -> pd.DataFrame:
        """What each reply says; `fields` are those wanted, of `smtpfast.arrow.FIELDS`.

        An unknown field is a `SmtpFastError`.
        """
        return self.diagnose(fields=fields)

    def diagnose(
        self, *, fields: Iterable[str] = DIAGNOSE_FIELDS, classifier: Classifier | None = None
    ) -> pd.DataFrame:
        """What each reply says and means; `classifier` is the default one if None."""
        cells = _cells(self._series)
        batch = pa.record_batch(arrow.diagnose(cells, fields=fields, classifier=classifier))
        frame = batch.to_pandas(types_mapper=_DTYPES.get)
        for field in batch.schema:
            if field.type == pa.large_binary():
                frame[field.name] = frame[field.name].str.decode("utf-8", "replace")
        frame.index = self._series.index
        return frame

    def _one(self, field: str) -> pd.Series:
        return self.diagnose(fields=(field,))[field].rename(self._series.name)


def _cells(values: pd.Series | pd.Index) -> Any:
    """An array of Arrow, of texts or octets, with nulls where a cell is missing."""
    dtype = values.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        numbers = values.cat.codes.to_numpy()
        indexes = pa.array(numbers, mask=numbers < 0)
        return pa.DictionaryArray.from_arrays(indexes, _cells(values.cat.categories))
    is_string = isinstance(dtype, pd.StringDtype)
    if isinstance(dtype, pd.ArrowDtype) or (is_string and dtype.storage != "python"):
        cells = pa.array(values.array)
        return cells.combine_chunks() if isinstance(cells, pa.ChunkedArray) else cells
    if not is_string and not pd.api.types.is_object_dtype(dtype):
        raise TypeError(f"expected a Series of texts or octets, not of {dtype}")
    try:
        return pa.array(values.to_numpy(object), pa.large_binary(), from_pandas=True)
    except UnicodeEncodeError:  # surrogates stand for octets that are no UTF-8
        rows = zip(values, values.isna(), strict=True)
        return pa.array([None if gone else octets(cell) for cell, gone in rows], pa.large_binary())
