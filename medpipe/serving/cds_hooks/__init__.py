"""CDS Hooks: cards about the patient whose record a clinician has just opened."""
