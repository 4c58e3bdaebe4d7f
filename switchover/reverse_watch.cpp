#include "switchover/reverse_watch.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <utility>

#include "apply/quarantine.hpp"
#include "link/postgres/names.hpp"
#include "switchover/postgres_side.hpp"
#include "switchover/reverse_errors.hpp"
#include "switchover/reverse_log.hpp"

namespace lockstep::switchover {

namespace {

using postgres::Connection;
using postgres::Result;

// xmin is who made this version of a row of the catalog: triggers that were disabled and enabled
// again in one transaction have another. Plain reads, which the snapshot binds: what functions like
// pg_partition_tree() say is of this moment. TRUNCATE is not in it, for it is logged.
constexpr char kMarks[] = R"(
WITH RECURSIVE ours AS (
  SELECT w.place, c.oid FROM pg_catalog.unnest($3::text[]) WITH ORDINALITY AS w(name, place)
  JOIN pg_catalog.pg_namespace AS n ON n.nspname = $2
  JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relname = w.name
    AND c.relkind IN ('r', 'p')),
tree AS (
  SELECT place, oid, ''::text AS link FROM ours
  UNION ALL
  SELECT t.place, i.inhrelid, i.inhparent::text || '/' || i.xmin::text
  FROM tree AS t JOIN pg_catalog.pg_inherits AS i ON i.inhparent = t.oid),
-- An enum's label is what its rows say, and is renamed without a write.
types AS (
  SELECT o.place, a.atttypid AS oid FROM ours AS o JOIN pg_catalog.pg_attribute AS a
    ON a.attrelid = o.oid AND a.attnum > 0 AND NOT a.attisdropped
  UNION
  SELECT k.place, u.oid FROM types AS k JOIN pg_catalog.pg_type AS t ON t.oid = k.oid
  CROSS JOIN LATERAL (VALUES (t.typbasetype), (t.typelem)) AS u(oid) WHERE u.oid <> 0),
labels AS (
  SELECT k.place, pg_catalog.string_agg(e.oid::text || '/' || e.xmin::text, ' ' ORDER BY e.oid)
    AS of_all
  FROM types AS k JOIN pg_catalog.pg_enum AS e ON e.enumtypid = k.oid GROUP BY k.place),
links AS (
  SELECT place, pg_catalog.string_agg(oid::text || '/' || link, ' ' ORDER BY oid, link) AS of_all
  FROM tree WHERE link <> '' GROUP BY place),
logs AS (
  SELECT t.place, pg_catalog.string_agg(g.tgrelid::text || '/' || g.oid::text || '/' || g.xmin::text
      || '/' || p.oid::text || '/' || p.xmin::text, ' ' ORDER BY g.tgrelid, g.oid) AS of_all
  FROM tree AS t JOIN pg_catalog.pg_trigger AS g ON g.tgrelid = t.oid
    AND g.tgname IN ('_lockstep_log', '_lockstep_log_truncate')
  JOIN pg_catalog.pg_proc AS p ON p.oid = g.tgfoid
  GROUP BY t.place)
SELECT l.id, l.reverse_seen, o.oid::text || ' ' || pg_catalog.md5(coalesce((
    SELECT pg_catalog.string_agg(a.attnum::text || '/' || a.xmin::text, ' ' ORDER BY a.attnum)
    FROM pg_catalog.pg_attribute AS a WHERE a.attrelid = o.oid AND a.attnum > 0), '') || coalesce(' ' || labels.of_all, ''))
  || ' ' || pg_catalog.md5(coalesce(links.of_all, ''))
  || ' ' || pg_catalog.md5(coalesce(logs.of_all, ''))
FROM pg_catalog.unnest($4::integer[]) WITH ORDINALITY AS f(id, place)
JOIN lockstep.ledger_tables AS l ON l.migration = $1 AND l.id = f.id
LEFT JOIN ours AS o USING (place) LEFT JOIN labels USING (place)
LEFT JOIN links USING (place) LEFT JOIN logs USING (place)
ORDER BY place)";

constexpr std::string_view kNotGranted = "55P03";  // within lock_timeout

// The words of a mark, and what each is of.
constexpr std::array kParts{"it is another table", "its columns or their types", "its partitions",
                            "the triggers that log"};

std::vector<std::string_view> words(std::string_view mark) {
  std::vector<std::string_view> all;
  while (!mark.empty()) {
    const std::size_t end = std::min(mark.find(' '), mark.size());
    all.push_back(mark.substr(0, end));
    mark.remove_prefix(std::min(end + 1, mark.size()));
  }
  return all;
}

std::vector<const TablePlan*> pointers(const std::vector<TablePlan>& plans) {
  std::vector<const TablePlan*> all;
  for (const TablePlan& plan : plans) all.push_back(&plan);
  return all;
}

// A reading anew takes what PostgreSQL has not out of SQLite. Rows of the quarantine were never
// there; so of such a table each row is logged, and a comparison shows what was deleted.
std::string log_each_row(const std::string& schema, const TablePlan& plan) {
  std::vector<std::string> key;
  for (const std::size_t column : plan.shape.key)
    key.push_back(fmt::format("t.{}::text", postgres::quoted(plan.target_column(column))));
  return fmt::format(
      "INSERT INTO lockstep.changes (migration, tbl, key) SELECT $1, $2::integer, ARRAY[{}] FROM "
      "{} AS t",
      fmt::join(key, ", "), postgres::qualified(schema, plan.target_name()));
}

void log_anew(Connection& connection, const std::string& migration, const std::string& schema,
              const std::vector<TablePlan>& plans, const std::vector<MovedTable>& moved) {
  std::set<std::uint32_t> set_aside;
  for (const apply::QuarantinedRow& each : apply::read_quarantine(connection, migration))
    set_aside.insert(each.row.table);
  for (const MovedTable& each : moved) {
    const auto plan = std::find_if(plans.begin(), plans.end(),
                                   [&](const TablePlan& one) { return one.id == each.id; });
    if (!each.there || plan == plans.end()) continue;
    connection.query(
        set_aside.contains(each.id)
            ? log_each_row(schema, *plan)
            : std::string("INSERT INTO lockstep.changes (migration, tbl, key) VALUES ($1, "
                          "$2::integer, NULL)"),
        {migration, fmt::to_string(each.id)});
  }
}

// How they are now counts from here on. What is remembered always has its triggers: so whoever
// finds a mark unchanged need not look at these.
void remember(Connection& connection, const std::string& migration, const std::string& schema,
              const std::vector<TablePlan>& plans, const std::vector<MovedTable>& moved) {
  for (const std::string& missing : reverse_log_missing(connection, migration, schema, plans))
    if (std::any_of(moved.begin(), moved.end(),
                    [&](const MovedTable& each) { return each.there && each.table == missing; }))
      throw triggers_gone(missing);
  for (const MovedTable& each : moved)
    if (each.there)
      connection.query(
          "UPDATE lockstep.ledger_tables SET reverse_seen = $3 WHERE migration = $1 AND id = "
          "$2::integer",
          {migration, fmt::to_string(each.id), each.seen});
}

std::vector<std::string_view> moved_parts(std::string_view then, std::string_view now) {
  const auto before = words(then), after = words(now);
  std::vector<std::string_view> parts;
  for (std::size_t i = 0; i < kParts.size(); ++i)
    if (before.size() != kParts.size() || after.size() != kParts.size() || before[i] != after[i])
      parts.emplace_back(kParts[i]);
  // Whatever else belongs to another table is another one, too.
  if (!parts.empty() && parts.front() == kParts.front()) parts.resize(1);
  return parts;
}

Result marks_now(Connection& connection, const std::string& migration, const std::string& schema,
                 const std::vector<const TablePlan*>& plans) {
  std::vector<std::string> names, ids;
  for (const TablePlan* const plan : plans) {
    names.push_back(plan->target_name());
    ids.push_back(fmt::to_string(plan->id));
  }
  return connection.query(
      kMarks, {migration, schema, postgres::text_array(names), postgres::text_array(ids)});
}

}  // namespace

