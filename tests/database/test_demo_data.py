"""What the demo shows where no samples are at hand."""

from layersite.demo.data import SMALL
from tests.database.building import Build
from tests.database.server import Server


def test_what_stands_in_for_the_samples_becomes_a_golden(postgres: Server) -> None:
    golden = Build(postgres, postgres)(SMALL)
    assert golden.value("SELECT count(*) FROM payment JOIN customer USING (customer_id)") == 5000
    assert golden.value("SELECT count(*) FROM customer WHERE email LIKE '%@mail.example'") == 0
