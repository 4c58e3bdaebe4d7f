#include "switchover/reverse_log.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>
#include <utility>

#include "link/postgres/decode.hpp"
#include "link/postgres/names.hpp"
#include "link/postgres/table_change.hpp"
#include "switchover/reverse_columns.hpp"

namespace lockstep::switchover {

namespace {

using postgres::Connection;
using postgres::literal;
using postgres::qualified;
using postgres::Result;

bool is_no_log(const Error& error) {
  return error.foreign() == "42P01" || error.foreign() == "3F000";
}

constexpr char kLog[] = "_lockstep_log";  // target_tables and existing know the names, too
constexpr char kLogTruncate[] = "_lockstep_log_truncate";

// Not unlogged: it has to survive what the tables survive. No index: rows live for milliseconds.
constexpr char kCreateLog[] = R"(
CREATE TABLE IF NOT EXISTS lockstep.changes (
  seq bigint GENERATED ALWAYS AS IDENTITY,
  xid xid8 NOT NULL DEFAULT pg_catalog.pg_current_xact_id(),
  migration text NOT NULL,
  tbl integer NOT NULL,
  key text[]
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000))";

/// A text that means the same in every session: by the type of a key column.
std::string settings_for(const TablePlan& plan) {
  std::set<std::string> settings;
  for (const std::size_t column : plan.shape.key) switch (plan.types[column]) {
      case ColumnType::double_precision:
        settings.insert(" SET extra_float_digits = 1");
        break;
      case ColumnType::date:
      case ColumnType::timestamp:
      case ColumnType::timestamp_ms:
        settings.insert(" SET DateStyle = 'ISO, YMD'");
        break;
      case ColumnType::timestamptz:
        settings.insert(" SET DateStyle = 'ISO, YMD'");
        settings.insert(" SET TimeZone = 'UTC'");
        break;
      case ColumnType::bytea:
        settings.insert(" SET bytea_output = 'hex'");
        break;
      case ColumnType::bigint:
      case ColumnType::text:
      case ColumnType::numeric:
      case ColumnType::boolean:
      case ColumnType::uuid:
      case ColumnType::json:
        break;
    }
  // A table that was there may have an instant with a zone behind what came without one.
  if (plan.existing && settings.contains(" SET DateStyle = 'ISO, YMD'"))
    settings.insert(" SET TimeZone = 'UTC'");
  return fmt::format("{}", fmt::join(settings, ""));
}

std::string key_text(const TablePlan& plan, std::string_view row) {
  std::vector<std::string> columns;
  for (const std::size_t column : plan.shape.key)
    columns.push_back(
        fmt::format("{}.{}::text", row, postgres::quoted(plan.target_column(column))));
  return fmt::format("ARRAY[{}]", fmt::join(columns, ", "));
}

std::string body(const std::string& migration, const TablePlan& plan) {
  const std::string insert =
      fmt::format("INSERT INTO lockstep.changes (migration, tbl, key) VALUES ({}, {}, ",
                  literal(migration), plan.id);
  return fmt::format(R"(
BEGIN
  IF TG_OP = 'INSERT' THEN
    {0}{1});
  ELSIF TG_OP = 'TRUNCATE' THEN
    {0}NULL);
  ELSE
    {0}{2});
    IF TG_OP = 'UPDATE' AND {1} IS DISTINCT FROM {2} THEN
      {0}{1});
    END IF;
  END IF;
  RETURN NULL;
END)",
                     insert, key_text(plan, "NEW"), key_text(plan, "OLD"));
}

std::string function_sql(const std::string& migration, const std::string& schema,
                         const TablePlan& plan) {
  const std::string name = postgres::log_function(schema, plan.id);
  return fmt::format(
      "CREATE OR REPLACE FUNCTION {0}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET "
      "search_path = pg_catalog, pg_temp{1} AS {2}; REVOKE ALL ON FUNCTION "
      "{0}() FROM PUBLIC",
      name, settings_for(plan), literal(body(migration, plan)));
}