std::string what_moved(std::string_view then, std::string_view now) {
  if (then == now) return {};
  if (now.empty()) return "it is not there";
  if (then.empty()) return "nobody has watched it so far";
  return fmt::format("{}", fmt::join(moved_parts(then, now), ", "));
}

std::string what_was_altered(std::string_view then, std::string_view now) {
  if (then.empty()) return "by a lockstep that did not look at it";
  if (then == now || now.empty()) return what_moved(then, now);
  std::vector<std::string_view> parts = moved_parts(then, now);
  std::erase(parts, std::string_view(kParts.back()));
  return fmt::format("{}", fmt::join(parts, ", "));
}

std::map<std::uint32_t, std::string> table_marks(Connection& connection,
                                                 const std::string& migration,
                                                 const std::string& schema,
                                                 const std::vector<TablePlan>& plans) {
  const Result rows = marks_now(connection, migration, schema, pointers(plans));
  std::map<std::uint32_t, std::string> marks;
  for (int row = 0; row < rows.rows(); ++row)
    if (!rows.is_null(row, 2))
      marks.emplace(static_cast<std::uint32_t>(rows.integer(row, 0)), rows.value(row, 2));
  return marks;
}

std::vector<MovedTable> moved_tables(Connection& connection, const std::string& migration,
                                     const std::string& schema,
                                     const std::vector<const TablePlan*>& plans, bool unseen) {
  const Result rows = marks_now(connection, migration, schema, plans);
  std::vector<MovedTable> moved;
  for (int row = 0; row < rows.rows(); ++row) {
    const auto id = static_cast<std::uint32_t>(rows.integer(row, 0));
    const auto plan = std::find_if(plans.begin(), plans.end(),
                                   [&](const TablePlan* one) { return one->id == id; });
    const std::string_view then = rows.is_null(row, 1) ? "" : rows.value(row, 1);
    const std::string_view now = rows.is_null(row, 2) ? "" : rows.value(row, 2);
    if (then.empty() && !unseen) continue;
    if (std::string what = what_moved(then, now); !what.empty())
      moved.push_back({id, (*plan)->name(), std::move(what), !now.empty(), std::string(now)});
  }
  return moved;
}

