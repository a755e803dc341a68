"""How examples get ids."""

from __future__ import annotations

import dataclasses

from nsl_tfx.configs.base import Choice, Config, check_distinct


class ExistingIds(Choice):
    """What becomes of an id that an example already has."""

    KEEP = "keep"
    REPLACE = "replace"
    ERROR = "error"


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class IdentifyConfig(Config):
    """How ExampleIdentifier gives ids.

    Attributes:
        id_feature: The feature that holds each example's id afterwards.
        existing: What becomes of ids that are there already: `keep` gives ids only to examples
            that have none, `replace` gives every example a new one, and `error` takes an id for a
            mistake.
        prefix: What each new id begins with.
    """

    id_feature: str = "id"
    existing: ExistingIds = ExistingIds.KEEP
    prefix: str = ""

    def check(self) -> None:
        """Raises ValueError where the id's feature has no name."""
        check_distinct("IdentifyConfig.id_feature", (self.id_feature,))
