"""The change plan: what an automatic retrain may change, what it may take, and who is asked.

After the idea of a predetermined change control plan: what may happen to a model without a new
decision by a person is written down, with its limits, before it happens.

References
----------
FDA, "Marketing Submission Recommendations for a Predetermined Change Control Plan for Artificial
Intelligence-Enabled Device Software Functions" (2024): description of modifications, modification
protocol, impact assessment.
"""
