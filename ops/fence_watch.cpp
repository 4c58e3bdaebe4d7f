#include "ops/fence_watch.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <utility>

#include "capture/drift.hpp"
#include "capture/install.hpp"
#include "ops/open_files.hpp"
#include "switchover/fence_debt.hpp"
#include "switchover/reverse_schema.hpp"
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
  if (sqlite.pragma_int("schema_version") == schema_version_) return;
  const switchover::SchemaSince since = switchover::schema_now(sqlite);
  std::vector<std::string> found = altered_tables(sqlite, plans);
  found.insert(found.end(), since.in_question.begin(), since.in_question.end());
  for (const std::string& table : switchover::unfenced(sqlite, migration_))
    found.push_back(fmt::format("{} had no fence", table));
  if (found.empty()) {
    if (!since.on_record) switchover::keep_schema(sqlite, since.version);
    schema_version_ = since.version;
    return;
  }
  // On record before the traces go.
  verify::create_records(postgres);
  switchover::require_comparison(postgres, migration_,
                                 verify::request_pass(postgres, migration_, {}));
  switchover::install_fence(sqlite, migration_, {}, since.version);
  const std::vector<std::string> who = who_has_open(sqlite.path());
  board_.schema_note(
      {"LS-X664", "",
       fmt::format(
           "SQLite's schema was changed although the application writes to PostgreSQL: {}. "
           "The fence is whole again; what was written there meanwhile is in SQLite only, and "
           "what it lost by that on PostgreSQL only: both sides are compared now, and nothing "
           "rolls back before they are equal. It is open in: {}",
           fmt::join(found, "; "),
           who.empty() ? "no process that can be seen" : fmt::format("{}", fmt::join(who, ", ")))});
  // What came beside this is looked at next time.
  const switchover::SchemaSince behind = switchover::schema_now(sqlite);
  if (behind.in_question.empty()) schema_version_ = behind.version;
}

}  // namespace lockstep::ops
