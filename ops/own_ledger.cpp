#include "ops/own_ledger.hpp"

#include <fmt/format.h>

#include <filesystem>

#include "ops/command_line_arguments.hpp"
#include "ops/verify_at_rest.hpp"
#include "ops/wait_marks.hpp"
#include "switchover/postgres_side.hpp"
#include "switchover/sqlite_side.hpp"
#include "switchover/switch_errors.hpp"

namespace lockstep::ops {

using switchover::Role;

namespace {

[[noreturn]] void throw_another(const std::string& migration, const std::string& target,
                                const std::string& why) {
  throw Error({.code = "LS-V531",
               .exit = ExitCode::busy,
               .what = fmt::format("{} is not where this source is followed into: its migration {} "
                                   "is of another source",
                                   target, migration),
               .why = why,
               .data = "nothing was touched",
               .todo = "check both: lockstep status SOURCE names the target that it knows"});
}

// Rows of one moment: attempts only grow, so SQLite's was the same all the while.
void require_explained(sqlite::Database& source, postgres::Connection& target,
                       const capture::Installed& installed) {
  if (!target.exec("SELECT to_regclass('lockstep.switchover') IS NOT NULL").boolean(0, 0)) return;
  const switchover::Side sqlite = switchover::read_sqlite_side(source);
  const switchover::Sides sides{sqlite,
                                switchover::read_postgres_side(target, installed.migration).side};
  if (switchover::at_odds(sides) && switchover::read_sqlite_side(source) == sqlite)
    switchover::throw_at_odds(
        sides, {source.path(), target.dsn(), installed.migration, installed.target_schema});
}

std::string ledger_reverse_era(postgres::Connection& target, const std::string& migration) {
  const auto round = newest_round(target, migration);
  return round ? to_string(round->era) : std::string();
}

}  // namespace

const std::string& given_or_recorded(const std::string& given,
                                     const capture::Installed& installed) {
  if (!given.empty()) return given;
  if (!installed.target.empty()) return installed.target;
  throw_usage("TARGET is missing: the source is captured by a process of its own, which knows none",
              "give the PostgreSQL database, or set LOCKSTEP_TARGET; see --help");
}

std::string at_odds(const Eras& eras) {
  const bool forward = eras.sqlite == Role::primary && eras.postgres == Role::replica;
  if (forward && !eras.ledger.empty() && eras.source != eras.ledger)
    return fmt::format("the source's changes are of era {}, the ledger is at one of era {}",
                       eras.source, eras.ledger);
  const bool back = eras.sqlite == Role::replica && eras.postgres == Role::primary;
  if (back && eras.sqlite_reverse != eras.ledger_reverse)
    return fmt::format("SQLite follows era {} of the way back, PostgreSQL logs era {}",
                       eras.sqlite_reverse, eras.ledger_reverse);
  return {};
}

void require_own(postgres::Connection& target, const capture::Installed& installed) {
  const auto ledger = apply::read_ledger(target, installed.migration, apply::RowLock::none);
  if (ledger) require_own(*ledger, installed, target.dsn());
}

void require_own(const apply::LedgerRow& ledger, const capture::Installed& installed,
                 const postgres::Dsn& target) {
  if (ledger.source_id == installed.source_id) return;
  throw_another(ledger.migration, target.shown(),
                fmt::format("its ledger follows {} ({}), this source has the id {}", ledger.source,
                            ledger.source_id, installed.source_id));
}

switchover::Role postgres_role(postgres::Connection& target, const std::string& migration) {
  if (!target.exec("SELECT to_regclass('lockstep.switchover') IS NOT NULL").boolean(0, 0))
    return Role::replica;
  const postgres::Result row =
      target.query("SELECT role FROM lockstep.switchover WHERE migration = $1", {migration});
  if (row.rows() == 0) return Role::replica;
  return switchover::parse_role(row.value(0, 0)).value_or(Role::replica);
}

bool is_same_file(const std::string& path, const apply::LedgerRow& ledger) {
  std::error_code gone;
  return path == ledger.source || std::filesystem::equivalent(path, ledger.source, gone);
}

bool is_followed_file_there(const apply::LedgerRow& ledger) {
  try {
    sqlite::Database reading =
        sqlite::Database::open(ledger.source, sqlite::OpenMode::read_only, Milliseconds{0});
    const auto there = capture::read_installed(reading);
    return there && there->source_id == ledger.source_id;
  } catch (const Error&) {  // whatever is there now, it is not what is followed
    return false;
  }
}

bool was_cut_over(postgres::Connection& target, const std::string& migration) {
  // A ledger that never met a cutover may lack the column.
  return target
      .query(
          "SELECT EXISTS (SELECT FROM lockstep.ledger AS l WHERE l.migration = $1 AND "
          "to_jsonb(l) ->> 'reverse_era' IS NOT NULL)",
          {migration})
      .boolean(0, 0);
}

void forget_constants(TablePlan& plan, bool cut_over) {
  if (cut_over || (plan.existing && plan.existing->replaces_rows)) plan.rules.added.clear();
}

apply::LedgerRow own_ledger(sqlite::Database& source, postgres::Connection& target,
                            const capture::Installed& installed) {
  apply::LedgerRow ledger = ledger_of(target, installed.migration);
  const std::string& migration = installed.migration;
  require_own(ledger, installed, target.dsn());
  require_explained(source, target, installed);
  Eras eras;
  eras.sqlite = switchover::read_sqlite_side(source).role;
  eras.postgres = postgres_role(target, migration);
  eras.source = to_string(installed.era);
  if (ledger.position) eras.ledger = to_string(ledger.position->era);
  if (eras.sqlite == Role::replica) {
    if (const auto at = switchover::read_reverse_position(source)) eras.sqlite_reverse = at->era;
    eras.ledger_reverse = ledger_reverse_era(target, migration);
  }
  if (const std::string why = at_odds(eras); !why.empty())
    throw_another(migration, target.dsn().shown(), why);
  return ledger;
}

}  // namespace lockstep::ops
