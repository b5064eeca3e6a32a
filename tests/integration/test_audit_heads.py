"""Signed heads and the verification of the whole trail: it finds and names violations that the chain cannot show."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bank.audit.heads import read_heads
from bank.audit.keys import load_public_keys, load_signing_key, make_key
from bank.audit.sign import Signer, SigningConfig, load_signing_config
from bank.audit.verify_trail import AuditVerdict, verify_trail
from bank.clock import SystemClock
from bank.errors import BadInput
from bank.identifiers import uuid7
from bank.settings import SettingsError
from tests.integration.api import settings_for
from tests.integration.trail import Trail, open_trail


@dataclass
class SignedTrail:
    """A trail with signed heads."""

    trail: Trail
    signer: Signer
    heads: Path
    public: Path

    async def write(self, count: int) -> None:
        """Write `count` rows and sign the last of them."""
        await self.trail.write(count)
        assert await self.signer.run_once() is not None

    async def verify(self) -> AuditVerdict:
        async with self.trail.connection.transaction(isolation="repeatable_read", readonly=True):
            heads = [self.heads] if self.heads.exists() else []
            return await verify_trail(self.trail.connection, heads=heads, keys=load_public_keys([self.public]))

    async def finding(self) -> tuple[int | None, str]:
        """Return the only violation."""
        [finding] = (await self.verify()).findings
        return finding.number, finding.sentence


@pytest.fixture
async def signed_trail(database_url: str, tmp_path: Path) -> AsyncIterator[SignedTrail]:
    async with open_trail(database_url) as trail:
        yield _sign(trail, tmp_path)


def _sign(trail: Trail, folder: Path, *, writes_chain: bool = True) -> SignedTrail:
    private, public, heads = folder / "key.pem", folder / "key.pub.pem", folder / "heads.jsonl"
    if not private.exists():
        make_key(private, public)
    signer = Signer(
        SigningConfig(load_signing_key(private), heads), database=trail.database, clock=SystemClock(), interval_s=60,
        writes_chain=lambda: writes_chain,
    )  # fmt: skip
    return SignedTrail(trail, signer, heads, public)


async def test_a_trail_that_the_bank_wrote_has_no_violations(signed_trail: SignedTrail) -> None:
    for _ in range(3):
        await signed_trail.write(10)
    assert await signed_trail.verify() == AuditVerdict(rows=30, signed=3, signed_number=30, dead_letters=0, findings=())


async def test_a_trail_behind_the_log_has_no_violations(signed_trail: SignedTrail) -> None:
    await signed_trail.write(10)
    await signed_trail.trail.append(3)
    assert (await signed_trail.verify()).findings == ()


async def test_a_dead_letter_of_the_audit_is_known_and_not_a_gap(signed_trail: SignedTrail) -> None:
    await signed_trail.trail.append(8)
    await signed_trail.trail.record(until=3)
    await signed_trail.trail.record(after=4)
    assert await signed_trail.finding() == (
        None,
        "the UserRegisteredEvent at position 4 of the log has no audit row, though the audit has come past it: its row"
        " was left out.",
    )
    await signed_trail.trail.connection.execute(
        "insert into dead_letters (subscriber, event_position, error, attempts) values ('audit', 4, 'x', 5)"
    )
    examined = await signed_trail.verify()
    assert (examined.findings, examined.dead_letters) == ((), 1)


async def test_a_head_is_signed_once(signed_trail: SignedTrail) -> None:
    assert await signed_trail.signer.run_once() is None
    await signed_trail.write(2)
    assert await signed_trail.signer.run_once() is None
    assert len(signed_trail.heads.read_text().splitlines()) == 1


async def test_only_the_process_that_writes_the_chain_signs_it(signed_trail: SignedTrail, tmp_path: Path) -> None:
    await signed_trail.trail.write(2)
    await _sign(signed_trail.trail, tmp_path, writes_chain=False).signer.loop.attempt()
    assert not signed_trail.heads.exists()
    await signed_trail.signer.loop.attempt()
    assert len(signed_trail.heads.read_text().splitlines()) == 1


async def test_a_line_of_the_heads_file_is_as_documented(signed_trail: SignedTrail) -> None:
    await signed_trail.write(2)
    await signed_trail.write(2)
    hashes = await signed_trail.trail.connection.fetch("select number, hash from audit_logs")
    by_number = {row["number"]: row["hash"].hex() for row in hashes}
    lines = [json.loads(line) for line in signed_trail.heads.read_text().splitlines()]
    for line, number in zip(lines, (2, 4), strict=True):
        assert list(line) == ["number", "event_position", "hash", "at", "previous", "key", "signature"]
        assert (line["number"], line["event_position"], line["hash"]) == (number, number, by_number[number])
    assert lines[0]["previous"] == "0" * 64


async def test_missing_last_rows_are_found_by_the_signed_head(signed_trail: SignedTrail) -> None:
    await signed_trail.write(10)
    await signed_trail.write(10)
    await signed_trail.trail.tamper(
        "delete from audit_logs where number > 15",
        "delete from event_store where position > 15",
        "update event_log_head set position = 15",
        "update subscriber_positions set position = 15",
    )
    number, sentence = await signed_trail.finding()
    assert number == 16
    assert sentence.startswith("audit row 16 is missing and so are all after it: the chain ends at 15, and row 20 was")


async def test_missing_last_rows_without_a_signed_head_are_found_by_the_log(signed_trail: SignedTrail) -> None:
    await signed_trail.trail.write(20)
    await signed_trail.trail.tamper("delete from audit_logs where number > 15")
    number, sentence = await signed_trail.finding()
    assert number == 16
    assert "at position 16 of the log has no audit row" in sentence


async def test_a_rewritten_chain_is_found_by_its_signed_heads(signed_trail: SignedTrail) -> None:
    for _ in range(3):
        await signed_trail.write(10)
    # Row 14 is changed, and the hashes from it on are forged to fit.
    await signed_trail.trail.tamper("update audit_logs set new_values = '{\"amount_minor\": 1}' where number = 14")
    await signed_trail.trail.forge_chain(14)
    number, sentence = await signed_trail.finding()
    assert number == 20
    assert sentence == (
        "audit row 20 is not the one that was signed, though its chain fits: it was written anew after row 10, the last"
        " that agrees with what was signed."
    )


async def test_a_rewritten_chain_is_not_found_without_signed_heads(signed_trail: SignedTrail) -> None:
    # The documentation states this limit.
    await signed_trail.trail.write(20)
    await signed_trail.trail.tamper("update audit_logs set new_values = '{}' where number = 14")
    await signed_trail.trail.forge_chain(14)
    assert (await signed_trail.verify()).findings == ()


async def test_deleted_rows_that_the_bank_wrote_again_are_found(signed_trail: SignedTrail) -> None:
    await signed_trail.write(20)
    await signed_trail.trail.tamper("delete from audit_logs where number > 15")
    await signed_trail.trail.record()
    number, sentence = await signed_trail.finding()
    assert (number, "written anew" in sentence) == (20, True)


async def test_an_edited_row_is_the_only_violation(signed_trail: SignedTrail) -> None:
    await signed_trail.write(20)
    await signed_trail.trail.tamper("update audit_logs set user_id = gen_random_uuid() where number = 7")
    number, sentence = await signed_trail.finding()
    assert number == 7
    assert sentence.startswith("audit row 7 (event 7) is not as it was written")


async def test_an_event_that_was_changed_after_it_was_audited_is_found(signed_trail: SignedTrail) -> None:
    await signed_trail.write(20)
    await signed_trail.trail.tamper("update event_store set user_id = gen_random_uuid() where position = 7")
    number, sentence = await signed_trail.finding()
    assert (number, "position 7" in sentence) == (7, True)


async def test_an_audit_row_without_an_event_is_found(signed_trail: SignedTrail) -> None:
    await signed_trail.write(20)
    await signed_trail.trail.connection.execute(
        "insert into audit_logs (number, event_position, id, entity_type, entity_id, action, hash)"
        " values (21, 99, gen_random_uuid(), 'User', gen_random_uuid(), 'CREATE', sha256(''))"
    )
    await signed_trail.trail.forge_chain(21)
    assert await signed_trail.finding() == (
        21, "audit row 21 tells of an event at position 99, which the log has not."
    )  # fmt: skip


async def test_an_audit_row_with_an_invalid_number_is_found(signed_trail: SignedTrail) -> None:
    await signed_trail.write(20)
    await signed_trail.trail.tamper(
        "delete from audit_logs where number = 20",
        "alter table audit_logs drop constraint audit_logs_number_from_one",
        "insert into audit_logs (number, event_position, id, entity_type, entity_id, action, hash)"
        " select -1, position, id, aggregate_type, aggregate_id, 'CREATE', sha256('') from event_store"
        " where position = 20",
    )
    sentences = [finding.sentence for finding in (await signed_trail.verify()).findings]
    assert "audit rows without a number of the chain: 1." in sentences


async def test_a_bank_stops_signing_when_its_chain_contradicts_a_signed_head(signed_trail: SignedTrail) -> None:
    await signed_trail.write(20)
    await signed_trail.trail.forge_chain(1)
    await signed_trail.trail.tamper("update audit_logs set hash = sha256(hash) where number = 20")
    await signed_trail.trail.write(4)
    assert await signed_trail.signer.run_once() is None
    assert len(signed_trail.heads.read_text().splitlines()) == 1


async def test_rows_are_on_the_disk_before_they_are_signed(signed_trail: SignedTrail) -> None:
    """Rows commit without waiting for the disk. A signed head of rows lost in a crash would report a forgery."""
    connection = signed_trail.trail.connection
    await connection.execute("set synchronous_commit = off")
    await signed_trail.trail.write(20)
    written = await connection.fetchval("select pg_current_wal_insert_lsn()")
    await signed_trail.signer.run_once()
    assert await connection.fetchval("select pg_current_wal_flush_lsn() >= $1::pg_lsn", written)


async def _three_heads(signed_trail: SignedTrail) -> list[bytes]:
    for _ in range(3):
        await signed_trail.write(2)
    return signed_trail.heads.read_bytes().splitlines(keepends=True)


async def test_an_edited_line_of_heads_is_found(signed_trail: SignedTrail) -> None:
    lines = await _three_heads(signed_trail)
    lines[1] = lines[1].replace(b'"number":4', b'"number":3')
    signed_trail.heads.write_bytes(b"".join(lines))
    number, sentence = await signed_trail.finding()
    assert number is None
    assert sentence == f"line 2 of {signed_trail.heads} does not bear out its signature: it has been changed."


@pytest.mark.parametrize(("order", "line"), [((0, 2), 2), ((1, 2), 1), ((1, 0, 2), 1), ((0, 1, 1, 2), 3)])
async def test_deleted_moved_and_inserted_lines_of_heads_are_found(
    signed_trail: SignedTrail, order: tuple[int, ...], line: int
) -> None:
    lines = await _three_heads(signed_trail)
    signed_trail.heads.write_bytes(b"".join(lines[place] for place in order))
    assert (await signed_trail.finding())[1].startswith(
        f"line {line} of {signed_trail.heads} does not follow from the line before"
    )


async def test_an_invalid_line_of_heads_is_found(signed_trail: SignedTrail) -> None:
    lines = await _three_heads(signed_trail)
    signed_trail.heads.write_bytes(lines[0] + b"{}\n" + lines[2])
    assert (await signed_trail.finding())[1] == f"line 2 of {signed_trail.heads} is not a head."


async def test_heads_signed_with_another_key_are_found(signed_trail: SignedTrail, tmp_path: Path) -> None:
    await _three_heads(signed_trail)
    (tmp_path / "other").mkdir()
    signed_trail.public = tmp_path / "other" / "pub.pem"
    make_key(tmp_path / "other" / "key.pem", signed_trail.public)
    assert "which is none of those given" in (await signed_trail.finding())[1]


async def test_heads_signed_with_a_new_key_verify_with_both_public_keys(
    signed_trail: SignedTrail, tmp_path: Path
) -> None:
    await _three_heads(signed_trail)
    old = signed_trail.public
    (tmp_path / "key.pem").unlink()
    signed_trail.public = tmp_path / "new.pub.pem"
    make_key(tmp_path / "key.pem", signed_trail.public)
    signed_trail.signer = _sign(signed_trail.trail, tmp_path).signer
    await signed_trail.write(2)
    assert len(read_heads(signed_trail.heads, load_public_keys([old, signed_trail.public])).heads) == 4


async def test_an_incomplete_last_line_is_ignored_and_overwritten(signed_trail: SignedTrail) -> None:
    lines = await _three_heads(signed_trail)
    signed_trail.heads.write_bytes(b"".join(lines) + lines[2][:100])
    assert (await signed_trail.verify()).findings == ()
    await signed_trail.write(2)
    assert (await signed_trail.verify()).signed == 4


async def test_only_one_of_two_concurrent_processes_signs(signed_trail: SignedTrail, tmp_path: Path) -> None:
    await signed_trail.trail.write(4)
    other = _sign(signed_trail.trail, tmp_path).signer
    signed = await asyncio.gather(signed_trail.signer.run_once(), other.run_once())
    assert [head is None for head in signed].count(False) == 1
    assert (await signed_trail.verify()).signed == 1


def test_a_signing_key_is_readable_only_by_its_owner_and_never_overwritten(tmp_path: Path) -> None:
    private, public = tmp_path / "key.pem", tmp_path / "key.pub.pem"
    make_key(private, public)
    assert private.stat().st_mode & 0o777 == 0o600
    with pytest.raises(BadInput, match=r"Cannot make .*key\.pem: File exists"):
        make_key(private, public)
    private.chmod(0o640)
    with pytest.raises(BadInput, match="can be read by others; `chmod 600"):
        load_signing_key(private)


@pytest.mark.parametrize(
    "content", [b"", b"not a key", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"]
)
def test_an_invalid_key_file_is_one_sentence(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "key.pem"
    file.touch(mode=0o600)
    file.write_bytes(content)
    with pytest.raises(BadInput, match=r"is not an Ed25519 private key in PEM"):
        load_signing_key(file)
    with pytest.raises(BadInput, match=r"is not an Ed25519 public key in PEM"):
        load_public_keys([file])
    with pytest.raises(BadInput, match=r"Cannot read .*: No such file or directory"):
        load_public_keys([tmp_path / "none"])


def test_a_signing_config_needs_two_usable_files(tmp_path: Path) -> None:
    def load(**more: Path) -> SigningConfig | None:
        return load_signing_config(settings_for("postgresql://x/bank", "redis://x", **more))

    key, heads = tmp_path / "key.pem", tmp_path / "heads.jsonl"
    make_key(key, tmp_path / "key.pub.pem")
    assert load() is None
    assert load(audit_key_file=key, audit_heads_file=heads) is not None
    with pytest.raises(SettingsError, match="are set together, or not at all"):
        load(audit_key_file=key)
    with pytest.raises(BadInput, match=r"Cannot write .*: No such file or directory"):
        load(audit_key_file=key, audit_heads_file=tmp_path / "none" / "heads.jsonl")
    heads.write_text("no head\n")
    with pytest.raises(BadInput, match=r"The last line of .* is not a signed head"):
        load(audit_key_file=key, audit_heads_file=heads)


async def test_contradicting_files_of_heads_are_found(signed_trail: SignedTrail, tmp_path: Path) -> None:
    await signed_trail.write(4)
    first = tmp_path / "first.jsonl"
    signed_trail.heads.rename(first)
    await signed_trail.trail.tamper(f"update audit_logs set id = '{uuid7()}' where number = 2")
    await signed_trail.trail.forge_chain(2)
    await signed_trail.signer.run_once()
    found = await verify_trail(
        signed_trail.trail.connection, heads=[signed_trail.heads, first], keys=load_public_keys([signed_trail.public])
    )
    assert [finding.sentence for finding in found.findings] == ["two signed heads disagree about audit row 4."]
