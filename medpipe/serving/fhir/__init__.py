"""FHIR R4 over HTTP: a bundle in, a RiskAssessment or a DiagnosticReport out."""
