"""Which maps of a report somebody means: `predicted = 'tiger cat' and probability < 0.5`."""

from __future__ import annotations

import ast
import difflib
import io
import operator
import tokenize
from collections.abc import Callable, Mapping
from typing import Any, Literal

import pyarrow.compute as pc

from interp.report.finding import ReportError

Kind = Literal["text", "number", "truth value"]
Known = Callable[[], Mapping[str, frozenset[int]]]
COLUMNS: dict[str, Kind] = {
    "file": "text",
    "target": "text",
    "index": "number",
    "probability": "number",
    "score": "number",
    "rank": "number",
    "predicted": "text",
    "truth": "text",
    "wrong": "truth value",
    "trust": "text",
    "layer": "text",
    "method": "text",
    "width": "number",
    "height": "number",
    "error": "text",
}
"""What may be asked, and of which kind it is."""
EXAMPLE = "predicted = 'tiger cat' and probability < 0.5"
LONGEST, SHOWN = 4000, 200
# Names of classes are compared by their indices: two classes may have one name.
_INDICES = {"truth": "truth", "predicted": "predicted_index", "target": "index", "index": "index"}
_SQL = {"and": "and", "or": "or", "not": "not", "in": "in", "is": "is"}
_VALUES = {"null": "None", "none": "None", "true": "True", "false": "False"}
_COMPARED: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_MIRRORED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.Gt,
    ast.Gt: ast.Lt,
    ast.LtE: ast.GtE,
    ast.GtE: ast.LtE,
}


def condition(text: str, classes: Known) -> pc.Expression:
    """Return a condition as what Parquet is filtered by, before anything is read.

    Nothing of the text is run: it is read as an expression of Python, of which only columns, values,
    comparisons, `and`, `or`, `not` and `in` are known. `=`, `<>`, `AND`, `IS NULL` are understood as well.

    Args:
        text: as `"wrong and probability > 0.9"`, `"target in ('tabby', 'tiger cat')"`, `"'beach' in file"`.
        classes: gives name → indices; called only when a true class is asked for by its name.

    Raises:
        ReportError: it cannot be read, or names a column that is not there.

    Example:
        >>> str(condition("rank = 0 AND NOT score < 2.5", dict))
        '((rank == 0) and invert((score < 2.5)))'
    """
    if len(text) > LONGEST:
        raise ReportError(f"the condition has {len(text):,} characters; give {LONGEST:,} at most.")
    try:
        tree = ast.parse(_as_python(text), mode="eval").body
        return _Reading(text, classes).truth_of(tree)
    except (
        SyntaxError,
        tokenize.TokenError,
        RecursionError,
        MemoryError,
        OverflowError,
        ValueError,
    ) as error:
        if isinstance(error, ReportError):
            raise
        raise ReportError(f"the condition {_short(text)} cannot be read; write it as {EXAMPLE!r}.") from None


def _as_python(text: str) -> str:
    """Return the text with words and signs of SQL written as Python has them."""
    found: list[tuple[int, str]] = []
    end = (0, 0)
    for token in tokenize.generate_tokens(io.StringIO(text.strip()).readline):
        kind, word = token.type, token.string
        if kind == tokenize.STRING and found and found[-1][0] == kind and token.start == end:
            # 'potter''s wheel' is one text in SQL, with one sign in the middle.
            word = repr(ast.literal_eval(found.pop()[1]) + word[0] + ast.literal_eval(word))
        elif kind == tokenize.NAME:
            word = {**_SQL, **_VALUES}.get(word.lower(), word)
        elif (
            kind in (tokenize.OP, tokenize.ERRORTOKEN) and word == ">" and found[-1:] == [(tokenize.OP, "<")]
        ):
            found.pop()
            word = "!="
        elif kind == tokenize.OP:
            word = {"=": "==", "<>": "!="}.get(word, word)
        found.append((kind, word))
        end = token.end
    return tokenize.untokenize(found)


