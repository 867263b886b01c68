"""The service follows what lies on the disk, and never serves what is not signed for."""

import shutil
from datetime import UTC, datetime

import pytest
from brightness_release import TRUSTED, write_release

from medpipe import certificate
from medpipe.errors import CertificateError, RequestError
from medpipe.serving import catalogue
from medpipe.serving.catalogue import Catalogue


@pytest.fixture
def offered(releases):
    made = Catalogue(releases, trusted=lambda _: TRUSTED)
    made.refresh()
    return made


def version(offered):
    return offered.predictor("brightness").release.settings.version


def test_a_valid_release_makes_the_service_ready(offered):
    assert offered.not_ready() is None
    assert version(offered) == 3


def test_the_log_says_what_computes(releases, caplog):
    with caplog.at_level("INFO", "medpipe"):
        offered = Catalogue(releases, trusted=lambda _: TRUSTED)
        offered.refresh()
    by = ", else ".join(offered.predictor("brightness").release.session.providers)
    assert f"brightness: serving version 3, computed by {by}" in caplog.messages


def test_without_any_release_the_service_is_not_ready_and_says_what_to_run(tmp_path):
    offered = Catalogue(tmp_path / "nothing", trusted=lambda _: TRUSTED)
    offered.refresh()
    assert "medpipe promote" in offered.not_ready()


def test_one_forged_release_makes_the_whole_service_not_ready(releases):
    write_release(releases / "forged")
    offered = Catalogue(releases, trusted=lambda _: TRUSTED)
    offered.refresh()
    assert offered.not_ready().startswith("forged: ")
    assert version(offered) == 3
    with pytest.raises(CertificateError, match="brightness"):
        offered.predictor("forged")


def test_what_nobody_offers_is_not_found_and_the_asked_name_is_not_repeated(offered):
    with pytest.raises(RequestError, match=r"there are: brightness$") as refusal:
        offered.predictor("DOE^JANE")
    assert refusal.value.status == 404


def test_a_new_champion_is_taken_up_without_a_restart(offered, releases):
    write_release(releases / "brightness", version=4)
    offered.refresh()
    assert version(offered) == 4


def test_an_unchanged_champion_is_not_loaded_again(offered):
    before = offered.predictor("brightness")
    offered.refresh()
    assert offered.predictor("brightness") is before


def test_a_new_champion_that_does_not_fit_leaves_the_old_one_answering(offered, releases):
    write_release(releases / "brightness", version=4)
    (releases / "brightness" / "state.json").write_text("{}")
    offered.refresh()
    assert (version(offered), offered.not_ready()) == (3, None)
    assert "state.json" in offered.problems["brightness"]
    write_release(releases / "brightness", version=5)
    offered.refresh()
    assert (version(offered), offered.problems) == (5, {})


def test_a_release_is_withdrawn_when_it_is_gone_for_two_looks(offered, releases):
    shutil.rmtree(releases / "brightness")
    offered.refresh()
    assert version(offered) == 3
    offered.refresh()
    assert offered.not_ready() is not None
    with pytest.raises(RequestError):
        offered.predictor("brightness")


def test_a_share_that_is_away_for_a_while_takes_no_model_away(offered, releases):
    releases.rename(releases.with_name("away"))
    for _ in range(3):
        offered.refresh()
    assert (version(offered), offered.not_ready()) == (3, None)


def test_a_release_that_is_being_written_is_not_looked_at(offered, releases):
    (releases / ".partial-brightness").mkdir()
    offered.refresh()
    assert offered.not_ready() is None


def test_releases_are_found_in_a_bento_with_the_key_packaged_beside_them(tmp_path, monkeypatch):
    monkeypatch.delenv("MEDPIPE_TRUSTED_KEYS", raising=False)
    folder = write_release(tmp_path / "releases" / "brightness")
    (folder / "gate.pub").write_text(TRUSTED[0].hex())
    offered = catalogue.at(tmp_path)
    offered.refresh()
    assert version(offered) == 3


def test_a_key_beside_the_champion_of_a_checkout_counts_for_nothing(tmp_path, monkeypatch):
    monkeypatch.delenv("MEDPIPE_TRUSTED_KEYS", raising=False)
    folder = write_release(tmp_path / ".medpipe" / "champions" / "brightness")
    (folder / "gate.pub").write_text(TRUSTED[0].hex())
    offered = catalogue.at(tmp_path)
    offered.refresh()
    assert "no trusted key" in offered.not_ready()


def test_the_environment_may_name_the_folder_and_the_keys(tmp_path, releases, monkeypatch):
    monkeypatch.setenv("MEDPIPE_RELEASES", str(releases))
    monkeypatch.setenv("MEDPIPE_TRUSTED_KEYS", TRUSTED[0].hex())
    offered = catalogue.at(tmp_path)
    offered.refresh()
    assert version(offered) == 3
    assert (releases / "brightness" / certificate.FILE).is_file()


def test_a_champion_whose_certificate_expires_while_it_is_served_is_withdrawn(
    releases, monkeypatch
):
    write_release(releases / "brightness", expires="2999-01-01T00:00:00+00:00")
    offered = Catalogue(releases, trusted=lambda _: TRUSTED)
    offered.refresh()
    assert offered.not_ready() is None
    monkeypatch.setattr(catalogue, "_clock", lambda: datetime(2999, 1, 1, tzinfo=UTC))
    offered.refresh()
    assert "expired on 2999-01-01" in offered.not_ready()
    with pytest.raises(CertificateError, match="medpipe promote brightness"):
        offered.predictor("brightness")


def test_an_expired_release_is_not_loaded(releases):
    write_release(releases / "brightness", expires="2026-01-01T00:00:00+00:00")
    offered = Catalogue(releases, trusted=lambda _: TRUSTED)
    offered.refresh()
    assert "expired on 2026-01-01" in offered.not_ready()
