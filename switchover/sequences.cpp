#include "switchover/sequences.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>
#include <utility>

#include "link/postgres/names.hpp"
#include "link/sqlite/scan.hpp"

namespace lockstep::switchover {

namespace {

// Of each column of a table: the sequences that it owns and those that its DEFAULT draws from.
// A nextval() of a text names its sequence only when it runs.
constexpr char kNumberedColumns[] = R"(
SELECT a.attname, s.seqrelid,
  CASE WHEN q.relname IS NOT NULL THEN pg_catalog.format('%I.%I', n.nspname, q.relname) END,
  coalesce(b.typbasetype, a.atttypid) IN (20, 21, 23, 1700), coalesce(s.seqincrement, 1) > 0,
  EXISTS (SELECT FROM pg_catalog.pg_index AS i JOIN pg_catalog.pg_class AS k ON k.oid = i.indexrelid
    JOIN pg_catalog.pg_am AS m ON m.oid = k.relam AND m.amname = 'btree' WHERE i.indrelid =
    a.attrelid AND i.indisvalid AND i.indpred IS NULL AND i.indkey[0] = a.attnum)
FROM pg_catalog.pg_attribute AS a
LEFT JOIN pg_catalog.pg_type AS b ON b.oid = a.atttypid AND b.typtype = 'd'
LEFT JOIN pg_catalog.pg_attrdef AS f ON f.adrelid = a.attrelid AND f.adnum = a.attnum
LEFT JOIN LATERAL (SELECT d.objid AS oid FROM pg_catalog.pg_depend AS d
    WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refclassid = d.classid
    AND d.refobjid = a.attrelid AND d.refobjsubid = a.attnum AND d.deptype IN ('a', 'i')
  UNION SELECT d.refobjid FROM pg_catalog.pg_depend AS d
    WHERE d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass AND d.objid = f.oid
    AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass) AS o
  ON EXISTS (SELECT FROM pg_catalog.pg_sequence AS e WHERE e.seqrelid = o.oid)
LEFT JOIN pg_catalog.pg_sequence AS s ON s.seqrelid = o.oid
LEFT JOIN pg_catalog.pg_class AS q ON q.oid = s.seqrelid
LEFT JOIN pg_catalog.pg_namespace AS n ON n.oid = q.relnamespace
WHERE a.attrelid = $1::pg_catalog.regclass AND a.attnum > 0 AND NOT a.attisdropped
  AND (s.seqrelid IS NOT NULL
       OR strpos(pg_catalog.pg_get_expr(f.adbin, f.adrelid), 'nextval(') > 0)
ORDER BY a.attnum, s.seqrelid)";

// Under the write lock nobody may wait for a table to be read. Texts are greater than all numbers
// in an index, and such rows are not on PostgreSQL.
std::string largest_in_sqlite(const TablePlan& plan, const std::string& target_column) {
  const TableShape& shape = plan.shape;
  for (std::size_t i = 0; i < shape.columns.size(); ++i) {
    if (plan.target_column(i) != target_column) continue;
    const std::string table = sqlite::quoted(shape.name);
    if (i == shape.rowid_alias || shape.columns[i].is_rowid)
      return fmt::format("SELECT max({}) FROM main.{}", sqlite::rowid_of(shape), table);
    if (plan.is_converted(i) || shape.columns[i].collation != "BINARY") return {};
    const auto finds = [&](const Index& index) {
      return !index.partial && !index.terms.empty() && index.terms[0].column == i &&
             index.terms[0].collation == "BINARY";
    };
    if (std::none_of(shape.indexes.begin(), shape.indexes.end(), finds)) return {};
    const std::string column = sqlite::quoted(shape.columns[i].name);
    return fmt::format("SELECT {0} FROM main.{1} WHERE {0} <= {2} ORDER BY {0} DESC LIMIT 1",
                       column, table, std::numeric_limits<std::int64_t>::max());
  }
  return {};
}

// Whether SQLite gives the numbers as well; of a table without a key it is the rowid, which is a
// column on PostgreSQL.
bool numbers_rowid(const TablePlan& plan, const std::string& target_column) {
  const auto counts =
      plan.shape.keyed_by_rowid ? std::optional(plan.shape.key.front()) : plan.shape.rowid_alias;
  return counts && plan.target_column(*counts) == target_column;
}

std::vector<Numbered> all_numbered(postgres::Connection& connection, const std::string& schema,
                                   const std::vector<TablePlan>& plans) {
  std::vector<Numbered> found;
  for (const TablePlan& plan : plans) {
    const std::string target = postgres::qualified(schema, plan.target_name());
    const postgres::Result rows = connection.query(kNumberedColumns, {target});
    for (int row = 0; row < rows.rows(); ++row) {
      const std::string name(rows.value(row, 0));
      const bool named = !rows.is_null(row, 1);
      found.push_back({.table = plan.name(),
                       .name = name,
                       .last = largest_in_sqlite(plan, name),
                       .target = target,
                       .column = postgres::quoted(name),
                       .sequence = named ? std::string(rows.value(row, 2)) : std::string(),
                       .oid = named ? std::string(rows.value(row, 1)) : std::string(),
                       .is_rowid = numbers_rowid(plan, name),
                       .autoincrement = plan.shape.autoincrement,
                       .indexed = rows.boolean(row, 5),
                       .obstacle = !named ? "its DEFAULT names the sequence as a text"
                                   : !rows.boolean(row, 3) ? "the column is no integer"
                                   : !rows.boolean(row, 4) ? "it counts down"
                                                           : ""});
    }
  }
  return found;
}

// One number that is above what both sides have. A sequence that has not come to its start is left
// alone; a numeric may be greater than any sequence.
std::string set_sql(const Numbered& each, const Counted& counted, bool read_table) {
  const auto number = [](const std::optional<std::int64_t>& value) {
    return value ? std::to_string(*value) : std::string("NULL");
  };
  const std::string largest =
      read_table ? fmt::format(
                       "(SELECT CASE WHEN max({0}) > {2} THEN {2} ELSE max({0}) END FROM "
                       "{1})",  // least() passes over the NULL of an empty table
                       each.column, each.target, "9223372036854775807")
                 : std::string("NULL");
  return fmt::format(
      "SELECT setval(s.seqrelid::regclass, t.top::bigint) FROM (SELECT greatest({1}, {2}, {3}, "
      "pg_sequence_last_value({0}::oid::regclass)) AS top) AS t, pg_sequence AS s WHERE s.seqrelid "
      "= {0} AND t.top >= s.seqmin;",
      each.oid, largest, number(counted.largest), number(counted.sequence));
}

}  // namespace

