"""What a comment records, and what it does not."""

import pytest

from layersite.database import ledger
from layersite.model.database import Clone, Golden

GOLDEN = Golden(
    name="golden_shop_0123456789ab",
    database="shop",
    engine="postgresql",
    built="2026-01-02T03:04:05Z",
    contract="a" * 64,
    attestation="b" * 64,
    server="18.4",
    migrations=("0001", "0002"),
    bytes=8_000_000,
    rows=12,
)
CLONE = Clone(
    name="env_web_1__shop",
    site="env-",
    environment="web-1",
    database="shop",
    golden=GOLDEN.name,
    method="file copy",
    seconds=0.5,
    built="2026-01-02T03:04:05Z",
)


@pytest.mark.parametrize("record", [GOLDEN, CLONE], ids=["golden", "clone"])
def test_what_is_written_is_read_again(record: Golden | Clone) -> None:
    assert ledger.read(ledger.text(record)) == record


def test_an_attestation_lies_beside_its_golden() -> None:
    assert ledger.read(ledger.text(GOLDEN, {"canaries": 20})) == GOLDEN
    assert '"canaries": 20' in ledger.text(GOLDEN, {"canaries": 20})


@pytest.mark.parametrize(
    "comment", [None, "", "the shop's database", "[]", "{}", '{"clone": {}}', '{"golden": {"name": "x"}}', '{"golden"']
)
def test_any_other_comment_is_none_of_ours(comment: str | None) -> None:
    assert ledger.read(comment) is None
