"""The digest of an object's content: the same in every process, whatever else is in memory."""

from __future__ import annotations

import sys
from typing import Any

from joblib.hashing import NumpyHasher


class _Hasher(NumpyHasher):  # type: ignore[misc]  # joblib has no annotations
    """joblib's, which pickles and knows arrays of numpy, with tensors of torch: pickled, these name their addresses."""

    def save(self, obj: Any) -> None:
        torch: Any = sys.modules.get("torch")
        if torch is not None and isinstance(obj, torch.Tensor):
            content = obj.detach().cpu().contiguous().flatten()
            obj = ("tensor", type(obj).__name__, str(obj.dtype), tuple(obj.shape), content.view(torch.uint8).numpy())
        elif torch is not None and isinstance(obj, torch.Generator):
            obj = ("generator", obj.get_state().numpy())
        super().save(obj)


def content_digest(value: object) -> str:
    """40 hex digits over the content of an object. Raises what its pickling raises where it has none.

    >>> content_digest([1, {"a": 2.0}]) == content_digest([1, {"a": 2.0}])
    True
    """
    return str(_Hasher(hash_name="sha1").hash(value))
