"""DICOM over HTTP: images in, reports and drawn maps out, as DICOMweb or one answer at a time."""
