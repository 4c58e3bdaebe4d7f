#include "apply/wait_for.hpp"

#include <fmt/format.h>

#include <string_view>

#include "link/postgres/names.hpp"

namespace lockstep::apply {

namespace {

using postgres::Connection;
using postgres::Result;

// Each statement of a VOLATILE function sees what is committed when it begins, if the transaction
// is READ COMMITTED; above that it would look at one and the same snapshot for ever. No lock is
// held and no row is waited for, and nothing is written: so it works in READ ONLY
// transactions.
constexpr std::string_view kBody = R"(
DECLARE
  parts text[] := regexp_match(wanted,
    '^([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})/([0-9]{1,19})/(-?[0-9]{1,19})$');
  deadline timestamptz := clock_timestamp() + patience;
  pause double precision := 0.001;
  there record;
BEGIN
  IF parts IS NULL OR patience IS NULL THEN
    RAISE EXCEPTION USING ERRCODE = '22023',
      MESSAGE = format('LS-X640: wait_for(%L, %L): not a position and a time to wait', wanted, patience),
      HINT = 'A position is era/seq/identity, as lockstep status prints it and SQLite has it: '
             'SELECT (SELECT value FROM _lockstep_meta WHERE name = ''era'') || ''/'' || seq || ''/'' || '
             'identity FROM _lockstep_changes ORDER BY seq DESC LIMIT 1';
  END IF;
  IF patience > interval '0'
     AND current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
    RAISE EXCEPTION USING ERRCODE = '25001',
      MESSAGE = format('LS-X642: wait_for cannot wait in a transaction that is %s',
                       upper(current_setting('transaction_isolation'))),
      DETAIL = 'What such a transaction sees was settled by its first statement, and this is one.',
      HINT = 'Wait before BEGIN, or ask without waiting: a timeout of 0.';
  END IF;
  LOOP
    SELECT l.migration, l.role, l.consistent, l.seq, l.identity INTO there FROM lockstep.ledger AS l
    WHERE l.era = parts[1]::uuid;
    IF FOUND THEN
      IF there.seq = parts[2]::numeric AND there.identity::text <> parts[3] THEN
        RAISE EXCEPTION USING ERRCODE = '55000',
          MESSAGE = format('LS-X641: %s is no commit of the SQLite file that migration %s follows',
                           wanted, there.migration),
          DETAIL = format('Here, change %s is %s. Positions of a copy, or from before a backup was '
                          'put back, are others.', there.seq, there.identity),
          HINT = 'Read from SQLite.';
      END IF;
      IF there.consistent AND there.seq >= parts[2]::numeric THEN
        RETURN true;
      END IF;
      IF there.role = 'primary' AND there.consistent THEN
        RAISE EXCEPTION USING ERRCODE = '55000',
          MESSAGE = format('LS-X641: %s is ahead of what migration %s got from SQLite, and the writers '
                           'are on PostgreSQL now', wanted, there.migration),
          DETAIL = format('SQLite ended at change %s.', there.seq),
          HINT = 'Read from PostgreSQL without waiting.';
      END IF;
    ELSIF NOT EXISTS (SELECT FROM lockstep.ledger AS l WHERE l.era IS NULL OR l.role = 'fenced') THEN
      RAISE EXCEPTION USING ERRCODE = '55000',
        MESSAGE = format('LS-X641: %s is of an era that is not followed here', wanted),
        DETAIL = 'Each rollback begins a new one, and each new migration.',
        HINT = 'Read from SQLite, or take a newer position.';
    END IF;
    IF clock_timestamp() >= deadline THEN
      RETURN false;
    END IF;
    PERFORM pg_sleep(least(pause, extract(epoch FROM deadline - clock_timestamp())));
    pause := least(pause * 1.5, 0.02);
  END LOOP;
END)";

// Nothing in it may depend on the caller's search_path.
constexpr char kCreateFunction[] =
    "BEGIN;"
    "CREATE OR REPLACE FUNCTION lockstep.wait_for(wanted text, patience interval DEFAULT '5 s') "
    "RETURNS boolean LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, "
    "pg_temp AS $lockstep${}$lockstep$;"
    "GRANT EXECUTE ON FUNCTION lockstep.wait_for(text, interval) TO PUBLIC;"
    "COMMIT";

enum class There { no, older, as_it_is };

There look(Connection& connection) {
  const Result row = connection.exec(
      "SELECT prosrc FROM pg_catalog.pg_proc WHERE oid = "
      "pg_catalog.to_regprocedure('lockstep.wait_for(text, interval)')");
  if (row.rows() == 0) return There::no;
  return row.value(0, 0) == kBody ? There::as_it_is : There::older;
}

}  // namespace

void ensure_wait_for(Connection& connection) {
  const There before = look(connection);
  if (before == There::as_it_is) return;
  try {
    connection.exec(fmt::format(kCreateFunction, kBody));
  } catch (const Error& error) {
    if (error.foreign().empty() || !connection.alive()) throw;
    connection.abort();
    // Another lockstep's, or made by one at this moment: any of ours answers rightly.
    if (look(connection) == There::no) throw;
  }
}

void drop_wait_for(Connection& connection) {
  connection.exec("DROP FUNCTION IF EXISTS lockstep.wait_for(text, interval)");
}

}  // namespace lockstep::apply
