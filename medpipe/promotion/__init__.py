"""Promotion: from a candidate and the gate's verdict to a champion, and back.

Everything that leads to a promotion can be repeated without harm; the one step that decides is the
signed record (`promotion.record`). Aliases and the release folder follow the record, and every
later promote sets them right, whether a kill left them behind or a hand moved them. So after a kill
at any moment the old champion is served until the record names the new one, and the new one from
the next promote on.
"""

from medpipe.promotion.approval import POLICY
from medpipe.promotion.decision import promote, rollback, status
from medpipe.promotion.judgement import planned
from medpipe.promotion.recalibration import is_recalibration, recalibrate

__all__ = [
    "POLICY",
    "is_recalibration",
    "planned",
    "promote",
    "recalibrate",
    "rollback",
    "status",
]
