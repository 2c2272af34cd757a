"""A headless chromium, as a desktop and as a phone; nothing is downloaded."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from typing import NamedTuple

from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service

from tests.services import process

FLAGS = [
    "--headless=new",
    "--no-sandbox",  # the tests may run as root
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
]
DESKTOP = (1280, 900)
PHONE = (390, 844)


class Binaries(NamedTuple):
    """The two programs that a browser test needs."""

    browser: str
    driver: str


def find() -> Binaries | None:
    """Return chromium (or Chrome) and its driver, if both are there."""
    names = ("chromium", "chromium-browser", "google-chrome")
    browser = next((path for name in names if (path := shutil.which(name))), None)
    driver = shutil.which("chromedriver")
    return Binaries(browser, driver) if browser and driver else None


@contextlib.contextmanager
def window(binaries: Binaries, *, size: tuple[int, int] = DESKTOP) -> Iterator[Chrome]:
    """Open a browser with an empty profile.

    Args:
        size: width and height of the page in CSS pixels. A phone's width is emulated, with touch,
            because a real window is never narrower than 500 pixels.
    """
    with process.directory("anonauth-chromium-") as profile:
        options = ChromeOptions()
        options.binary_location = binaries.browser
        for flag in (*FLAGS, f"--user-data-dir={profile}", f"--window-size={size[0]},{size[1]}"):
            options.add_argument(flag)
        if size == PHONE:
            metrics = {"width": size[0], "height": size[1], "pixelRatio": 2.0, "touch": True}
            options.add_experimental_option("mobileEmulation", {"deviceMetrics": metrics})
        # With both paths given, selenium does not look for a driver on the network.
        driver = Chrome(options=options, service=Service(executable_path=binaries.driver))
        try:
            yield driver
        finally:
            driver.quit()
