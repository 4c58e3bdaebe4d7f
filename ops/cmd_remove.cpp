#include <fmt/format.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "apply/existing.hpp"
#include "apply/guard.hpp"
#include "apply/ledger.hpp"
#include "capture/install.hpp"
#include "link/sqlite/lock_file.hpp"
#include "link/sqlite/own_objects.hpp"
#include "ops/census_store.hpp"
#include "ops/command_line_arguments.hpp"
#include "ops/commands.hpp"
#include "ops/migration_lock.hpp"
#include "ops/names.hpp"
#include "ops/own_ledger.hpp"
#include "ops/route.hpp"
#include "switchover/coordinator.hpp"
#include "switchover/postgres_side.hpp"
#include "switchover/reverse_log.hpp"
#include "switchover/sqlite_side.hpp"

namespace lockstep::ops {

namespace {

// A name is all that a file without triggers has in common with a ledger. And where PostgreSQL has
// the writers, what goes with the ledger is the way back and its record.
void refuse_anothers(postgres::Connection& connection, const apply::LedgerRow& ledger,
                     const std::optional<capture::Installed>& installed, const std::string& path,
                     const std::string& confirmed) {
  const std::string& name = ledger.migration;
  if (!installed && !is_same_file(path, ledger)) {
    const bool there = is_followed_file_there(ledger);
    if (there || confirmed != name)
      throw Error(
          {.code = "LS-R730",
           .exit = ExitCode::busy,
           .what = fmt::format("migration {} on the target is not of {}", name, path),
           .why = fmt::format("its ledger follows {}{}", ledger.source,
                              there ? ", which is there and has its triggers"
                                    : "; this file has no triggers that say otherwise"),
           .data = "nothing was removed",
           .todo = fmt::format(
               "check both paths. {}",
               there ? fmt::format("To end that migration: lockstep remove {} TARGET",
                                   shell_word(ledger.source))
                     : fmt::format("If it is to end: lockstep remove {} TARGET --confirm {}",
                                   shell_word(path), shell_word(name)))});
  }
  const switchover::Role role = postgres_role(connection, name);
  if (role == switchover::Role::replica || confirmed == name) return;
  throw Error(
      {.code = "LS-R731",
       .exit = ExitCode::precondition,
       .what = fmt::format("PostgreSQL says that migration {} was cut over: it is {}", name,
                           to_string(role)),
       .why = fmt::format("{} knows of no cutover: it is older than that, or another file", path),
       .data = "nothing was removed; what the application has written since is on PostgreSQL only",
       .todo =
           fmt::format("put the file back that was followed. If PostgreSQL is right and the way "
                       "back may go: lockstep remove {} TARGET --confirm {}; keep its tables, "
                       "and put this file away",
                       shell_word(path), shell_word(name))});
}

// A target that went back to before an earlier `remove` (a standby that was behind, a restored
// backup) has that one's ledger. A source that knows its target says whether it is this one; else
// it may as well be of another host's file of that path.
void refuse_another_id(const apply::LedgerRow& ledger, const capture::Installed& installed,
                       const std::string& path, const postgres::Dsn& target,
                       const std::string& confirmed) {
  if (ledger.source_id == installed.source_id) return;
  if (!is_same_file(path, ledger)) require_own(ledger, installed, target);
  const bool known = !installed.target.empty();
  if (known && postgres::parse_dsn(installed.target).shown() != target.shown())
    require_own(ledger, installed, target);
  if (known || confirmed == ledger.migration) return;
  throw Error({.code = "LS-R730",
               .exit = ExitCode::busy,
               .what = fmt::format("migration {} on the target is not this one of {}",
                                   ledger.migration, path),
               .why = fmt::format("its ledger follows a file of that path with the id {}, this one "
                                  "has {}: an earlier migration of it (a standby that was behind, "
                                  "a backup of the target), or one of another host",
                                  ledger.source_id, installed.source_id),
               .data = "nothing was removed",
               .todo = fmt::format("check TARGET. If it is to end: lockstep remove {} TARGET "
                                   "--confirm {}",
                                   shell_word(path), shell_word(ledger.migration))});
}

struct TargetRemoval {
  std::string target, migration, path, confirmed;
  bool earlier_too = false;
};

void remove_from_target(const TargetRemoval& removal,
                        const std::optional<capture::Installed>& installed, Screen& screen) {
  const auto& [target, migration, path, confirmed, earlier_too] = removal;
  const postgres::Dsn dsn = postgres::parse_dsn(target);
  postgres::Connection connection = postgres::Connection::open(dsn, "remove");
  const auto ledger = apply::read_ledger(connection, migration, apply::RowLock::none);
  if (!ledger) {
    screen.result(
        fmt::format("target    {}: nothing of migration {} is there", dsn.shown(), migration));
    return;
  }
  if (installed && earlier_too)
    refuse_another_id(*ledger, *installed, path, dsn, confirmed);
  else if (installed)
    require_own(*ledger, *installed, dsn);
  refuse_anothers(connection, *ledger, installed, path, confirmed);
  take_migration_lock(connection, ledger->target_schema);
  switchover::remove_reverse_log(connection, migration, ledger->target_schema);
  switchover::remove_fence(connection, ledger->target_schema);
  apply::remove_guard(connection, migration, ledger->target_schema);
  for (const std::string& sentence :
       apply::undo_make_way(connection, migration, ledger->target_schema))
    screen.note(Note{"LS-T232", "", sentence});
  apply::remove_ledger(connection, migration);
  screen.result(fmt::format(
      "target    {}: the ledger of migration {} is gone; the copied tables in schema {} stay",
      dsn.shown(), migration, ledger->target_schema));
}

// Throws LS-X617, which leaves these commands as the way out.
void require_agreement(const std::string& path, const capture::Installed& installed,
                       const std::string& target) {
  switchover::Coordinator coordinator(
      {path, postgres::parse_dsn(target), installed.migration, installed.target_schema},
      [](std::string_view, const std::string&) {});
  require_own(coordinator.postgres(), installed);
  coordinator.require_agreement();
}

bool at_odds_with_target(const std::string& path, const capture::Installed& installed,
                         const std::string& target) {
  try {
    require_agreement(path, installed, target);
  } catch (const Error& error) {
    if (error.code() != "LS-X617") throw;
    return true;
  }
  return false;
}

// Without the fence the application could write to whichever copy it happens to open.
void refuse_a_moved_application(sqlite::Database& database, const std::string& path,
                                const RemoveRequest& request) {
  const std::string& confirmed = request.confirm;
  const switchover::Side side = switchover::read_sqlite_side(database);
  if (side.role == switchover::Role::primary) return;
  const auto installed = capture::read_installed(database);
  const bool completed = !installed;
  if (completed && confirmed == migration_name(path)) return;
  if (installed && confirmed == installed->migration &&
      at_odds_with_target(path, *installed, given_or_recorded(request.target, *installed)))
    return;
  throw Error(
      {.code = "LS-X624",
       .exit = ExitCode::precondition,
       .what = fmt::format("{} is fenced: the application writes to PostgreSQL", path),
       .why = completed ? "the migration was completed; without its fence this old copy could be "
                          "written to again"
                        : "SQLite is kept current for the way back",
       .data = "nothing was removed",
       .todo = completed ? fmt::format("if that is meant: lockstep remove {} --confirm {}",
                                       shell_word(path), shell_word(migration_name(path)))
                         : fmt::format(
                               "lockstep rollback {0} first, or lockstep complete {0} to give the "
                               "way back up",
                               shell_word(path))});
}

// LS-X617 says better why not where it is that; the target may be away, or not known.
void throw_if_at_odds(const std::string& path, const capture::Installed& installed,
                      const std::string& target) {
  try {
    require_agreement(path, installed, given_or_recorded(target, installed));
  } catch (const Error& error) {
    if (error.code() == "LS-X617") throw;
  }
}

void require_cut_over(sqlite::Database& database,
                      const std::optional<capture::Installed>& installed, const std::string& path,
                      const std::string& target) {
  const switchover::Role role = switchover::read_sqlite_side(database).role;
  if (installed && role == switchover::Role::replica) return;
  if (installed && role == switchover::Role::fenced &&
      at_odds_with_target(path, *installed, given_or_recorded(target, *installed)))
    return;
  if (installed && role == switchover::Role::primary) throw_if_at_odds(path, *installed, target);
  throw Error({.code = "LS-X625",
               .exit = ExitCode::precondition,
               .what = "there is no cutover to complete",
               .why = "the application does not write to PostgreSQL, or this was done before",
               .data = "nothing was changed",
               .todo = fmt::format("lockstep status {}", shell_word(path))});
}

sqlite::LockFile lock_of(const std::string& path, const char* data) {
  std::optional<sqlite::LockFile> lock = sqlite::LockFile::take(path);
  if (lock) return std::move(*lock);
  throw Error({.code = "LS-R701",
               .exit = ExitCode::busy,
               .what = fmt::format("{} is being followed right now", path),
               .why = fmt::format("a lockstep holds {}-lockstep", path),
               .data = data,
               .todo = "stop it first (Ctrl-C, or SIGTERM), then again"});
}

}  // namespace

ExitCode command_complete(const CompleteRequest& request, Screen& screen) {
  const std::string path = source_path(request.source);
  sqlite::Database database = sqlite::Database::open(path, sqlite::OpenMode::read_write);
  sqlite::LockFile lock = lock_of(path, "nothing was changed: the way back goes on");
  try {
    const auto installed = capture::read_installed(database);
    require_cut_over(database, installed, path, request.target);
    const std::string& target = given_or_recorded(request.target, *installed);
    if (request.confirm != installed->migration)
      throw Error({.code = "LS-X609",
                   .exit = ExitCode::usage,
                   .what = "this ends the way back to SQLite and was not confirmed",
                   .why = "the name of the migration says that this one is meant",
                   .data = "nothing was changed",
                   .todo = fmt::format("lockstep complete {} --confirm {}", shell_word(path),
                                       shell_word(installed->migration))});
    // The target first: if it cannot be reached, the command can be repeated as it was.
    remove_from_target({target, installed->migration, path, request.confirm}, installed, screen);
    const std::size_t removed = capture::remove(database, capture::Fence::stays);
    screen.result(
        fmt::format("source    {}: {} triggers and tables taken out; it stays fenced, and "
                    "readable as it was at the last change",
                    path, removed));
    screen.json(fmt::format(R"({{"type":"completed","objects":{}}})", removed));
  } catch (...) {
    lock.remove();
    throw;
  }
  lock.remove();
  return ExitCode::done;
}

ExitCode command_remove(const RemoveRequest& request, Screen& screen) {
  const std::string path = source_path(request.source);
  sqlite::Database database = sqlite::Database::open(path, sqlite::OpenMode::read_write);
  sqlite::LockFile lock = lock_of(path, "nothing was removed");
  try {
    refuse_a_moved_application(database, path, request);
    const switchover::Side side = switchover::read_sqlite_side(database);
    std::string migration = migration_name(path);
    const auto installed = capture::read_installed(database);
    if (installed) migration = installed->migration;
    // The target first: if it cannot be reached, the command can be repeated as it was.
    if (!request.target.empty())
      remove_from_target({request.target, migration, path, request.confirm, true}, installed,
                         screen);
    else if (installed)
      screen.result(
          fmt::format("target    not touched: ledger and guard stay; lockstep remove {} TARGET",
                      shell_word(path)));
    const std::size_t removed = capture::remove(database);
    forget_census(path);
    const Route route = read_route(path);
    const bool route_stays = route.writers == to_string(switchover::Engine::postgres) &&
                             (side.role != switchover::Role::primary || is_newer(route, side));
    std::error_code not_there;
    if (!route_stays) std::filesystem::remove(route_file(path), not_there);
    screen.result(
        removed == 0
            ? fmt::format("source    {}: nothing of lockstep was there", path)
            : fmt::format("source    {}: {} triggers and tables taken out; not one is left", path,
                          removed));
    const std::vector<std::string> stays = sqlite::objects_named_like_ours(database);
    if (route_stays)
      screen.result(
          fmt::format("stays     {}: who reads it writes to PostgreSQL; delete it when nobody does",
                      route_file(path)));
    for (const std::string& each : stays)
      screen.result(fmt::format("stays     {}: not lockstep's", each));
    const nlohmann::json object = {{"type", "removed"}, {"objects", removed}, {"stays", stays}};
    screen.json(object.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  } catch (...) {
    lock.remove();
    throw;
  }
  lock.remove();
  return ExitCode::done;
}

}  // namespace lockstep::ops