std::string triggers_sql(const std::string& function, const std::string& relation, bool rows) {
  constexpr std::string_view kWhen =
      "WHEN (pg_catalog.current_setting('lockstep.applier', true) IS DISTINCT FROM 'on')";
  std::string sql;
  const auto add = [&](std::string_view name, std::string_view events, std::string_view each) {
    sql += fmt::format(
        "; CREATE OR REPLACE TRIGGER {0} AFTER {1} ON {2} FOR EACH {3} {4} EXECUTE FUNCTION {5}(); "
        "ALTER TABLE {2} ENABLE ALWAYS TRIGGER {0}",
        name, events, relation, each, kWhen, function);
  };
  if (rows) add(kLog, "INSERT OR UPDATE OR DELETE", "ROW");
  add(kLogTruncate, "TRUNCATE", "STATEMENT");
  return sql;
}

// The tables and their partitions, and which of our triggers are there as they should be.
// pg_trigger has the events as bits: row 1, insert 4, delete 8, update 16, truncate 32.
constexpr char kLogPlaces[] = R"(
WITH ours AS (
  SELECT w.place, c.oid, c.relkind FROM pg_catalog.unnest($2::text[]) WITH ORDINALITY AS w(name, place)
  JOIN pg_catalog.pg_namespace AS n ON n.nspname = $1
  JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relname = w.name
    AND c.relkind IN ('r', 'p')),
places AS (
  SELECT place, oid, true AS root FROM ours
  UNION
  SELECT o.place, p.relid, p.relid = o.oid FROM ours AS o, pg_catalog.pg_partition_tree(o.oid) AS p
  WHERE o.relkind = 'p')
SELECT p.place, p.root, n.nspname, c.relname,
  pg_catalog.has_table_privilege(c.oid, 'TRIGGER'), pg_catalog.pg_has_role(c.relowner, 'USAGE'),
  pg_catalog.pg_get_userbyid(c.relowner),
  (SELECT count(*) FROM pg_catalog.pg_trigger AS g
   WHERE g.tgrelid = c.oid AND g.tgenabled = 'A' AND g.tgattr::text = ''
     AND g.tgfoid = pg_catalog.to_regprocedure(f.name)
     AND (g.tgname, g.tgtype) IN (('_lockstep_log', 29), ('_lockstep_log_truncate', 32))
     AND pg_catalog.pg_get_triggerdef(g.oid) LIKE
       '%WHEN ((current_setting(''lockstep.applier''::text, true) IS DISTINCT FROM ''on''::text)) EXECUTE%') = 2,
  (SELECT r.prosrc FROM pg_catalog.pg_proc AS r WHERE r.oid = pg_catalog.to_regprocedure(f.name)
   AND r.prosecdef)
FROM places AS p JOIN pg_catalog.pg_class AS c ON c.oid = p.oid
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_catalog.unnest($3::text[]) WITH ORDINALITY AS f(name, place) ON f.place = p.place
ORDER BY 1, 2 DESC, 3, 4)";

struct Place {
  std::size_t plan = 0;
  bool root = false;  // the table itself; else a partition of it
  std::string schema, name;
  bool may = false;
  std::string owner;
  bool logs = false;
};

std::vector<Place> places(Connection& connection, const std::string& migration,
                          const std::string& schema, const std::vector<TablePlan>& plans) {
  std::vector<std::string> names, functions;
  for (const TablePlan& plan : plans) {
    names.push_back(plan.target_name());
    functions.push_back(postgres::log_function(schema, plan.id) + "()");
  }
  const Result rows = connection.query(
      kLogPlaces, {schema, postgres::text_array(names), postgres::text_array(functions)});
  std::vector<Place> found;
  for (int row = 0; row < rows.rows(); ++row) {
    const auto plan = static_cast<std::size_t>(rows.integer(row, 0) - 1);
    found.push_back({plan, rows.boolean(row, 1), std::string(rows.value(row, 2)),
                     std::string(rows.value(row, 3)), rows.boolean(row, 4) && rows.boolean(row, 5),
                     std::string(rows.value(row, 6)),
                     rows.boolean(row, 7) && rows.value(row, 8) == body(migration, plans[plan])});
  }
  return found;
}

