"""Failed logins by bucket, and the devices that users have logged in from."""

from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

UPGRADE = (
    """
    create table login_failures (
        kind text not null check (kind in ('ACCOUNT', 'DEVICE', 'SESSION', 'SOURCE')),
        -- A keyed digest: of the address, the token of the device, the session, or the network.
        digest bytea not null,
        failures integer not null check (failures >= 0),
        counted_at timestamptz not null,
        -- Until then, attempts are refused without a decision about the password.
        locked_until timestamptz,
        primary key (kind, digest)
    )
    """,
    """
    create table login_devices (
        -- SHA-256 of the token that the device has.
        digest bytea primary key,
        user_id uuid not null references users,
        created_at timestamptz not null,
        last_used_at timestamptz not null
    )
    """,
    "create index login_devices_by_user on login_devices (user_id, last_used_at)",
    "create index login_devices_by_last_use on login_devices (last_used_at)",
    "grant select, insert, update, delete on login_failures, login_devices to bank_app",
)


def upgrade() -> None:
    """Add the tables."""
    for statement in UPGRADE:
        op.execute(statement)


def downgrade() -> None:
    """Drop them. Every delay ends, and every device is unknown."""
    op.execute("drop table login_devices")
    op.execute("drop table login_failures")
