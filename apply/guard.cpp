#include "apply/guard.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>
#include <thread>
#include <utility>

#include "apply/ledger_change.hpp"
#include "apply/owed.hpp"
#include "apply/switch_ledger.hpp"
#include "link/postgres/names.hpp"
#include "link/postgres/table_change.hpp"
#include "model/clock.hpp"

namespace lockstep::apply {

namespace {

using postgres::Connection;
using postgres::literal;
using postgres::qualified;
using postgres::Result;

constexpr std::array kModes{GuardMode::reject, GuardMode::detect, GuardMode::off};
constexpr char kTrigger[] = "_lockstep_guard";  // target_tables and existing know the name, too

constexpr char kLocked[] = "it is locked by others: tried again";

// It runs with the rights of lockstep's role, for who writes need not see the ledger; so nothing in
// it may depend on the caller's search_path. What it reads is of that moment: cutover and hold need
// no lock on any table. lockstep.foreign_writes has no foreign key to the ledger, whose row lock
// would make lockstep wait for the transactions of others; and no row of it is ever waited for.
constexpr char kFunction[] = R"(
CREATE OR REPLACE FUNCTION {0}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $lockstep$
DECLARE
  mode text;
  who text := CASE current_setting('role') WHEN 'none' THEN session_user::text
              ELSE current_setting('role') END;
  program text := current_setting('application_name');
  place text := format('%I.%I', TG_TABLE_SCHEMA, TG_TABLE_NAME);
BEGIN
  SELECT l.guard INTO mode FROM lockstep.ledger AS l
  JOIN lockstep.ledger_tables AS t ON t.migration = l.migration
  WHERE l.migration = TG_ARGV[0] AND t.name = TG_ARGV[1] AND l.role = 'replica' AND NOT l.guard_held
    AND NOT ((l.dual_era, l.dual_identity) IS NOT DISTINCT FROM (l.era, l.identity)
             AND EXISTS (SELECT FROM lockstep.dual_writes AS d
                         WHERE d.migration = t.migration AND d.id = t.id));
  IF mode = 'reject' THEN
    RAISE EXCEPTION USING ERRCODE = '25006', SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME,
      MESSAGE = format('LS-X602: %s on %s was refused: before cutover only lockstep writes to it',
                       TG_OP, place),
      DETAIL = format('It is a copy of a table that the application still writes to in SQLite '
                      '(migration %s); what role %s (%s) writes here would be missing there. '
                      'Nothing was changed.', TG_ARGV[0], who, coalesce(nullif(program, ''), '-')),
      HINT = 'Stop this instance, or let it write to SQLite. For a migration: lockstep ddl hold '
             'SOURCE TARGET. On purpose: SET lockstep.guard = off. When lockstep has done its work: '
             'lockstep remove SOURCE TARGET.';
  ELSIF mode = 'detect' THEN
    UPDATE lockstep.foreign_writes AS w SET statements = w.statements + 1,
      last_at = clock_timestamp(), application_name = program
    WHERE w.number = (SELECT s.number FROM lockstep.foreign_writes AS s
      WHERE s.pid = pg_backend_pid() AND s.migration = TG_ARGV[0] AND s.relation = place
        AND s.command = TG_OP AND s.role = who LIMIT 1 FOR UPDATE SKIP LOCKED);
    IF NOT FOUND THEN
      INSERT INTO lockstep.foreign_writes (migration, relation, command, role, application_name,
        client, pid) VALUES (TG_ARGV[0], place, TG_OP, who, program,
        coalesce(host(inet_client_addr()), 'local'), pg_backend_pid());
    END IF;
  END IF;
  RETURN NULL;
END$lockstep$)";

// One row for each table that is followed and each partition of one ('t'), and for each trigger of
// ours that is somewhere else ('s'). A disabled trigger is none.
constexpr char kPlaces[] = R"(
WITH ours AS (
  SELECT t.name, c.oid, c.relkind FROM lockstep.ledger_tables AS t
  JOIN pg_catalog.pg_namespace AS n ON n.nspname = $2
  JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relname = t.name
    AND c.relkind IN ('r', 'p')
  WHERE t.migration = $1),
places AS (
  SELECT name, oid FROM ours
  UNION
  SELECT o.name, p.relid FROM ours AS o, pg_catalog.pg_partition_tree(o.oid) AS p
  WHERE o.relkind = 'p'),
guards AS (
  SELECT g.tgrelid, g.tgenabled FROM pg_catalog.pg_trigger AS g
  WHERE g.tgname = '_lockstep_guard' AND g.tgfoid = pg_catalog.to_regprocedure($3))
SELECT 't', p.name, n.nspname, c.relname, coalesce(g.tgenabled IN ('O', 'A'), false),
       pg_catalog.has_table_privilege(c.oid, 'TRIGGER'), pg_catalog.pg_get_userbyid(c.relowner)
FROM places AS p JOIN pg_catalog.pg_class AS c ON c.oid = p.oid
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
LEFT JOIN guards AS g ON g.tgrelid = p.oid
UNION ALL
SELECT 's', c.relname, n.nspname, c.relname, true, pg_catalog.pg_has_role(c.relowner, 'USAGE'),
       pg_catalog.pg_get_userbyid(c.relowner)
FROM guards AS g JOIN pg_catalog.pg_class AS c ON c.oid = g.tgrelid
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE g.tgrelid NOT IN (SELECT oid FROM places)
ORDER BY 1, 3, 4)";