[[noreturn]] void throw_not_done(const std::string& what, const std::string& why) {
  throw Error({.code = "LS-X614",
               .exit = ExitCode::precondition,
               .what = what,
               .why = why,
               .data = "nothing is lost; the tables that are done stay done",
               .todo = "end what holds the table, or give lockstep's role what it needs (it has to "
                       "own the tables or be a member of their owner), and try again",
               .retry = Retry::same_session});
}

// Others' statements wait behind us while we wait: so not for long.
void change(Connection& connection, const std::string& relation, const std::string& sql,
            std::string_view doing) {
  try {
    postgres::change_tables(connection, {relation}, sql, Milliseconds{500});
  } catch (const Error& error) {
    if (error.foreign().empty() || !connection.alive()) throw;
    throw_not_done(fmt::format("{} the triggers of {}, which log for the way back, did not work",
                               doing, relation),
                   error.facts().why);
  }
}

bool log_exists(Connection& connection) {
  return connection.exec("SELECT pg_catalog.to_regclass('lockstep.changes') IS NOT NULL")
      .boolean(0, 0);
}

}  // namespace

void install_reverse_log(Connection& connection, const std::string& migration,
                         const std::string& schema, const std::vector<TablePlan>& plans) {
  if (!log_exists(connection)) connection.exec(kCreateLog);
  const std::vector<Place> all = places(connection, migration, schema, plans);
  for (std::size_t i = 0; i < plans.size(); ++i) {
    const bool there = std::any_of(
        all.begin(), all.end(), [&](const Place& place) { return place.plan == i && place.root; });
    const bool done = std::all_of(
        all.begin(), all.end(), [&](const Place& place) { return place.plan != i || place.logs; });
    if (!there || done) continue;
    const std::string function = postgres::log_function(schema, plans[i].id);
    std::string sql = function_sql(migration, schema, plans[i]);
    for (const Place& place : all) {
      if (place.plan != i) continue;
      if (!place.may)
        throw_not_done(fmt::format("table {}.{} cannot get the triggers that log for the way back",
                                   place.schema, place.name),
                       fmt::format("lockstep's role is neither its owner ({}) nor a member of it",
                                   place.owner));
      sql += triggers_sql(function, qualified(place.schema, place.name), place.root);
    }
    change(connection, plans[i].target_name(), sql, "making");
  }
}

std::string reverse_log_table_sql() {
  return kCreateLog;
}

std::string reverse_log_sql(const std::string& migration, const std::string& schema,
                            const TablePlan& plan) {
  return function_sql(migration, schema, plan) +
         triggers_sql(postgres::log_function(schema, plan.id),
                      qualified(schema, plan.target_name()), true);
}

std::vector<std::string> cannot_log(Connection& connection, const std::string& migration,
                                    const std::string& schema,
                                    const std::vector<TablePlan>& plans) {
  std::vector<std::string> sentences;
  for (const Place& place : places(connection, migration, schema, plans))
    if (!place.may)
      sentences.push_back(
          fmt::format("{}: lockstep's role is neither its owner ({}) nor a member "
                      "of it, and cannot make the triggers of the way back",
                      place.name, place.owner));
  return sentences;
}

std::vector<std::string> reverse_log_missing(Connection& connection, const std::string& migration,
                                             const std::string& schema,
                                             const std::vector<TablePlan>& plans) {
  std::vector<std::string> names;
  const std::vector<Place> all = places(connection, migration, schema, plans);
  const bool log = log_exists(connection);
  for (std::size_t i = 0; i < plans.size(); ++i) {
    bool there = false, logs = true;
    for (const Place& place : all) {
      if (place.plan != i) continue;
      there = there || place.root;
      logs = logs && place.logs;
    }
    if (!log || !there || !logs) names.push_back(plans[i].name());
  }
  return names;
}

