"""The closed language of `when`, `where`, `constraints` and `expect`: numbers, strings, names and a few operators.

    condition  := and-terms joined by `or`;  and-terms: `not` or comparisons joined by `and`
    comparison := sum ((== | != | < | <= | > | >=) sum)*          chains as in 0 < loss.beta <= 1
    sum        := + - * / // % ** with the usual precedence; min max abs log exp(...); (...)
    name       := loss.beta, or any name in backticks: `learning-rate`

A text becomes a tree of Python closures; nothing is ever given to `eval`. Length and depth are bounded, powers are
taken in floating point, and `and`/`or` stop early, so that `loss.beta > 0 and 1 / loss.beta < 4` is safe.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sweeper.spec.space.tokens import ExpressionError, Token, tokens
from sweeper.trial import Value

MAX_DEPTH = 40

Evaluate = Callable[[Mapping[str, Value]], Any]


class UnknownName(LookupError):
    """The expression reads a name that the configuration does not have."""


@dataclass(frozen=True, slots=True)
class Expression:
    """A condition: its text, the names it reads, and its value for a configuration (`holds`: true or false)."""

    text: str
    names: tuple[str, ...]
    value: Evaluate = field(repr=False, compare=False)

    def holds(self, values: Mapping[str, Value]) -> bool:
        """Whether it is true. Raises UnknownName for an absent name, ExpressionError when it has no value."""
        result = self.value(values)
        if not isinstance(result, bool):
            raise ExpressionError("a condition must be true or false, not a number or a text", 1)
        return result


def condition(text: str) -> Expression:
    """Reads a condition. Raises ExpressionError with the column of the first thing that is wrong.

    >>> safe = condition("loss.beta > 0 and 1 / loss.beta < 4")
    >>> safe.names, safe.holds({"loss.beta": 0}), safe.holds({"loss.beta": 0.5})
    (('loss.beta',), False, True)
    """
    parser = _Parser(tokens(text))
    evaluate = parser.disjunction()
    parser.expect("end")
    return Expression(text, tuple(parser.names), evaluate)


_CONSTANTS: dict[str, Value] = {"true": True, "True": True, "false": False, "False": False, "null": None, "None": None}
_FUNCTIONS: dict[str, tuple[Callable[..., Any], int, int]] = {  # name -> function, fewest and most arguments
    "min": (min, 2, 20),
    "max": (max, 2, 20),
    "abs": (abs, 1, 1),
    "log": (math.log, 1, 1),
    "exp": (math.exp, 1, 1),
}
_SUMS = {"+": operator.add, "-": operator.sub}
_PRODUCTS = {"*": operator.mul, "/": operator.truediv, "//": operator.floordiv, "%": operator.mod}
_ORDERS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
_EQUALITIES = {"==": operator.eq, "!=": operator.ne}


class _Parser:
    """Recursive descent; each method reads one level of precedence and returns its closure."""

    def __init__(self, tokens: list[Token]) -> None:
        self.tokens, self.at, self.depth = tokens, 0, 0
        self.names: dict[str, None] = {}

    def disjunction(self) -> Evaluate:
        return self._logical("or", lambda: self._logical("and", self._negation))

    def expect(self, kind: str, text: str = "") -> Token:
        token = self._next()
        if token.kind != kind or (text and token.text != text):
            wanted = "the end, or an operator" if kind == "end" else f"{text!a}"
            raise ExpressionError(f"expected {wanted}, found {token.text[:20]!a}", token.column)
        return token

    def _next(self) -> Token:
        token = self.tokens[self.at]
        self.at += token.kind != "end"
        return token

    def _take(self, *texts: str) -> Token | None:
        token = self.tokens[self.at]
        if token.kind == "operator" and token.text in texts:
            self.at += 1
            return token
        return None

    def _deeper(self, read: Callable[[], Evaluate]) -> Evaluate:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise ExpressionError(f"nested more than {MAX_DEPTH} deep", self.tokens[self.at].column)
        evaluate = read()
        self.depth -= 1
        return evaluate

    def _logical(self, word: str, operand: Callable[[], Evaluate]) -> Evaluate:
        column = self.tokens[self.at].column
        terms = [operand()]
        while self._take(word):
            terms.append(operand())
        if len(terms) == 1:
            return terms[0]
        checked = [_boolean(term, column) for term in terms]
        if word == "and":
            return lambda values: all(term(values) for term in checked)
        return lambda values: any(term(values) for term in checked)

    def _negation(self) -> Evaluate:
        if token := self._take("not"):
            term = _boolean(self._deeper(self._negation), token.column)
            return lambda values: not term(values)
        return self._comparison()

    def _comparison(self) -> Evaluate:
        left, links = self._sum(), []
        while token := self._take(*_ORDERS, *_EQUALITIES):
            links.append((token, self._sum()))
        if not links:
            return left
        pairs = []
        for token, right in links:
            pairs.append(_binary(token, left, right))
            left = right
        return pairs[0] if len(pairs) == 1 else lambda values: all(pair(values) for pair in pairs)

    def _sum(self) -> Evaluate:
        return self._chain(_SUMS, lambda: self._chain(_PRODUCTS, self._sign))

    def _chain(self, table: Mapping[str, Any], operand: Callable[[], Evaluate]) -> Evaluate:
        left = operand()
        while token := self._take(*table):
            left = _binary(token, left, operand())
        return left

    def _sign(self) -> Evaluate:
        if token := self._take("-", "+"):
            term = _number(self._deeper(self._sign), token.column)
            return (lambda values: -term(values)) if token.text == "-" else term
        base = self._atom()
        if token := self._take("**"):
            return _binary(token, base, self._deeper(self._sign))
        return base

    def _atom(self) -> Evaluate:
        token = self._next()
        if token.kind == "number":
            return _constant(_literal(token))
        if token.kind == "string":
            return _constant(token.text[1:-1])
        if token.kind == "operator" and token.text == "(":
            inner = self._deeper(self.disjunction)
            self.expect("operator", ")")
            return inner
        if token.kind == "name":
            return self._named(token)
        found = f"found {token.text[:20]!a}" if token.text else "the expression ends"
        raise ExpressionError(f"expected a value, {found}", token.column)

    def _named(self, token: Token) -> Evaluate:
        if token.text in _CONSTANTS:
            return _constant(_CONSTANTS[token.text])
        if self._take("("):
            return self._call(token)
        name = token.text.strip("`")
        self.names[name] = None

        def look_up(values: Mapping[str, Value]) -> Value:
            try:
                return values[name]
            except KeyError:
                raise UnknownName(name) from None

        return look_up

    def _call(self, token: Token) -> Evaluate:
        if token.text not in _FUNCTIONS:
            raise ExpressionError(f"no function {token.text[:40]!a}, only {', '.join(_FUNCTIONS)}", token.column)
        function, fewest, most = _FUNCTIONS[token.text]
        arguments = [self._deeper(self.disjunction)]
        while self._take(","):
            arguments.append(self._deeper(self.disjunction))
        self.expect("operator", ")")
        if not fewest <= len(arguments) <= most:
            raise ExpressionError(f"{token.text} takes {fewest} to {most} values", token.column)
        numbers = [_number(argument, token.column) for argument in arguments]
        return _guarded(lambda values: function(*[number(values) for number in numbers]), token)


def _literal(token: Token) -> int | float:
    if token.text.isdigit() and len(token.text) < 19:
        return int(token.text)
    value = float(token.text)
    if math.isinf(value):
        raise ExpressionError("a number too large for 64 bits", token.column)
    return value


def _constant(value: Value) -> Evaluate:
    return lambda values: value


def _boolean(term: Evaluate, column: int) -> Evaluate:
    def evaluate(values: Mapping[str, Value]) -> bool:
        value = term(values)
        if value is True or value is False:
            return value
        raise ExpressionError("and, or, not need a comparison on each side", column)

    return evaluate


def _number(term: Evaluate, column: int) -> Evaluate:
    def evaluate(values: Mapping[str, Value]) -> int | float:
        value = term(values)
        if type(value) is int or type(value) is float:
            return value
        raise ExpressionError("a number is needed here", column)

    return evaluate


def _binary(token: Token, left: Evaluate, right: Evaluate) -> Evaluate:
    if token.text in _EQUALITIES:
        same = token.text == "=="
        return lambda values: _equal(left(values), right(values)) is same
    if token.text == "**":
        return _guarded(lambda values: math.pow(left(values), right(values)), token)
    function = (_SUMS | _PRODUCTS | _ORDERS)[token.text]

    def evaluate(values: Mapping[str, Value]) -> Any:
        one, other = left(values), right(values)
        if (type(one) is int or type(one) is float) and (type(other) is int or type(other) is float):
            return function(one, other)
        if isinstance(one, str) and isinstance(other, str) and token.text in _ORDERS:
            return function(one, other)
        raise ExpressionError(f"{token.text} needs two numbers", token.column)

    return _guarded(evaluate, token) if token.text in _PRODUCTS else evaluate


def _equal(one: Any, other: Any) -> bool:
    """Equality without Python's 1 == true."""
    return one == other and (isinstance(one, bool) is isinstance(other, bool))


def _guarded(evaluate: Evaluate, token: Token) -> Evaluate:
    """Arithmetic that has no finite value becomes an error that points at its column."""

    def guarded(values: Mapping[str, Value]) -> Any:
        try:
            result = evaluate(values)
        except (ArithmeticError, TypeError) as error:
            raise ExpressionError(f"{token.text}: {error}", token.column) from None
        except ExpressionError:
            raise
        except ValueError:
            raise ExpressionError(f"{token.text} has no value here", token.column) from None
        return result

    return guarded
