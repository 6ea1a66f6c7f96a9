"""The text of a function's code, as it counts: without decorators, docstrings, annotations, comments and formatting."""

from __future__ import annotations

import ast
import inspect
import textwrap
from types import FunctionType


def code_text(function: FunctionType) -> str | None:
    """The text; None where the source of the function cannot be read."""
    try:
        source = textwrap.dedent(inspect.getsource(function))
        tree = ast.parse(source)
    except (OSError, TypeError, SyntaxError):
        return None
    return ast.unparse(_Bare().visit(tree))


class _Bare(ast.NodeTransformer):
    """Leaves out what does not change what a function computes."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.decorator_list, node.returns = [], None
        if ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:] or [ast.Pass()]
        return self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node
