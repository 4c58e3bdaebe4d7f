#include "ops/wait_marks.hpp"

#include <fmt/format.h>

#include "apply/ledger.hpp"
#include "capture/install.hpp"
#include "ops/names.hpp"
#include "switchover/reverse_position.hpp"

namespace lockstep::ops {

MigrationPlace place_of_side(const std::string& side) {
  if (!looks_like_target(side)) {
    const std::string path = source_path(side);
    sqlite::Database database =
        sqlite::Database::open(path, sqlite::OpenMode::read_only, Milliseconds{1'000});
    const capture::Installed installed = capture::require_installed(database);
    return {path, installed.target, installed.migration};
  }
  postgres::Connection connection =
      postgres::Connection::open(postgres::parse_dsn(side), "wait", Milliseconds{5'000});
  const std::vector<apply::LedgerRow> ledgers = apply::all_ledgers(connection);
  if (ledgers.size() == 1) return {ledgers.front().source, side, ledgers.front().migration};
  throw Error({.code = ledgers.empty() ? "LS-R712" : "LS-R714",
               .exit = ledgers.empty() ? ExitCode::precondition : ExitCode::usage,
               .what = fmt::format("{} is the target of {} migrations", connection.dsn().shown(),
                                   ledgers.size()),
               .why = "one must be meant",
               .data = "nothing was touched",
               .todo = "give the SOURCE instead"});
}

std::optional<VerifiedUpTo> verified_up_to(const verify::PassResult& newest,
                                           const std::vector<verify::TableRecord>& records) {
  if (newest.state != verify::PassState::equal || !newest.all || records.empty())
    return std::nullopt;
  std::optional<Position> reached;
  for (const verify::TableRecord& record : records) {
    if (!record.done || !record.problem.empty() || !record.oldest) return std::nullopt;
    if (!reached || *record.oldest < *reached) reached = record.oldest;
    if (record.oldest->era != reached->era) return std::nullopt;
  }
  return VerifiedUpTo{*reached, newest.id};
}

std::optional<VerifiedUpTo> verified_up_to(postgres::Connection& target,
                                           const std::string& migration,
                                           const verify::History& history) {
  const auto newest = verify::last_result(target, migration, history);
  if (!newest) return std::nullopt;
  return verified_up_to(*newest, verify::read_records(target, newest->id));
}

std::optional<Position> newest_round(postgres::Connection& target, const std::string& migration) {
  const postgres::Result row = target.query(
      "SELECT reverse_era, reverse_number, reverse_identity FROM lockstep.ledger WHERE migration = "
      "$1 AND reverse_era IS NOT NULL",
      {migration});
  if (row.rows() == 0) return std::nullopt;
  return switchover::as_position(
      {std::string(row.value(0, 0)), row.integer(0, 1), row.integer(0, 2)});
}

std::string committed_now(postgres::Connection& target) {
  return std::string(
      target.exec("SELECT pg_catalog.pg_current_snapshot()::pg_catalog.text").value(0, 0));
}

bool has_come_back(postgres::Connection& target, const std::string& migration,
                   const std::string& snapshot) {
  return !target
              .query(
                  "SELECT EXISTS (SELECT FROM lockstep.changes WHERE migration = $1 AND "
                  "pg_catalog.pg_visible_in_snapshot(xid, $2::pg_catalog.pg_snapshot))",
                  {migration, snapshot})
              .boolean(0, 0);
}

}  // namespace lockstep::ops
