"""Does the commit make what dvc.lock says it makes? Nothing here is imported by a stage."""

import stages  # noqa: F401  refuses files that hide modules, before more is imported