Error tables_moved(const std::vector<MovedTable>& moved) {
  std::vector<std::string> sentences;
  for (const MovedTable& each : moved)
    sentences.push_back(fmt::format("{}: {}", each.table, each.what));
  return Error(
      {.code = "LS-X663",
       .exit = ExitCode::precondition,
       .what = fmt::format(
           "{} table(s) were altered on PostgreSQL since the cutover, and what was written "
           "meanwhile may not be in the log",
           moved.size()),
       .why = fmt::format("changed: {}", fmt::join(sentences, "; ")),
       .data = "nothing is lost: PostgreSQL has it, and SQLite gets it before any rollback",
       .todo = "nothing: lockstep run makes the triggers anew and reads these tables "
               "anew; try again behind it",
       .retry = Retry::same_session});
}

void require_nothing_moved(Connection& connection, const std::string& migration,
                           const std::string& schema, const std::vector<TablePlan>& plans) {
  const auto moved = moved_tables(connection, migration, schema, pointers(plans), true);
  if (!moved.empty()) throw tables_moved(moved);
}

void remember_tables(Connection& connection, const std::string& migration,
                     const std::string& schema, const std::vector<TablePlan>& plans) {
  connection.exec("BEGIN ISOLATION LEVEL REPEATABLE READ READ WRITE");
  try {
    remember(connection, migration, schema, plans,
             moved_tables(connection, migration, schema, pointers(plans), true));
    connection.exec("COMMIT");
  } catch (...) {
    connection.abort();
    throw;
  }
}

std::vector<MovedTable> follow_moved_tables(Connection& connection, const std::string& migration,
                                            const std::string& schema,
                                            const std::vector<TablePlan>& plans) {
  // No lock is asked for: a table that somebody holds keeps nothing up.
  std::vector<MovedTable> moved =
      moved_tables(connection, migration, schema, pointers(plans), true);
  if (moved.empty()) return moved;
  std::vector<TablePlan> those;
  for (const TablePlan& plan : plans)
    if (std::any_of(moved.begin(), moved.end(),
                    [&](const MovedTable& each) { return each.id == plan.id; }))
      those.push_back(plan);
  // What was written without a trigger and committed before this snapshot is read anew; what is
  // committed behind it, together with the change that let it pass, moves the mark once more.
  try {
    connection.exec("SET lock_timeout = 1000");
    install_reverse_log(connection, migration, schema, those);
    fence_new_tables(connection, migration, schema);
    connection.exec("BEGIN ISOLATION LEVEL REPEATABLE READ READ WRITE");
    moved = moved_tables(connection, migration, schema, pointers(those), true);
    remember(connection, migration, schema, those, moved);
    log_anew(connection, migration, schema, those, moved);
    connection.exec("COMMIT; SET lock_timeout = 0");
  } catch (const Error& error) {
    connection.abort();
    if (!connection.alive()) throw;
    connection.exec("SET lock_timeout = 0");
    if (error.foreign() == kNotGranted) throw table_is_locked(error.facts().why);
    throw;
  }
  std::vector<std::string> gone;
  for (const MovedTable& each : moved)
    if (!each.there) gone.push_back(each.table + ": is no longer there");
  if (!gone.empty()) throw columns_changed(gone);
  return moved;
}

}  // namespace lockstep::switchover
