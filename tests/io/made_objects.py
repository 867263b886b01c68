"""What the tests of reports and pictures are made from."""

from datetime import datetime

from medpipe.io.derived import Maker, Origin, Source
from medpipe.io.structured_report import NO, PROBABILITY, YES, Measured, Result
from medpipe.io.terminology import Code

ANSWER = "0b0cf2b6-7c0e-4f43-9f3b-6a3b4e6a3f10"
CERTIFICATE = "9f86d081884c7d659a2feaa0c55ad015" * 2
MAKER = Maker("chest_xray", "Pneumonia on a film", "3", "0.1", CERTIFICATE)
SOURCE = Source(
    sop_class_uid="1.2.840.10008.5.1.4.1.1.1.1",
    instance_uid="1.2.3",
    series_uid="1.2.4",
    study_uid="1.2.5",
    subject={"PatientName": "Doe^Jane", "PatientID": "42", "StudyID": "7"},
    image={},
)
ORIGIN = Origin(SOURCE, ANSWER, ANSWER, 1, datetime(2025, 1, 2, 3, 4, 5))
THRESHOLD = Code("threshold", "99MEDPIPE", "Operating point")
REACHED = Code("reached", "99MEDPIPE", "Reaches the operating point")
PNEUMONIA = Code("233604007", "SCT", "Pneumonia")
RESULT = Result(
    PNEUMONIA, (Measured(PROBABILITY, 0.84), Measured(THRESHOLD, 0.42)), ((REACHED, YES),)
)
OTHER = Result(Code("effusion", "99MEDPIPE", "Effusion"), (), ((REACHED, NO),))
PROCEDURE = Code("399208008", "SCT", "Plain chest X-ray")