struct Place {
  std::string table;  // that is followed; a partition has its parent's
  std::string schema, name;
  bool followed = false;
  bool guarded = false;
  bool may = false;  // our role may change that
  std::string owner;

  [[nodiscard]] std::string relation() const { return fmt::format("{}.{}", schema, name); }
};

std::vector<Place> places(Connection& connection, const std::string& migration,
                          const std::string& schema) {
  const Result rows = connection.query(
      kPlaces, {migration, schema, postgres::guard_function(schema) + std::string("()")});
  std::vector<Place> found;
  found.reserve(static_cast<std::size_t>(rows.rows()));
  for (int row = 0; row < rows.rows(); ++row)
    found.push_back({std::string(rows.value(row, 1)), std::string(rows.value(row, 2)),
                     std::string(rows.value(row, 3)), rows.value(row, 0) == "t",
                     rows.boolean(row, 4), rows.boolean(row, 5), std::string(rows.value(row, 6))});
  return found;
}

// Our sessions look names up in pg_catalog alone, so this is its operator for ever.
std::string trigger_sql(const std::string& migration, const std::string& schema,
                        const Place& place) {
  return fmt::format(
      "CREATE OR REPLACE TRIGGER {} BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON {} FOR EACH "
      "STATEMENT WHEN (pg_catalog.current_setting('lockstep.guard', true) IS DISTINCT FROM 'off') "
      "EXECUTE FUNCTION {}({}, {})",
      kTrigger, qualified(place.schema, place.name), postgres::guard_function(schema),
      literal(migration), literal(place.table));
}

// Others' transactions wait behind us while we wait: so not for long. Empty: it is done.
std::string attempt(Connection& connection, const std::vector<std::string>& relations,
                    const std::string& sql, Milliseconds patience) {
  try {
    postgres::change_tables(connection, relations, sql, patience);
    return {};
  } catch (const Error& error) {
    if (error.foreign().empty() || !connection.alive()) throw;
    if (error.foreign() == postgres::kLockNotGranted) return kLocked;
    return error.facts().why;
  }
}

std::string why_not(const Place& place) {
  return fmt::format("lockstep's role needs the privilege TRIGGER on it (owner: {})", place.owner);
}

// Who has a lock on a table with our trigger; DROP TRIGGER waits even for readers.
std::string holders(Connection& connection, const std::string& schema) {
  const Result rows = connection.query(
      "SELECT DISTINCT 'server process ' || l.pid || coalesce(' (' || nullif(a.application_name, "
      "'') || ')', '') || ' uses ' || c.relname FROM pg_catalog.pg_locks AS l "
      "JOIN pg_catalog.pg_trigger AS g ON g.tgrelid = l.relation AND g.tgfoid = "
      "pg_catalog.to_regprocedure($1) JOIN pg_catalog.pg_class AS c ON c.oid = l.relation "
      "LEFT JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid WHERE l.granted AND l.pid <> "
      "pg_catalog.pg_backend_pid() LIMIT 3",
      {postgres::guard_function(schema) + std::string("()")});
  std::vector<std::string> who;
  who.reserve(static_cast<std::size_t>(rows.rows()));
  for (int row = 0; row < rows.rows(); ++row) who.emplace_back(rows.value(row, 0));
  return fmt::format("{}", fmt::join(who, "; "));
}

