"""From a film to an archive over real sockets: by clients that hospitals use, as the page says."""

import io
import re
import subprocess
import sys

import pydicom
import pytest
from dicomweb_client import DICOMwebClient
from pynetdicom import AE, evt
from pynetdicom.sop_class import ComprehensiveSRStorage, SecondaryCaptureImageStorage
from requests.exceptions import HTTPError


@pytest.fixture
def archive(tmp_path):
    """A DICOM archive on a free port of this machine; gives the port and the folder it fills."""

    def keep(event):
        kept = tmp_path / f"{event.request.AffectedSOPInstanceUID}.kept"
        kept.write_bytes(event.encoded_dataset())
        return 0x0000

    application = AE(ae_title="ARCHIVE")
    application.add_supported_context(ComprehensiveSRStorage)
    application.add_supported_context(SecondaryCaptureImageStorage)
    handlers = [(evt.EVT_C_STORE, keep)]
    server = application.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
    yield server.server_address[1], tmp_path
    server.shutdown()


@pytest.fixture
def page(pytestconfig) -> str:
    return (pytestconfig.rootpath / "docs/serve-dicom.md").read_text(encoding="utf-8")


def test_the_program_of_the_page_takes_films_to_an_archive(page, address, archive, film):
    port, folder = archive
    (program,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    program = program.replace("http://127.0.0.1:3000", address).replace("11112", str(port))
    (folder / "forward.py").write_text(program)
    for number, changes in enumerate(({}, {}, {"Modality": "MR"}), start=1):
        data = film(number, StudyInstanceUID="1.2.60", PatientName="Müller^Jörg", **changes)
        (folder / f"{number}.dcm").write_bytes(data)
    command = [sys.executable, "forward.py", "1.dcm", "2.dcm", "3.dcm"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    refused, *sent = done.stdout.splitlines()
    assert refused == "1.2.3.3: refused, 0122"
    assert [line.split()[0] for line in sent] == ["SR", "OT", "SR", "OT"]
    assert all(line.endswith(": 0000") for line in sent)
    kept = [pydicom.dcmread(path) for path in folder.glob("*.kept")]
    assert sorted(each.Modality for each in kept) == ["OT", "OT", "SR", "SR"]
    assert {str(each.PatientName) for each in kept} == {"Müller^Jörg"}
    assert {each.StudyInstanceUID for each in kept} == {"1.2.60"}


def test_the_command_of_the_page_writes_a_report(page, address, film, tmp_path):
    (command,) = re.findall(r"```sh\n(curl.*?)```", page, re.DOTALL)
    (tmp_path / "film.dcm").write_bytes(film())
    command = command.replace("http://127.0.0.1:3000", address)
    subprocess.run(command, shell=True, cwd=tmp_path, check=True, capture_output=True)
    assert pydicom.dcmread(tmp_path / "report.dcm").Modality == "SR"


def test_a_dicomweb_client_gets_a_series_and_an_instance(address, film):
    client = DICOMwebClient(f"{address}/dicomweb/chest_xray")
    sent = pydicom.dcmread(io.BytesIO(film(StudyInstanceUID="1.2.61")))
    client.store_instances([sent], study_instance_uid="1.2.61")
    (report,) = client.retrieve_study("1.2.61")
    (same,) = client.retrieve_series("1.2.61", report.SeriesInstanceUID)
    instance = ("1.2.61", report.SeriesInstanceUID, report.SOPInstanceUID)
    assert report == same == client.retrieve_instance(*instance)


def test_a_client_that_sends_nothing_usable_is_told(address, film):
    client = DICOMwebClient(f"{address}/dicomweb/chest_xray")
    sent = pydicom.dcmread(io.BytesIO(film(Modality="MR")))
    with pytest.raises(HTTPError, match="409"):
        client.store_instances([sent])


def test_a_film_larger_than_the_limit_is_stopped_while_it_arrives_in_chunks(address, film):
    client = DICOMwebClient(f"{address}/dicomweb/chest_xray", chunk_size=100_000)
    large = pydicom.dcmread(io.BytesIO(film()))
    large.PixelData = bytes(2 << 20)
    small = pydicom.dcmread(io.BytesIO(film(2)))
    outcome = client.store_instances([large, small])
    assert [item.ReferencedSOPInstanceUID for item in outcome.ReferencedSOPSequence] == ["1.2.3.2"]
    assert outcome.OtherFailuresSequence[0].FailureReason == 0xA700
