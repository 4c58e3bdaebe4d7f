#include "switchover/sequences.hpp"

#include <fmt/format.h>

#include <optional>

#include "link/postgres/names.hpp"
#include "link/sqlite/statement.hpp"

namespace lockstep::switchover {

using postgres::literal;

std::vector<Numbered> numbered_tables(postgres::Connection& connection, const std::string& schema,
                                      const std::vector<TablePlan>& plans) {
  std::vector<Numbered> found;
  for (const TablePlan& plan : plans) {
    // Of a table without a key PostgreSQL numbers the rowid, which is a column there.
    const auto counts =
        plan.shape.keyed_by_rowid ? std::optional(plan.shape.key.front()) : plan.shape.rowid_alias;
    if (!counts) continue;
    const std::string& column = plan.target_column(*counts);
    const std::string target = postgres::qualified(schema, plan.target_name());
    const postgres::Result sequence =
        connection.query("SELECT pg_get_serial_sequence($1, $2)", {target, column});
    if (sequence.is_null(0, 0)) continue;
    found.push_back({plan.name(), target, postgres::quoted(column),
                     std::string(sequence.value(0, 0)), plan.shape.autoincrement});
  }
  return found;
}

std::map<std::string, std::int64_t> read_sqlite_sequences(sqlite::Database& database) {
  std::map<std::string, std::int64_t> sequences;
  {
    sqlite::Statement there(database,
                            "SELECT 1 FROM main.sqlite_master WHERE name = 'sqlite_sequence'");
    if (!there.step()) return sequences;  // no table of this database counts
  }
  sqlite::Statement rows(database, "SELECT name, seq FROM sqlite_sequence WHERE seq IS NOT NULL");
  while (rows.step()) sequences[rows.text(0)] = rows.integer(1);
  return sequences;
}

void set_sequences(postgres::Connection& connection, const std::vector<Numbered>& tables,
                   const std::map<std::string, std::int64_t>& sqlite_sequences) {
  std::string sql;
  for (const Numbered& each : tables) {
    const auto counted = sqlite_sequences.find(each.table);
    sql += fmt::format(
        "SELECT setval({0}, top) FROM (SELECT greatest(max({1}), {2}, "
        "pg_sequence_last_value({0}::regclass)) AS top FROM {3}) AS t WHERE top >= 1;",
        literal(each.sequence), each.column,
        counted == sqlite_sequences.end() ? std::string("NULL") : std::to_string(counted->second),
        each.target);
  }
  if (!sql.empty()) connection.exec(sql);
}

std::vector<LeastSequence> least_sequences(postgres::Connection& connection,
                                           const std::vector<Numbered>& tables) {
  std::vector<LeastSequence> least;
  for (const Numbered& each : tables) {
    if (!each.autoincrement) continue;
    const postgres::Result last =
        connection.query("SELECT pg_sequence_last_value($1::regclass)", {each.sequence});
    if (!last.is_null(0, 0)) least.push_back({each.table, last.integer(0, 0)});
  }
  return least;
}

}  // namespace lockstep::switchover