std::vector<std::string> guarded_relations(Connection& connection, const std::string& schema) {
  const Result rows = connection.query(
      "SELECT n.nspname, c.relname FROM pg_catalog.pg_trigger AS g JOIN pg_catalog.pg_class AS c "
      "ON c.oid = g.tgrelid JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace WHERE "
      "g.tgfoid = pg_catalog.to_regprocedure($1)",
      {postgres::guard_function(schema) + std::string("()")});
  std::vector<std::string> relations;
  for (int row = 0; row < rows.rows(); ++row)
    relations.push_back(qualified(rows.value(row, 0), rows.value(row, 1)));
  return relations;
}

bool knows_guard(Connection& connection) {
  return connection
      .exec(
          "SELECT EXISTS (SELECT FROM pg_catalog.pg_attribute WHERE attrelid = "
          "pg_catalog.to_regclass('lockstep.ledger') AND attname = 'guard_held')")
      .boolean(0, 0);
}

GuardSeen state(Connection& connection, const std::string& migration) {
  const Result row = connection.query(
      "SELECT l.guard, l.guard_held, coalesce(w.statements, 0), coalesce(w.last, '') "
      "FROM lockstep.ledger AS l LEFT JOIN (SELECT migration, sum(statements)::bigint AS "
      "statements, (pg_catalog.array_agg(command || ' on ' || relation || ' by role ' || role || ' "
      "(' || coalesce(nullif(application_name, ''), '-') || ', ' || client || ') at ' || "
      "pg_catalog.to_char(last_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') ORDER BY "
      "last_at DESC))[1] AS last FROM lockstep.foreign_writes GROUP BY migration) AS w USING "
      "(migration) WHERE l.migration = $1",
      {migration});
  GuardSeen seen;
  if (row.rows() == 0) return seen;
  seen.mode = parse_guard_mode(row.value(0, 0)).value_or(GuardMode::off);
  seen.held = row.boolean(0, 1);
  seen.foreign_writes = row.integer(0, 2);
  seen.last_write = row.value(0, 3);
  return seen;
}

}  // namespace

std::string_view to_string(GuardMode mode) {
  switch (mode) {
    case GuardMode::reject:
      return "reject";
    case GuardMode::detect:
      return "detect";
    case GuardMode::off:
      return "off";
  }
  return "?";
}

std::optional<GuardMode> parse_guard_mode(std::string_view text) {
  for (const GuardMode mode : kModes)
    if (to_string(mode) == text) return mode;
  return std::nullopt;
}

void ensure_guard_ledger(Connection& connection) {
  if (knows_guard(connection)) return;  // ALTER TABLE takes a lock that a reader would hold up
  change_ledger(
      connection,
      "ALTER TABLE lockstep.ledger ADD COLUMN IF NOT EXISTS guard text NOT NULL DEFAULT 'off' "
      "CHECK (guard IN "
      "('reject', 'detect', 'off')), ADD COLUMN IF NOT EXISTS guard_held boolean NOT NULL DEFAULT "
      "false;"
      "CREATE TABLE IF NOT EXISTS lockstep.foreign_writes ("
      " number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
      " migration text NOT NULL,"
      " relation text NOT NULL,"
      " command text NOT NULL,"
      " role text NOT NULL,"
      " application_name text NOT NULL,"
      " client text NOT NULL,"
      " pid integer NOT NULL,"
      " statements bigint NOT NULL DEFAULT 1,"
      " first_at timestamptz NOT NULL DEFAULT clock_timestamp(),"
      " last_at timestamptz NOT NULL DEFAULT clock_timestamp()"
      ");"
      "CREATE INDEX IF NOT EXISTS foreign_writes_pid ON lockstep.foreign_writes (pid)");
}