class _Reading:
    """How one condition is read; knows nothing but its text and where the classes are."""

    def __init__(self, text: str, classes: Known) -> None:
        self._text, self._classes = text, classes

    def truth_of(self, node: ast.expr) -> pc.Expression:
        """Return the condition that a node says."""
        match node:
            case ast.BoolOp(op=op, values=[first, *rest]):
                found = self.truth_of(first)
                for other in map(self.truth_of, rest):
                    found = found & other if isinstance(op, ast.And) else found | other
                return found
            case ast.UnaryOp(op=ast.Not(), operand=inside):
                return ~self.truth_of(inside)
            case ast.Compare(left=left, ops=ops, comparators=others):
                pairs = zip([left, *others], ops, others, strict=False)
                first, *more = (self._compared(one, op, other) for one, op, other in pairs)
                for each in more:
                    first = first & each
                return first
            case ast.Name(id=name) if COLUMNS.get(self._column(name)) == "truth value":
                return _wrong()
        raise self._unread(node)

    def _compared(self, left: ast.expr, op: ast.cmpop, right: ast.expr) -> pc.Expression:
        if isinstance(op, ast.In | ast.NotIn):
            found = self._within(left, right)
            return ~found if isinstance(op, ast.NotIn) else found
        if not isinstance(left, ast.Name):
            if not isinstance(right, ast.Name):
                raise self._unread(left)
            left, right, op = right, left, _MIRRORED.get(type(op), type(op))()
        name = self._column(left.id)
        if isinstance(right, ast.Name):
            return self._columns(name, op, self._column(right.id))
        value = self._value(right)
        if value is None:
            found = _field(name).is_null()
            return found if isinstance(op, ast.Eq | ast.Is) else ~found
        return self._with_value(name, op, value)

    def _with_value(self, name: str, op: ast.cmpop, value: Any) -> pc.Expression:
        if type(op) not in _COMPARED:
            raise ReportError(f"in {_short(self._text)}, `is` goes with null only; write `=`.")
        if name == "wrong":
            if not isinstance(value, bool) or not isinstance(op, ast.Eq | ast.NotEq):
                raise ReportError(
                    f"in {_short(self._text)}, wrong is true or false; write `wrong` or `not wrong`."
                )
            return _wrong() if value == isinstance(op, ast.Eq) else ~_wrong()
        if name in ("truth", "predicted") and isinstance(value, int):
            return _COMPARED[type(op)](pc.field(_INDICES[name]), value)
        if name == "truth":
            found = pc.field(name).isin(sorted(self._indices(value)))
            known = ~pc.field(name).is_null()
            return known & (found if isinstance(op, ast.Eq) else ~found)
        self._check(name, value)
        return _COMPARED[type(op)](pc.field(name), value)

    def _within(self, left: ast.expr, right: ast.expr) -> pc.Expression:
        if isinstance(left, ast.Constant) and isinstance(right, ast.Name):
            name = self._column(right.id)
            if name == "truth" or COLUMNS[name] != "text" or not isinstance(left.value, str):
                raise ReportError(f"in {_short(self._text)}, a text is looked for in {name}, which is none.")
            return pc.match_substring(pc.field(name), left.value, ignore_case=True)
        if not isinstance(left, ast.Name) or not isinstance(right, ast.Tuple | ast.List):
            raise self._unread(right)
        name = self._column(left.id)
        equal = [self._with_value(name, ast.Eq(), self._value(each)) for each in right.elts]
        if not equal:
            raise ReportError(f"in {_short(self._text)}, the list of {name} is empty.")
        found, *more = equal
        for each in more:
            found = found | each
        return found

    def _columns(self, left: str, op: ast.cmpop, right: str) -> pc.Expression:
        names = [left, right]
        if "truth" in names or "wrong" in names:
            if unlike := [name for name in names if name not in _INDICES]:
                raise ReportError(f"in {_short(self._text)}, {unlike[0]} cannot be compared with a class.")
            names = [_INDICES[name] for name in names]
        elif COLUMNS[left] != COLUMNS[right]:
            raise ReportError(
                f"in {_short(self._text)}, {left} is a {COLUMNS[left]} and {right} a {COLUMNS[right]}."
            )
        if type(op) not in _COMPARED:
            raise ReportError(f"in {_short(self._text)}, `is` goes with null only; write `=`.")
        return _COMPARED[type(op)](pc.field(names[0]), pc.field(names[1]))

    def _column(self, name: str) -> str:
        folded = name.lower()
        if folded in COLUMNS:
            return folded
        near = difflib.get_close_matches(folded, COLUMNS, 1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        known = f"{hint}The columns are {', '.join(COLUMNS)}; texts stand in quotes."
        raise ReportError(f"there is no column {name!r} to ask for{'; ' if near else '. '}{known}")

    def _value(self, node: ast.expr) -> Any:
        try:
            value = ast.literal_eval(node)
        except ValueError:
            raise self._unread(node) from None
        if value is not None and not isinstance(value, str | int | float):
            raise self._unread(node)
        return value

    def _check(self, name: str, value: Any) -> None:
        given: Kind = "text" if isinstance(value, str) else "number"
        if COLUMNS[name] != given or isinstance(value, bool):
            raise ReportError(f"in {_short(self._text)}, {name} is a {COLUMNS[name]}, and {value!r} is none.")

    def _indices(self, name: str) -> frozenset[int]:
        known = self._classes()
        if name in known:
            return known[name]
        near = difflib.get_close_matches(name, known, 1)
        hint = f"did you mean {near[0]!r}?" if near else "ask for it by its index, as truth = 281."
        raise ReportError(f"nothing in this report is called {name!r}; {hint}")

    def _unread(self, node: ast.expr) -> ReportError:
        part = ast.unparse(node)
        return ReportError(
            f"in the condition {_short(self._text)}, {part!r} cannot be read; write it as {EXAMPLE!r}."
        )


def _short(text: str) -> str:
    return repr(text if len(text) <= SHOWN else text[:SHOWN] + "…")


def _field(name: str) -> pc.Expression:
    return _wrong() if name == "wrong" else pc.field(name)


def _wrong() -> pc.Expression:
    return pc.field("truth") != pc.field("predicted_index")
