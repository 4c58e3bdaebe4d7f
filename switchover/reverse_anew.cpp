// What a feed reads anew as a whole: tables whose rowids moved, or everything.
#include <fmt/format.h>

#include <algorithm>

#include "apply/quarantine.hpp"
#include "link/sqlite/statement.hpp"
#include "switchover/reverse_errors.hpp"
#include "switchover/reverse_feed.hpp"
#include "switchover/rowids.hpp"

namespace lockstep::switchover {

std::vector<std::string> ReverseFeed::renumbered() {
  return renumbered_tables(writing_, plans_);
}

// Rows that are found by rowid would be others behind a VACUUM: all of such a table or none.
bool ReverseFeed::rowids_serve() {
  if (renumbered().empty()) return true;
  return std::all_of(plans_.begin(), plans_.end(), [&](const TablePlan& plan) {
    const auto found = touched_.find(plan.id);
    return !plan.shape.keyed_by_rowid || (found != touched_.end() && found->second.whole);
  });
}

// As if they were truncated. A reading anew takes out of SQLite what PostgreSQL has not: rows of
// the quarantine are only there, and by which rowid nobody knows any more.
void ReverseFeed::log_renumbered() {
  std::vector<const TablePlan*> tables;
  for (const TablePlan& plan : plans_)
    if (plan.shape.keyed_by_rowid) tables.push_back(&plan);
  for (const apply::QuarantinedRow& aside : apply::read_quarantine(reading_, migration_))
    for (const TablePlan* const plan : tables)
      if (plan->id == aside.row.table) throw quarantine_renumbered(plan->name());
  for (const TablePlan* const plan : tables)
    reading_.query("INSERT INTO lockstep.changes (migration, tbl, key) VALUES ($1, $2, NULL)",
                   {migration_, fmt::to_string(plan->id)});
}

void ReverseFeed::start_over() {
  check(!view_open_, "a view is ended before the next round");
  try {
    const PostgresEnd there = postgres_end();
    const SqliteEnd here = sqlite_end();
    std::string why;
    if (next_step(there, here, why) == NextStep::wait) throw no_way_back_now(why);
    for (const TablePlan& plan : plans_)
      reading_.query("INSERT INTO lockstep.changes (migration, tbl, key) VALUES ($1, $2, NULL)",
                     {migration_, fmt::to_string(plan.id)});
    sqlite::Statement move(
        writing_,
        "UPDATE main._lockstep_switch SET reverse_era = ?1, reverse_number = ?2, "
        "reverse_identity = ?3, reverse_snapshot = NULL, reverse_target = NULL "
        "WHERE one = 1 AND role = 'replica'");
    move.bind(1, std::string_view(there.position.era)).bind(2, there.position.number);
    move.bind(3, there.position.identity).run();
  } catch (...) {
    reading_.abort();
    throw;
  }
}

}  // namespace lockstep::switchover
