# SPDX-License-Identifier: Apache-2.0
"""Names for annotations that are there at run time too, for ``typing.get_type_hints``."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Buffer
else:
    Buffer = bytes | bytearray | memoryview

__all__ = ["Buffer"]
