"""File formats: DICOM, PNG, JPEG."""
