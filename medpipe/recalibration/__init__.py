"""Risks put right by answers whose outcome is known, where prevalence has changed.

The model stays as it is: its artefact, whom it flags, and what it calls possible. Only how much
risk it says changes, by one line on the logit of the risk. `known` reads the answers, `change`
leaves out those from before something changed, `fit` finds the line, `evidence` measures it on
later answers, `judge` decides, `moved` gives the operating point, `words` says it to a person.
"""
