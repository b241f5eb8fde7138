#!/usr/bin/env python3
"""Compares a restored database with the production replica.

Used in step 4 of the restore drill. Counts the rows of every table that matters and adds up the
ledger, as of a moment that both sides have reached. Prints one line per table. Exit code 0 means that
both sides agree, 1 that they differ, 2 that one side could not be asked.

    restore_check.py --restored postgres://drill-1/tide --replica postgres://tide-replica/tide
"""

import argparse
import subprocess
import sys

# Tables without a `created` column cannot be compared as of a moment and are left out:
# tide_table is rebuilt nightly, session is emptied on restart.
TABLES = ["harbour", "berth", "booking", "guest", "ledger", "refund", "gate_code"]

# The ledger has to agree to the cent. Other tables may differ by this many rows, because a row can be
# committed after its `created` time was taken.
ROWS_TOLERATED = 3


def ask(database: str, sql: str) -> int:
    """Runs one query that gives one number."""
    done = subprocess.run(
        ["psql", "--no-psqlrc", "--tuples-only", "--no-align", "--command", sql, database],
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    return int(done.stdout.strip() or 0)


def rows(database: str, table: str, moment: int) -> int:
    return ask(database, f"SELECT count(*) FROM {table} WHERE created < to_timestamp({moment})")


def cents(database: str, moment: int) -> int:
    return ask(
        database,
        f"SELECT coalesce(sum(amount_minor), 0) FROM ledger WHERE created < to_timestamp({moment})",
    )


def compare(restored: str, replica: str, moment: int) -> bool:
    """Prints a line per table; returns whether both sides agree."""
    agree = True
    for table in TABLES:
        left, right = rows(restored, table, moment), rows(replica, table, moment)
        agree &= report(table, left, right, abs(left - right) <= ROWS_TOLERATED)
    left, right = cents(restored, moment), cents(replica, moment)
    agree &= report("ledger, cents", left, right, left == right)
    return agree


def report(name: str, left: int, right: int, ok: bool) -> bool:
    print(f"{name:14} {left:>14} {right:>14}  {'ok' if ok else 'DIFFERS'}")
    return ok


def main() -> int:
    parser = argparse.ArgumentParser(description="Compare a restored database with the replica.")
    parser.add_argument("--restored", required=True)
    parser.add_argument("--replica", required=True)
    parser.add_argument("--minutes-ago", type=int, default=15, help="a moment both sides have reached")
    options = parser.parse_args()

    try:
        now = ask(options.replica, "SELECT extract(epoch FROM now())::bigint")
        agree = compare(options.restored, options.replica, now - 60 * options.minutes_ago)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        print(f"cannot compare: {error}", file=sys.stderr)
        return 2
    return 0 if agree else 1


if __name__ == "__main__":
    sys.exit(main())