std::vector<Numbered> numbered_tables(postgres::Connection& connection, const std::string& schema,
                                      const std::vector<TablePlan>& plans) {
  std::vector<Numbered> found = all_numbered(connection, schema, plans);
  std::erase_if(found, [](const Numbered& each) { return !each.obstacle.empty(); });
  return found;
}

std::vector<Numbered> unset_sequences(postgres::Connection& connection, const std::string& schema,
                                      const std::vector<TablePlan>& plans) {
  std::vector<Numbered> found = all_numbered(connection, schema, plans);
  std::erase_if(found, [](const Numbered& each) { return each.obstacle.empty(); });
  return found;
}

SqliteCounts::SqliteCounts(sqlite::Database& database, const std::vector<Numbered>& tables)
    : tables_(tables) {
  for (const Numbered& each : tables) {
    std::optional<sqlite::Statement>& largest = largest_.emplace_back();
    if (!each.last.empty()) largest.emplace(database, each.last);
  }
  sqlite::Statement there(database,
                          "SELECT 1 FROM main.sqlite_master WHERE name = 'sqlite_sequence'");
  if (there.step())
    sequences_.emplace(database,
                       "SELECT name, seq FROM main.sqlite_sequence WHERE seq IS NOT NULL");
}

std::vector<Counted> SqliteCounts::read() {
  std::map<std::string, std::int64_t, std::less<>> sequences;
  if (sequences_) {
    const sqlite::ResetAtEnd reset(*sequences_);
    while (sequences_->step()) sequences[sequences_->text(0)] = sequences_->integer(1);
  }
  std::vector<Counted> counted;
  for (std::size_t i = 0; i < tables_.size(); ++i) {
    Counted& each = counted.emplace_back();
    if (auto& largest = largest_[i]) {
      const sqlite::ResetAtEnd reset(*largest);
      if (largest->step() && !largest->is_null(0)) each.largest = largest->integer(0);
    }
    if (!tables_[i].is_rowid) continue;
    const auto found = sequences.find(tables_[i].table);
    if (found != sequences.end()) each.sequence = found->second;
  }
  return counted;
}

std::size_t set_sequences(postgres::Connection& connection, const std::vector<Numbered>& tables,
                          const std::vector<Counted>& counted) {
  std::string sql;
  for (std::size_t i = 0; i < tables.size(); ++i) sql += set_sql(tables[i], counted[i], true);
  if (!sql.empty()) connection.exec(sql);
  return tables.size();
}

std::size_t set_sequences(postgres::Connection& connection, const std::vector<Numbered>& tables,
                          const std::vector<Counted>& counted, const std::vector<Counted>& known) {
  std::string sql;
  std::size_t set = 0;
  for (std::size_t i = 0; i < tables.size(); ++i) {
    if (tables[i].is_slow() || (!tables[i].last.empty() && known[i] == counted[i])) continue;
    sql += set_sql(tables[i], counted[i], tables[i].indexed);
    ++set;
  }
  if (!sql.empty()) connection.exec(sql);
  return set;
}

std::size_t set_slow_sequences(postgres::Connection& connection,
                               const std::vector<Numbered>& tables) {
  std::string sql;
  std::size_t set = 0;
  for (const Numbered& each : tables) {
    if (!each.is_slow()) continue;
    sql += set_sql(each, {}, true);
    ++set;
  }
  if (!sql.empty()) connection.exec(sql);
  return set;
}

std::vector<LeastSequence> least_sequences(postgres::Connection& connection,
                                           const std::vector<Numbered>& tables) {
  std::vector<LeastSequence> least;
  for (const Numbered& each : tables) {
    if (!each.autoincrement || !each.is_rowid) continue;
    const postgres::Result last =
        connection.query("SELECT pg_sequence_last_value($1::oid::regclass)", {each.oid});
    if (!last.is_null(0, 0)) least.push_back({each.table, last.integer(0, 0)});
  }
  return least;
}

}  // namespace lockstep::switchover
