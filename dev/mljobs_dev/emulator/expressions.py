"""Filter expressions: `jobId:rnn* AND state:FAILED`, and the language of Cloud Logging.

    expression  = factor { ["AND"] factor }
    factor      = term { "OR" term }                 (OR binds tighter than AND, as in Cloud Logging)
    term        = ["NOT" | "-"] ( "(" expression ")" | comparison )
    comparison  = field operator ( value | "(" value { ["OR"] value } ")" ) | value

What a comparison means is up to the dialect that is handed in.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

Row = Mapping[str, Any]
Predicate = Callable[[Row], bool]
Compare = Callable[[str, str, str], Predicate]
"""Makes the predicate of a comparison: field (empty for a bare value), operator, value."""

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<paren>[()])
      | (?P<operator><=|>=|!=|=~|!~|=|:|<|>)
      | "(?P<double>(?:\\.|[^"\\])*)"
      | '(?P<single>(?:\\.|[^'\\])*)'
      | (?P<word>[^\s()=:<>!"'~]+|!)
    )""",
    re.VERBOSE | re.DOTALL,
)
_VALUE = re.compile(r"\s*(?P<value>[^\s()\"']+)")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_DEPTH = 50


class FilterError(ValueError):
    """The expression is not one, or a comparison makes no sense."""


def compile_filter(text: str, compare: Compare) -> Predicate:
    """Make a predicate of an expression; an empty one holds for every row.

    Args:
        text: the expression.
        compare: the dialect.

    Raises:
        FilterError: says what is wrong with it, and where.
    """
    if not text.strip():
        return lambda _row: True
    parser = _Parser(text, compare)
    predicate = parser.expression()
    if parser.peek():
        raise FilterError(f"unexpected {parser.peek()!r} at character {parser.position}")
    return predicate


class _Parser:
    def __init__(self, text: str, compare: Compare) -> None:
        self.text = text
        self.position = 0
        self._compare = compare
        self._depth = 0

    def expression(self) -> Predicate:
        parts = [self._factor()]
        while self.peek() not in ("", ")"):
            self._accept("AND")
            parts.append(self._factor())
        return parts[0] if len(parts) == 1 else lambda row: all(part(row) for part in parts)

    def _factor(self) -> Predicate:
        parts = [self._term()]
        while self._accept("OR"):
            parts.append(self._term())
        return parts[0] if len(parts) == 1 else lambda row: any(part(row) for part in parts)

    def _term(self) -> Predicate:
        if self._accept("NOT"):
            return _negated(self._term_once())
        if self.peek().startswith("-") and len(self.peek()) > 1:
            self.position = self.text.index("-", self.position) + 1
            return _negated(self._term_once())
        return self._term_once()

    def _term_once(self) -> Predicate:
        self._depth += 1
        if self._depth > _DEPTH:
            raise FilterError(f"more than {_DEPTH} terms inside one another")
        try:
            if self._accept("("):
                inner = self.expression()
                if not self._accept(")"):
                    raise FilterError(f"a ')' is missing at character {self.position}")
                return inner
            return self._comparison()
        finally:
            self._depth -= 1

    def _comparison(self) -> Predicate:
        field = self._field()
        match = _TOKEN.match(self.text, self.position)
        if not match or not match["operator"]:
            return self._compare("", "", field)
        operator = match["operator"]
        self.position = match.end()
        if self._accept("("):
            values = []
            while not self._accept(")"):
                self._accept("OR")
                values.append(self._word())
            parts = [self._compare(field, operator, value) for value in values]
            return lambda row: any(part(row) for part in parts)
        return self._compare(field, operator, self._value())

    def _field(self) -> str:
        """A field's path, parts of which may be quoted: `labels."a/b"`."""
        field = self._word()
        while self.position < len(self.text) and (
            (field.endswith(".") and self.text[self.position] in "\"'")
            or (self.text[self.position] == "." and self.text[self.position - 1] in "\"'")
        ):
            field += self._word()
        return field

    def _value(self) -> str:
        """A value: quoted, or up to the next space or parenthesis, so that `gs://a` needs no quotes."""
        match = _TOKEN.match(self.text, self.position)
        if match and (match["double"] is not None or match["single"] is not None):
            return self._word()
        bare = _VALUE.match(self.text, self.position)
        if not bare:
            raise FilterError(f"a value is missing at character {self.position}")
        self.position = bare.end()
        return bare["value"]

    def _word(self) -> str:
        match = _TOKEN.match(self.text, self.position)
        quoted = match and next(
            (match[name] for name in ("double", "single") if match[name] is not None), None
        )
        if match and quoted is not None:
            self.position = match.end()
            return _ESCAPE.sub(r"\1", quoted)
        if not match or not match["word"]:
            raise FilterError(f"a name or a value is missing at character {self.position}")
        self.position = match.end()
        return match["word"]

    def peek(self) -> str:
        match = _TOKEN.match(self.text, self.position)
        if match:
            return match.group().strip()
        return self.text[self.position :].strip()

    def _accept(self, token: str) -> bool:
        if self.peek() != token:
            return False
        self.position = self.text.index(token, self.position) + len(token)
        return True


def _negated(predicate: Predicate) -> Predicate:
    return lambda row: not predicate(row)
