#include "switchover/fence_sql.hpp"

#include <fmt/format.h>

#include <array>

#include "link/postgres/names.hpp"
#include "link/sqlite/database.hpp"

namespace lockstep::switchover {

namespace {

constexpr std::array<std::string_view, 3> kOperations{"INSERT", "UPDATE", "DELETE"};

// It runs with the rights of lockstep's role, for who writes need not see the row; so nothing in it
// may depend on the caller's search_path. READ COMMITTED reads the row as it is now; above it the
// snapshot may be older than the fence, and only FOR SHARE notices (tests/db/fence_test.cpp).
// Behind a rollback `ddl hold` opens it for migrations, as it does the guard; the switch ends those
// of before.
constexpr char kBody[] = R"(
DECLARE
  now_role text;
  fenced_by bigint;
BEGIN
  PERFORM pg_advisory_xact_lock_shared({0});
  IF current_setting('transaction_isolation') = 'read committed' THEN
    SELECT s.role, s.fence INTO now_role, fenced_by FROM lockstep.switchover AS s
    WHERE s.migration = {1};
  ELSE
    SELECT s.role, s.fence INTO now_role, fenced_by FROM lockstep.switchover AS s
    WHERE s.migration = {1} FOR SHARE;
  END IF;
  IF now_role = 'fenced' OR now_role = 'replica' AND fenced_by > 0 AND NOT EXISTS (
      SELECT FROM lockstep.ledger AS l WHERE l.migration = {1} AND l.guard_held) THEN
    RAISE EXCEPTION USING ERRCODE = '25006', SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME,
      MESSAGE = {2},
      DETAIL = format('%s on %I.%I was refused; nothing was changed.', TG_OP, TG_TABLE_SCHEMA,
                      TG_TABLE_NAME),
      HINT = 'Write to the SQLite database, or try again in a moment: lockstep route says where.';
  END IF;
  RETURN NULL;
END)";

// As a literal: a dollar quote would end at a name that has it.
constexpr char kFunction[] =
    "CREATE OR REPLACE FUNCTION {0}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET "
    "search_path = pg_catalog, pg_temp AS {1}";

std::string advisory_key(std::string_view what, std::string_view migration) {
  return fmt::format("pg_catalog.hashtextextended({}, 0)",
                     postgres::literal(fmt::format("lockstep {} {}", what, migration)));
}

}  // namespace

std::vector<std::string> sqlite_switch_sql() {
  return {fmt::format("CREATE TABLE IF NOT EXISTS {} (one INTEGER PRIMARY KEY CHECK (one = 1), "
                      "role TEXT NOT NULL, fence INTEGER NOT NULL, attempt INTEGER NOT NULL, "
                      "decision TEXT NOT NULL, reverse_era TEXT, reverse_number INTEGER, "
                      "reverse_identity INTEGER, reverse_snapshot TEXT, reverse_target TEXT)",
                      kSwitchTable),
          fmt::format("CREATE TABLE IF NOT EXISTS {} (one INTEGER PRIMARY KEY CHECK (one = 1), "
                      "writes INTEGER NOT NULL, newest TEXT)",
                      kRefusedTable),
          fmt::format("INSERT OR IGNORE INTO {}(one, role, fence, attempt, decision) VALUES (1, "
                      "'primary', 0, 0, 'none')",
                      kSwitchTable),
          fmt::format("INSERT OR IGNORE INTO {}(one, writes) VALUES (1, 0)", kRefusedTable)};
}

std::vector<FenceTrigger> sqlite_fence_triggers(std::string_view table,
                                                std::string_view migration) {
  const std::string message =
      sqlite::literal(fmt::format("{} the application writes to PostgreSQL now (lockstep migration "
                                  "{}); use that database",
                                  kFencedPrefix, migration));
  std::vector<FenceTrigger> triggers;
  for (const std::string_view operation : kOperations) {
    const std::string name = fmt::format("_lockstep_fence_{}_{}", operation, table);
    triggers.push_back(
        {name, fmt::format("CREATE TRIGGER {} BEFORE {} ON {} WHEN (SELECT role FROM {}) IS NOT "
                           "'primary' BEGIN UPDATE {} SET writes = writes + 1, newest = "
                           "CURRENT_TIMESTAMP || {}; SELECT RAISE(FAIL, {}); END",
                           sqlite::quoted(name), operation, sqlite::quoted(table), kSwitchTable,
                           kRefusedTable,
                           sqlite::literal(fmt::format("Z {} on {}", operation, table)), message)});
  }
  return triggers;
}

std::string fence_function(std::string_view schema) {
  // As guard_function(): the name carries the schema's hash.
  std::string name = postgres::guard_function(schema);
  const std::size_t at = name.find("guard_");
  name.replace(at, std::string_view("guard_").size(), "fence_");
  return name;
}

std::string postgres_fence_function_sql(std::string_view migration, std::string_view schema) {
  const std::string message = fmt::format(
      "{} the application writes to SQLite now (lockstep migration {})", kFencedPrefix, migration);
  const std::string body = fmt::format(kBody, fence_lock(migration), postgres::literal(migration),
                                       postgres::literal(message));
  return fmt::format(kFunction, fence_function(schema), postgres::literal(body));
}

std::string postgres_fence_trigger_sql(std::string_view schema, std::string_view relation_schema,
                                       std::string_view relation, bool rows) {
  const std::string place = postgres::qualified(relation_schema, relation);
  std::string sql;
  const auto add = [&](const char* name, const char* when, const char* each, const char* enabled) {
    sql += fmt::format(
        "{0}CREATE OR REPLACE TRIGGER {1} {2} ON {3} FOR EACH {4} WHEN "
        "(pg_catalog.current_setting('lockstep.applier', true) IS DISTINCT FROM 'on') EXECUTE "
        "FUNCTION {5}(); ALTER TABLE {3} ENABLE {6} TRIGGER {1}",
        sql.empty() ? "" : "; ", name, when, place, each, fence_function(schema), enabled);
  };
  add(kFenceTrigger, "BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE", "STATEMENT", "ALWAYS");
  if (rows) add(kFenceRowTrigger, "AFTER INSERT OR UPDATE OR DELETE", "ROW", "REPLICA");
  return sql;
}

std::string fence_lock(std::string_view migration) {
  return advisory_key("writers", migration);
}

std::string install_lock(std::string_view migration) {
  return advisory_key("install", migration);
}

std::string coordinator_lock(std::string_view migration) {
  return advisory_key("coordinator", migration);
}

}  // namespace lockstep::switchover
