#include "apply/ledger.hpp"

#include <fmt/format.h>

#include <array>
#include <map>

#include "apply/dual_write.hpp"
#include "apply/existing.hpp"
#include "apply/guard.hpp"
#include "apply/ledger_change.hpp"
#include "apply/quarantine.hpp"
#include "apply/switch_ledger.hpp"
#include "apply/target_schema.hpp"
#include "apply/wait_for.hpp"
#include "link/postgres/names.hpp"
#include "link/wire/control.hpp"

namespace lockstep::apply {

namespace {

using postgres::Connection;
using postgres::literal;
using postgres::Result;

constexpr std::array kPhases{Phase::installing, Phase::snapshot, Phase::catchup, Phase::indexing,
                             Phase::streaming};

constexpr char kCreateLedger[] =
    "BEGIN;"
    // IF NOT EXISTS would ask for the right to create schemas even where an administrator made it.
    "DO $$BEGIN IF to_regnamespace('lockstep') IS NULL THEN CREATE SCHEMA lockstep; END IF; END$$;"
    "CREATE TABLE IF NOT EXISTS lockstep.ledger ("
    " migration text PRIMARY KEY,"
    " format integer NOT NULL,"
    " source_id uuid NOT NULL,"
    " source text NOT NULL,"
    " target_schema text NOT NULL,"
    " role text NOT NULL DEFAULT 'replica' CHECK (role IN ('replica', 'primary')),"
    " phase text NOT NULL CHECK (phase IN ('installing', 'snapshot', 'catchup', 'indexing', "
    "'streaming')),"
    " consistent boolean NOT NULL DEFAULT false,"
    " era uuid, seq bigint, identity bigint,"
    " batches bigint NOT NULL DEFAULT 0,"
    " changes bigint NOT NULL DEFAULT 0,"
    " source_wall_us bigint NOT NULL DEFAULT 0,"
    " started timestamptz NOT NULL DEFAULT now(),"
    " updated timestamptz NOT NULL DEFAULT now()"
    ") WITH (fillfactor = 50);"
    "CREATE TABLE IF NOT EXISTS lockstep.ledger_tables ("
    " migration text NOT NULL REFERENCES lockstep.ledger ON DELETE CASCADE,"
    " id integer NOT NULL,"
    " name text NOT NULL,"
    " plan text NOT NULL,"
    " indexed boolean NOT NULL DEFAULT false,"
    " PRIMARY KEY (migration, id)"
    ");"
    "CREATE TABLE IF NOT EXISTS lockstep.ledger_parts ("
    " migration text NOT NULL REFERENCES lockstep.ledger ON DELETE CASCADE,"
    " id integer NOT NULL,"
    " part integer NOT NULL,"
    " after_rowid bigint,"
    " until_rowid bigint,"
    " cursor text,"
    " rows bigint NOT NULL DEFAULT 0,"
    " copied boolean NOT NULL DEFAULT false,"
    " as_of text,"
    " PRIMARY KEY (migration, id, part)"
    ");"
    "COMMIT";

constexpr char kCreateQuarantine[] =
    "CREATE TABLE IF NOT EXISTS lockstep.quarantine ("
    " number bigint GENERATED ALWAYS AS IDENTITY UNIQUE,"
    " migration text NOT NULL REFERENCES lockstep.ledger ON DELETE CASCADE,"
    " id integer NOT NULL,"
    " name text NOT NULL,"
    " key text NOT NULL,"
    " key_digest bytea NOT NULL,"
    " column_name text NOT NULL,"
    " value text NOT NULL,"
    " bytes bigint NOT NULL,"
    " code text NOT NULL,"
    " reason text NOT NULL,"
    " position text,"
    " since timestamptz NOT NULL DEFAULT now(),"
    " state text NOT NULL DEFAULT 'held' CHECK (state IN ('held', 'skipped')),"
    " stale boolean NOT NULL DEFAULT false,"
    " PRIMARY KEY (migration, id, key_digest)"
    ")";

constexpr char kColumns[] =
    "migration, source_id, target_schema, phase, consistent, era, seq, identity, batches, changes, "
    "source_wall_us, format, source";

LedgerRow row_from(const Result& result, int row) {
  if (result.integer(row, 11) != kLedgerFormat)
    throw Error(
        {.code = "LS-R703",
         .exit = ExitCode::precondition,
         .what = fmt::format("the ledger of migration {} has format {}, this lockstep knows {}",
                             result.value(row, 0), result.integer(row, 11), kLedgerFormat),
         .why = "another version of lockstep made it",
         .data = "nothing was touched",
         .todo = "go on with that version"});
  LedgerRow ledger;
  ledger.migration = result.value(row, 0);
  ledger.source_id = result.value(row, 1);
  ledger.target_schema = result.value(row, 2);
  const auto phase = parse_phase(result.value(row, 3));
  check(phase.has_value(), "the ledger's phase is one of ours (a CHECK constraint says so)");
  ledger.phase = *phase;
  ledger.consistent = result.boolean(row, 4);
  if (!result.is_null(row, 5)) {
    const auto era = parse_era(result.value(row, 5));
    check(era.has_value(), "PostgreSQL prints a uuid as a UUID");
    ledger.position = Position{*era, result.integer(row, 6), result.integer(row, 7)};
  }
  ledger.batches = result.integer(row, 8);
  ledger.changes = result.integer(row, 9);
  ledger.source_wall_us = result.integer(row, 10);
  ledger.source = result.value(row, 12);
  return ledger;
}

// Runs `body` as one transaction; an in-doubt commit becomes an Error with Retry::new_session.
template <class Body>
void in_transaction(Connection& connection, Body body) {
  connection.exec("BEGIN");
  try {
    body();
  } catch (...) {
    connection.abort();
    throw;
  }
  if (connection.commit() == postgres::CommitOutcome::committed) return;
  throw Error(
      {.code = "LS-T212",
       .exit = ExitCode::unreachable,
       .what = "a step of the migration may or may not be recorded on the target",
       .why = "the connection ended while the commit was on its way, or the commit was refused",
       .data = "safe: the ledger is read again before anything else is done",
       .todo = "nothing; lockstep connects again by itself",
       .retry = Retry::new_session});
}

void enter_parts(Connection& connection, const std::string& migration, std::uint32_t table,
                 const std::vector<std::int64_t>& split_points) {
  std::optional<std::string> after;
  for (std::size_t part = 0; part <= split_points.size(); ++part) {
    std::optional<std::string> until;
    if (part < split_points.size()) until = std::to_string(split_points[part]);
    connection.query(
        "INSERT INTO lockstep.ledger_parts (migration, id, part, after_rowid, until_rowid) VALUES "
        "($1, $2::integer, $3::integer, $4::bigint, $5::bigint)",
        {migration, std::to_string(table), std::to_string(part), after, until});
    after = until;
  }
}

}  // namespace

std::string_view to_string(Phase phase) {
  switch (phase) {
    case Phase::installing:
      return "installing";
    case Phase::snapshot:
      return "snapshot";
    case Phase::catchup:
      return "catchup";
    case Phase::indexing:
      return "indexing";
    case Phase::streaming:
      return "streaming";
  }
  return "?";
}

std::optional<Phase> parse_phase(std::string_view text) {
  for (const Phase phase : kPhases)
    if (to_string(phase) == text) return phase;
  return std::nullopt;
}

bool ledger_exists(Connection& connection) {
  return connection.exec("SELECT to_regclass('lockstep.ledger_tables') IS NOT NULL").boolean(0, 0);
}

void create_ledger(Connection& connection) {
  if (ledger_exists(connection)) {
    if (!connection
             .exec("SELECT EXISTS (SELECT FROM pg_attribute WHERE attrelid = "
                   "'lockstep.ledger_parts'::regclass AND attname = 'as_of')")
             .boolean(0, 0))
      change_ledger(connection,
                    "ALTER TABLE lockstep.ledger_parts ADD COLUMN IF NOT EXISTS as_of text");
    if (!quarantine_exists(connection)) connection.exec(kCreateQuarantine);
    ensure_guard_ledger(connection);
    ensure_switch_ledger(connection);
    ensure_dual_ledger(connection);
    ensure_wait_for(connection);
    return;
  }
  try {
    connection.exec(kCreateLedger);
    connection.exec(kCreateQuarantine);
    ensure_guard_ledger(connection);
    ensure_switch_ledger(connection);
    ensure_dual_ledger(connection);
    ensure_wait_for(connection);
  } catch (const Error&) {
    connection.abort();
    throw;
  }
}

std::optional<LedgerRow> read_ledger(Connection& connection, const std::string& migration,
                                     RowLock lock) {
  if (!ledger_exists(connection)) return std::nullopt;
  const Result result =
      connection.query(fmt::format("SELECT {} FROM lockstep.ledger WHERE migration = $1{}",
                                   kColumns, lock == RowLock::for_update ? " FOR UPDATE" : ""),
                       {migration});
  if (result.rows() == 0) return std::nullopt;
  return row_from(result, 0);
}

std::vector<LedgerRow> all_ledgers(Connection& connection) {
  std::vector<LedgerRow> rows;
  if (!ledger_exists(connection)) return rows;
  const Result result =
      connection.exec(fmt::format("SELECT {} FROM lockstep.ledger ORDER BY migration", kColumns));
  for (int row = 0; row < result.rows(); ++row) rows.push_back(row_from(result, row));
  return rows;
}

std::vector<LedgerTable> read_tables(Connection& connection, const std::string& migration) {
  const Result tables_read = connection.query(
      "SELECT id, plan, indexed FROM lockstep.ledger_tables WHERE migration = $1 ORDER BY id",
      {migration});
  std::map<std::int64_t, LedgerTable> tables;
  for (int row = 0; row < tables_read.rows(); ++row) {
    LedgerTable& table = tables[tables_read.integer(row, 0)];
    table.plan = wire::decode_plan(tables_read.value(row, 1));
    table.indexed = tables_read.boolean(row, 2);
    table.copied = true;
  }
  const Result parts = connection.query(
      "SELECT id, part, after_rowid, until_rowid, cursor, rows, copied, to_jsonb(p) ->> 'as_of' "
      "FROM lockstep.ledger_parts AS p WHERE migration = $1 ORDER BY id, part",
      {migration});
  const auto rowid = [&](int row, int column) {
    return parts.is_null(row, column) ? std::nullopt : std::optional(parts.integer(row, column));
  };
  for (int row = 0; row < parts.rows(); ++row) {
    LedgerTable& table = tables[parts.integer(row, 0)];
    LedgerPart& part = table.parts.emplace_back();
    part.number = static_cast<std::uint32_t>(parts.integer(row, 1));
    part.after = rowid(row, 2);
    part.until = rowid(row, 3);
    if (!parts.is_null(row, 4)) part.cursor = parts.value(row, 4);
    part.copied = parts.boolean(row, 6);
    if (!parts.is_null(row, 7)) part.as_of = parse_position(parts.value(row, 7));
    table.rows += parts.integer(row, 5);
    table.copied = table.copied && part.copied;
  }
  std::vector<LedgerTable> in_order;
  for (auto& [id, table] : tables) in_order.push_back(std::move(table));
  return in_order;
}

std::vector<TablePlan> plans_of(const std::vector<LedgerTable>& tables) {
  std::vector<TablePlan> plans;
  for (const LedgerTable& table : tables) plans.push_back(table.plan);
  return plans;
}

std::optional<Position> newest_seen(const std::vector<LedgerTable>& tables) {
  std::optional<Position> newest;
  for (const LedgerTable& table : tables)
    for (const LedgerPart& part : table.parts)
      if (part.as_of && (!newest || part.as_of->seq > newest->seq)) newest = part.as_of;
  return newest;
}

void enter_ledger(Connection& connection, const std::string& migration,
                  const std::string& source_id, const std::string& source,
                  const std::string& target_schema) {
  in_transaction(connection, [&] {
    connection.query(
        "INSERT INTO lockstep.ledger (migration, format, source_id, source, target_schema, phase) "
        "VALUES ($1, $2::integer, $3::uuid, $4, $5, 'installing')",
        {migration, std::to_string(kLedgerFormat), source_id, source, target_schema});
  });
}

void begin_snapshot(Connection& connection, const LedgerRow& row, const Position& p0,
                    const std::vector<TableToCopy>& tables) {
  const bool silent = may_be_silent(connection);
  std::vector<TablePlan> plans;
  for (const TableToCopy& table : tables) plans.push_back(table.plan);
  in_transaction(connection, [&] {
    const Result moved = connection.query(
        "UPDATE lockstep.ledger SET phase = 'snapshot', era = $2::uuid, seq = $3::bigint, identity "
        "= "
        "$4::bigint, updated = now() WHERE migration = $1 AND phase = 'installing'",
        {row.migration, to_string(p0.era), std::to_string(p0.seq), std::to_string(p0.identity)});
    check(moved.affected() == 1, "only the holder of the migration's lock begins its snapshot");
    // IF NOT EXISTS would ask for the right to create schemas even where the schema is there.
    if (connection.query("SELECT 1 FROM pg_namespace WHERE nspname = $1", {row.target_schema})
            .rows() == 0)
      connection.exec(fmt::format("CREATE SCHEMA {}", postgres::quoted(row.target_schema)));
    for (const auto& [plan, split_points] : tables) {
      if (!plan.existing) {
        connection.exec(create_table_sql(row.target_schema, plan, plans));
        for (const std::string& comment : comments_sql(row.target_schema, plan))
          connection.exec(comment);
      }
      connection.query(
          "INSERT INTO lockstep.ledger_tables (migration, id, name, plan) VALUES ($1, $2::integer, "
          "$3, $4)",
          {row.migration, std::to_string(plan.id), plan.target_name(), wire::encode_plan(plan)});
      enter_parts(connection, row.migration, plan.id, split_points);
    }
    make_way(connection, row.migration, row.target_schema, plans, silent);
  });
}

void move_phase(Connection& connection, const std::string& migration, Phase from, Phase to,
                bool consistent, const std::function<void()>& also) {
  in_transaction(connection, [&] {
    const Result moved = connection.query(
        "UPDATE lockstep.ledger SET phase = $3, consistent = consistent OR $4::boolean, updated = "
        "now() "
        "WHERE migration = $1 AND phase = $2 AND role = 'replica'",
        {migration, std::string(to_string(from)), std::string(to_string(to)),
         std::string(consistent ? "true" : "false")});
    if (moved.affected() == 1) return also ? also() : void();
    throw Error(
        {.code = "LS-R704",
         .exit = ExitCode::busy,
         .what = fmt::format("migration {} is no longer in phase {}", migration, to_string(from)),
         .why = "another lockstep moved it on",
         .data = "nothing was changed",
         .todo = "lockstep status says who is at work",
         .retry = Retry::new_session});
  });
}

void mark_indexed(Connection& connection, const std::string& migration, std::uint32_t table) {
  const Result marked = connection.query(
      "UPDATE lockstep.ledger_tables SET indexed = true WHERE migration = $1 AND id = $2::integer "
      "AND NOT "
      "indexed",
      {migration, std::to_string(table)});
  check(marked.affected() == 1, "a table's indexes are built once");
}

void remove_ledger(Connection& connection, const std::string& migration) {
  if (!ledger_exists(connection)) return;
  in_transaction(connection, [&] {
    forget_dual_writes(connection, migration);
    connection.query("DELETE FROM lockstep.ledger WHERE migration = $1", {migration});
    if (connection.exec("SELECT 1 FROM lockstep.ledger").rows() > 0) return;
    connection.exec(
        "DROP TABLE IF EXISTS lockstep.verify_ranges, lockstep.verify_differences, "
        "lockstep.verify_tables, lockstep.verify_passes, lockstep.verify_queries");
    connection.exec(
        "DROP TABLE IF EXISTS lockstep.ledger_hooks, lockstep.ledger_foreign_keys, "
        "lockstep.foreign_writes, lockstep.quarantine, lockstep.switchover, lockstep.changes, "
        "lockstep.dual_rows, lockstep.dual_writes");
    connection.exec("DROP TABLE lockstep.ledger_parts, lockstep.ledger_tables, lockstep.ledger");
    drop_wait_for(connection);
    const Result left = connection.exec(
        "SELECT 1 FROM pg_class WHERE relnamespace = 'lockstep'::regnamespace LIMIT 1");
    if (left.rows() > 0) return;
    // What an administrator made (lockstep roles) is not ours to take away.
    if (connection
            .exec("SELECT pg_has_role(nspowner, 'USAGE') FROM pg_namespace WHERE nspname = "
                  "'lockstep'")
            .boolean(0, 0))
      connection.exec("DROP SCHEMA lockstep");
  });
}

std::string advance_sql(const std::string& migration, bool becomes_consistent, bool keeps_dual) {
  return fmt::format(
      "WITH moved AS (UPDATE lockstep.ledger SET era = $1::uuid, seq = $2::bigint, identity = "
      "$3::bigint, batches = batches + 1, changes = changes + $4::bigint, source_wall_us = "
      "$5::bigint, updated = now(){}{} WHERE migration = {} AND role = 'replica' AND era = "
      "$6::uuid AND seq = $7::bigint AND identity = $8::bigint RETURNING switching) SELECT 1 / "
      "count(*), max(CASE WHEN switching THEN pg_notify({}, '')::text END) FROM moved",
      becomes_consistent ? ", consistent = true, phase = 'indexing'" : "",
      keeps_dual ? ", dual_era = $1::uuid, dual_identity = $3::bigint" : "", literal(migration),
      literal(kMovedChannel));
}

}  // namespace lockstep::apply