void set_guard(Connection& connection, const std::string& migration, const std::string& schema,
               GuardMode mode) {
  const std::string function = postgres::guard_function(schema);
  if (mode != GuardMode::off)
    connection.exec(fmt::format("BEGIN;{};REVOKE ALL ON FUNCTION {}() FROM PUBLIC;COMMIT",
                                fmt::format(kFunction, function), function));
  connection.query("UPDATE lockstep.ledger SET guard = $2 WHERE migration = $1 AND guard <> $2",
                   {migration, std::string(to_string(mode))});
}

GuardSeen keep_guard(Connection& connection, const std::string& migration,
                     const std::string& schema) {
  constexpr Milliseconds kPatience{200};
  GuardSeen seen = state(connection, migration);
  for (const Place& place : places(connection, migration, schema)) {
    const bool wanted = place.followed && seen.mode != GuardMode::off;
    if (place.guarded == wanted) continue;
    const std::string relation = qualified(place.schema, place.name);
    if (!wanted) {  // what cannot go lets everything pass: it is not in the ledger, or the mode is
      static_cast<void>(attempt(connection, {relation},
                                fmt::format("DROP TRIGGER IF EXISTS {} ON {}", kTrigger, relation),
                                kPatience));
      continue;
    }
    std::string why = place.may ? attempt(connection, {relation},
                                          trigger_sql(migration, schema, place), kPatience)
                                : why_not(place);
    if (!why.empty()) seen.without.push_back({place.relation(), std::move(why)});
  }
  return seen;
}

std::optional<GuardSeen> look_at_guard(Connection& connection, const std::string& migration,
                                       const std::string& schema) {
  if (!knows_guard(connection)) return std::nullopt;
  GuardSeen seen = state(connection, migration);
  if (seen.mode == GuardMode::off) return seen;
  for (const Place& place : places(connection, migration, schema))
    if (place.followed && !place.guarded)
      seen.without.push_back({place.relation(), place.may ? "it has no trigger" : why_not(place)});
  return seen;
}

void hold_guard(Connection& connection, const std::string& migration, bool held) {
  ensure_guard_ledger(connection);
  ensure_switch_ledger(connection);
  // On record with it, if we die before we have looked who is under way. After a cutover the guard
  // is open anyway, and what is written is logged.
  const Result changed = connection.query(
      "UPDATE lockstep.ledger SET guard_held = $2::boolean, owed_behind = CASE role WHEN 'primary' "
      "THEN owed_behind ELSE $3::text[] END WHERE migration = $1 AND guard_held <> $2::boolean "
      "RETURNING role = 'primary'",
      {migration, std::string(held ? "true" : "false"), std::string(kNobodyLooked)});
  if (changed.rows() > 0 && !changed.boolean(0, 0)) owe_behind_transactions(connection, migration);
}

void remove_guard(Connection& connection, const std::string& migration, const std::string& schema) {
  constexpr Milliseconds kOnce{500};
  if (!knows_guard(connection)) return;
  connection.query("UPDATE lockstep.ledger SET guard = 'off' WHERE migration = $1", {migration});
  // CASCADE: a role that has only the privilege TRIGGER may make one, but not drop it by name.
  const std::string sql = fmt::format(
      "DROP FUNCTION IF EXISTS {}() CASCADE; DELETE FROM lockstep.foreign_writes WHERE migration = "
      "{}",
      postgres::guard_function(schema), literal(migration));
  const Deadline deadline(Milliseconds{3'000});
  const std::vector<std::string> relations = guarded_relations(connection, schema);
  std::string why = attempt(connection, relations, sql, kOnce);
  while (why == kLocked && !deadline.passed()) {
    std::this_thread::sleep_for(Milliseconds{100});
    why = attempt(connection, relations, sql, kOnce);
  }
  if (why.empty()) return;
  const bool locked = why == kLocked;
  throw Error({.code = locked ? "LS-T213" : "LS-T204",
               .exit = locked ? ExitCode::timed_out : ExitCode::precondition,
               .what = "the guard's triggers cannot be taken off the target's tables",
               .why = locked ? fmt::format("{}; {}", why, holders(connection, schema)) : why,
               .data = "the guard is open; nothing else was removed",
               .todo = locked ? "end that transaction, then run lockstep remove again"
                              : "run lockstep remove as the role that lockstep ran as"});
}

}  // namespace lockstep::apply
