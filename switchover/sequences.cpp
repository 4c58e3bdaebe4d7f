#include "switchover/sequences.hpp"

#include <fmt/format.h>

#include <map>
#include <utility>

#include "link/postgres/names.hpp"
#include "link/sqlite/scan.hpp"

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
    found.push_back({plan.name(), sqlite::rowid_of(plan.shape), target, postgres::quoted(column),
                     std::string(sequence.value(0, 0)), plan.shape.autoincrement});
  }
  return found;
}

SqliteCounts::SqliteCounts(sqlite::Database& database, const std::vector<Numbered>& tables)
    : tables_(tables) {
  for (const Numbered& each : tables)
    largest_.emplace_back(database, fmt::format("SELECT max({}) FROM main.{}", each.rowid,
                                                sqlite::quoted(each.table)));
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
    const sqlite::ResetAtEnd reset(largest_[i]);
    if (largest_[i].step() && !largest_[i].is_null(0)) each.largest = largest_[i].integer(0);
    const auto found = sequences.find(tables_[i].table);
    if (found != sequences.end()) each.sequence = found->second;
  }
  return counted;
}

std::size_t set_sequences(postgres::Connection& connection, const std::vector<Numbered>& tables,
                          const std::vector<Counted>& counted, const std::vector<Counted>& known) {
  const auto number = [](const std::optional<std::int64_t>& value) {
    return value ? std::to_string(*value) : std::string("NULL");
  };
  std::string sql;
  std::size_t set = 0;
  for (std::size_t i = 0; i < tables.size(); ++i) {
    if (!known.empty() && known[i] == counted[i]) continue;
    sql += fmt::format(
        "SELECT setval({0}, top) FROM (SELECT greatest(max({1}), {2}, {3}, "
        "pg_sequence_last_value({0}::regclass)) AS top FROM {4}) AS t WHERE top >= 1;",
        literal(tables[i].sequence), tables[i].column, number(counted[i].largest),
        number(counted[i].sequence), tables[i].target);
    ++set;
  }
  if (!sql.empty()) connection.exec(sql);
  return set;
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
