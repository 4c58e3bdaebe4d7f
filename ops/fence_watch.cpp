#include "ops/fence_watch.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <utility>

#include "capture/drift.hpp"
#include "capture/install.hpp"
#include "ops/open_files.hpp"
#include "switchover/fence_debt.hpp"
#include "switchover/sqlite_side.hpp"
#include "verify/record.hpp"

namespace lockstep::ops {

namespace {

// Lost triggers of the way there do not matter here: it reads anew what had lost some.
std::vector<std::string> altered_tables(sqlite::Database& sqlite,
                                        const std::vector<TablePlan>& plans) {
  std::vector<std::string> sentences;
  for (const capture::Drift& each : capture::drift(sqlite, plans))
    if (each.altered) sentences.push_back(each.what);
  return sentences;
}

}  // namespace

FenceWatch::FenceWatch(std::string migration, Board& board)
    : migration_(std::move(migration)), board_(board) {}

void FenceWatch::look(sqlite::Database& sqlite, postgres::Connection& postgres,
                      const std::vector<TablePlan>& plans) {
  const std::int64_t version = sqlite.pragma_int("schema_version");
  if (version == schema_version_) return;
  std::vector<std::string> found = altered_tables(sqlite, plans);
  for (const std::string& table : switchover::unfenced(sqlite, migration_))
    found.push_back(fmt::format("{} had no fence", table));
  if (found.empty()) {
    schema_version_ = version;
    return;
  }
  // On record before the traces go.
  verify::create_records(postgres);
  switchover::require_comparison(postgres, migration_,
                                 verify::request_pass(postgres, migration_, {}));
  switchover::install_fence(sqlite, migration_);
  const std::vector<std::string> who = who_has_open(sqlite.path());
  board_.schema_note(
      {"LS-X664", "",
       fmt::format(
           "SQLite's schema was changed although the application writes to PostgreSQL: {}. "
           "The fence is whole again; what was written there meanwhile is in SQLite only: "
           "both sides are compared now, and nothing rolls back before they are equal. It "
           "is open in: {}",
           fmt::join(found, "; "),
           who.empty() ? "no process that can be seen" : fmt::format("{}", fmt::join(who, ", ")))});
  schema_version_ = sqlite.pragma_int("schema_version");
}

}  // namespace lockstep::ops