void remove_reverse_log(Connection& connection, const std::string& migration,
                        const std::string& schema) {
  const std::string pattern = postgres::log_function(schema, 0);
  // lockstep."log_<hash>_0": all of that schema's have the same beginning.
  const std::string prefix = pattern.substr(pattern.find('.') + 2);
  const std::string head = prefix.substr(0, prefix.size() - 2);
  const Result triggers = connection.query(
      "SELECT n.nspname, c.relname, g.tgname FROM pg_catalog.pg_trigger AS g "
      "JOIN pg_catalog.pg_proc AS p ON p.oid = g.tgfoid AND p.pronamespace = "
      "pg_catalog.to_regnamespace('lockstep') AND pg_catalog.starts_with(p.proname, $1) "
      "JOIN pg_catalog.pg_class AS c ON c.oid = g.tgrelid "
      "JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace WHERE g.tgparentid = 0 "
      "ORDER BY 1, 2, 3",
      {head});
  for (int row = 0; row < triggers.rows(); ++row) {
    const std::string relation = qualified(triggers.value(row, 0), triggers.value(row, 1));
    change(connection, relation,
           fmt::format("DROP TRIGGER IF EXISTS {} ON {}", postgres::quoted(triggers.value(row, 2)),
                       relation),
           "dropping");
  }
  const Result functions = connection.query(
      "SELECT proname FROM pg_catalog.pg_proc WHERE pronamespace = "
      "pg_catalog.to_regnamespace('lockstep') AND pg_catalog.starts_with(proname, $1)",
      {head});
  for (int row = 0; row < functions.rows(); ++row)
    connection.exec(fmt::format("DROP FUNCTION IF EXISTS {}()",
                                qualified(postgres::kControlSchema, functions.value(row, 0))));
  if (!log_exists(connection)) return;
  connection.query("DELETE FROM lockstep.changes WHERE migration = $1", {migration});
  if (connection
          .exec(
              "SELECT EXISTS (SELECT FROM lockstep.changes) OR EXISTS (SELECT FROM "
              "pg_catalog.pg_proc WHERE pronamespace = pg_catalog.to_regnamespace('lockstep') AND "
              "proname ~ '^log_[0-9a-f]{16}_[0-9]+$')")
          .boolean(0, 0))
    return;
  change(connection, "lockstep.changes", "DROP TABLE IF EXISTS lockstep.changes", "dropping");
}

bool reverse_log_has_changes(Connection& connection, const std::string& migration) {
  try {
    return connection
        .query("SELECT EXISTS (SELECT FROM lockstep.changes WHERE migration = $1)", {migration})
        .boolean(0, 0);
  } catch (const Error& error) {
    if (is_no_log(error)) return false;
    throw;
  }
}

std::int64_t count_logged(Connection& connection, const std::string& migration) {
  try {
    return connection
        .query("SELECT count(*) FROM lockstep.changes WHERE migration = $1", {migration})
        .integer(0, 0);
  } catch (const Error& error) {
    if (is_no_log(error)) return 0;
    throw;
  }
}

std::vector<CannotGoBack> cannot_go_back(Connection& connection, const std::string& schema,
                                         const std::vector<TablePlan>& plans) {
  std::vector<const TablePlan*> all;
  for (const TablePlan& plan : plans) all.push_back(&plan);
  std::vector<CannotGoBack> columns = column_changes(connection, schema, all);
  for (const TablePlan& plan : plans)
    for (postgres::OneWayColumn& one : postgres::cannot_go_back(plan))
      columns.push_back({std::move(one.table), std::move(one.column), std::move(one.why), false});
  return columns;
}

}  // namespace lockstep::switchover
