#include <fmt/format.h>

#include "apply/existing.hpp"
#include "apply/guard.hpp"
#include "apply/ledger.hpp"
#include "capture/install.hpp"
#include "link/sqlite/lock_file.hpp"
#include "ops/census_store.hpp"
#include "ops/commands.hpp"
#include "ops/migration_lock.hpp"
#include "ops/names.hpp"
#include "switchover/reverse_log.hpp"

namespace lockstep::ops {

namespace {

void remove_from_target(const std::string& text, const std::string& migration, Screen& screen) {
  const postgres::Dsn dsn = postgres::parse_dsn(text);
  postgres::Connection connection = postgres::Connection::open(dsn, "remove");
  const auto ledger = apply::read_ledger(connection, migration, apply::RowLock::none);
  if (!ledger) {
    screen.result(
        fmt::format("target    {}: nothing of migration {} is there", dsn.shown(), migration));
    return;
  }
  take_migration_lock(connection, ledger->target_schema);
  apply::remove_guard(connection, migration, ledger->target_schema);
  switchover::remove_reverse_log(connection, migration, ledger->target_schema);
  for (const std::string& sentence :
       apply::undo_make_way(connection, migration, ledger->target_schema))
    screen.note(Note{"LS-T232", "", sentence});
  apply::remove_ledger(connection, migration);
  screen.result(fmt::format(
      "target    {}: the ledger of migration {} is gone; the copied tables in schema {} stay",
      dsn.shown(), migration, ledger->target_schema));
}

}  // namespace

ExitCode command_remove(const RemoveRequest& request, Screen& screen) {
  const std::string path = source_path(request.source);
  sqlite::Database database = sqlite::Database::open(path, sqlite::OpenMode::read_write);
  std::optional<sqlite::LockFile> lock = sqlite::LockFile::take(path);
  if (!lock)
    throw Error({.code = "LS-R701",
                 .exit = ExitCode::busy,
                 .what = fmt::format("{} is being followed right now", path),
                 .why = fmt::format("a lockstep holds {}-lockstep", path),
                 .data = "nothing was removed",
                 .todo = "stop it first (Ctrl-C, or SIGTERM), then remove"});
  try {
    std::string migration = migration_name(path);
    const auto installed = capture::read_installed(database);
    if (installed) migration = installed->migration;
    // The target first: if it cannot be reached, the command can be repeated as it was.
    if (!request.target.empty())
      remove_from_target(request.target, migration, screen);
    else if (installed)
      screen.result(
          fmt::format("target    not touched: ledger and guard stay; lockstep remove {} TARGET",
                      shell_word(path)));
    const std::size_t removed = capture::remove(database);
    forget_census(path);
    screen.result(
        removed == 0
            ? fmt::format("source    {}: nothing of lockstep was there", path)
            : fmt::format("source    {}: {} triggers and tables taken out; not one is left", path,
                          removed));
    screen.json(fmt::format(R"({{"type":"removed","objects":{}}})", removed));
  } catch (...) {
    lock->remove();
    throw;
  }
  lock->remove();
  return ExitCode::done;
}

}  // namespace lockstep::ops
