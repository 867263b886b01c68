"""FHIR R4: from the resources of one patient to the fields of a record, as a workload declares."""
