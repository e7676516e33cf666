import pytest

from tests.deploy import fleet
from tests.deploy.fleet import Unpacked


@pytest.fixture(scope="session")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Unpacked:
    """The image, laid out once: its files, and a Python with its packages only."""
    return fleet.unpack(tmp_path_factory.mktemp("image"))
