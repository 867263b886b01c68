"""Whether a candidate may become the champion: a pure function of reports and policy.

Floors hold for the lower bound of an interval and ceilings for the upper one, so that a small
test set cannot pass by luck. Against a champion the question is non-inferiority: the paired
difference on the same patients must, with the report's confidence, be no worse than the policy's
margin.

References
----------
Non-inferiority by the interval of the difference: ICH E9 "Statistical Principles for Clinical
Trials" (1998), section 3.3.2; FDA, "Non-Inferiority Clinical Trials to Establish Effectiveness"
(2016).
"""

from medpipe.gate.checks import decide
from medpipe.gate.verdict import Check, Policy, Verdict, verdict

__all__ = ["Check", "Policy", "Verdict", "decide", "verdict"]
