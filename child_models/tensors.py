"""The type of a tensor of whichever backend Keras runs on."""

from __future__ import annotations

from typing import Any

Tensor = Any  # a tensor of whichever backend Keras runs on
