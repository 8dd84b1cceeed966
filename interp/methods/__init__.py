"""Maps: every method a pure function on tensors, registered with what it needs and what it costs."""

from interp.methods import activation, cam, eigen  # noqa: F401 - importing registers them
from interp.methods.attribute import Attribution, attribute
from interp.methods.registry import Method, MethodError, get, method, methods

__all__ = ["Attribution", "Method", "MethodError", "attribute", "get", "method", "methods"]
