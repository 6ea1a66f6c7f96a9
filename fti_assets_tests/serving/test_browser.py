"""The pages in a browser that reaches nothing but this machine."""

import re
import subprocess
from pathlib import Path

import pytest

from fti_assets_tests.serving.examples import UA

pytestmark = pytest.mark.browser
CHROMIUM = Path("/usr/bin/chromium")
QUIET = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
)


@pytest.fixture
def look(server, tmp_path):
    """Opens a page; gives what it shows, and what the browser complains about."""
    if not CHROMIUM.exists():
        pytest.skip("Chromium is not installed")

    def open_page(path, *options):
        profile = tmp_path / "profile"
        asked = [f"--user-data-dir={profile}", "--virtual-time-budget=20000", "--enable-logging=stderr", "--dump-dom", *options]
        done = subprocess.run(
            [CHROMIUM, *QUIET, *asked, f"http://{server.address}{path}"], capture_output=True, text=True, timeout=120
        )
        return done.stdout, [line for line in done.stderr.splitlines() if ":CONSOLE" in line]

    return open_page


def test_the_page_shows_prediction_features_ages_and_reasons(server, look):
    shown, complaints = look("/")
    assert complaints == []
    (made,) = server.predict({"row": UA, "explain": True}).json["predictions"]
    number = re.search(r'id="number">([^<]*)<', shown)[1]
    assert number == f"{100 * made['prediction']:.0f}%"
    assert "version 2, champion" in shown
    assert re.search(r'aria-current="true"><span class="name">UA 12 2024-01-10 15:00<', shown)
    assert "60 min old, known since 2024-01-10 11:00 UTC" in shown
    strongest = max(made["explanation"]["contributions"], key=lambda name: abs(made["explanation"]["contributions"][name]))
    assert re.search(rf'class="what"[^>]*>{strongest} = ', shown)
    assert 'value="30.5"' in shown or "feature-temp_f" in shown
    assert re.search(r'role="alert"[^>]*hidden', shown)


def test_the_page_is_there_on_a_narrow_screen_and_in_the_dark(look):
    shown, complaints = look("/", "--window-size=400,800", "--force-dark-mode")
    assert complaints == []
    assert "Pick a flight" in shown


def test_the_description_is_shown(look):
    shown, complaints = look("/docs")
    assert complaints == []
    assert "/predict/flight_delay" in shown
    assert "OAS 3.1" in shown
