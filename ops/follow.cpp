#include "ops/follow.hpp"

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "link/sqlite/database.hpp"
#include "link/sqlite/file_state.hpp"
#include "link/sqlite/filesystem.hpp"
#include "ops/file_check.hpp"
#include "ops/names.hpp"

namespace lockstep::ops {

namespace {

// How often the main thread looks at the board: for days, or until the end that somebody waits for.
constexpr Milliseconds kLook{100}, kLookForTheEnd{20};
// How often at most, and how often at least: a status without news says that we live. Weeks of
// parallel running are made of these.
constexpr Milliseconds kPublishEvery{250}, kPublishAtRest{500};

// A run that was killed leaves its status behind, too; only one of an earlier boot may have seen a
// power loss.
bool ended_with_its_machine(const sqlite::PublishedStatus& left) {
  const auto status = nlohmann::json::parse(left.text, nullptr, false);
  if (left.alive || !status.is_object() || !status.contains("boot")) return false;
  const nlohmann::json& boot = status["boot"];
  return boot.is_string() && !boot.get_ref<const std::string&>().empty() &&
         boot != sqlite::boot_id();
}

// With synchronous=OFF a power loss can damage the database, and what is damaged may only be read
// much later. Once, and only what takes some seconds: the application starts now as well.
void check_after_reboot(sqlite::Database& database, Screen& screen) {
  constexpr std::int64_t kBytesMax = std::int64_t{1} << 30;
  if (database.pragma_int("page_count") * database.pragma_int("page_size") > kBytesMax) {
    screen.note(
        "note      the machine was restarted under lockstep; the database is too large to be "
        "checked now: run PRAGMA quick_check when it is quiet");
    return;
  }
  const FileCheck check = quick_check(database);
  if (check.ok() && !check.left_out.empty())
    screen.note(fmt::format(
        "note      the machine was restarted under lockstep; quick_check of the database is ok, "
        "but could not look into {}",
        check.left_out));
  if (check.ok()) return;
  throw Error(
      {.code = "LS-S322",
       .exit = ExitCode::stopped,
       .what = fmt::format("{} is damaged", database.path()),
       .why = fmt::format("the machine was restarted, and quick_check says: {}", check.found),
       .data = "nothing is shipped from a damaged database",
       .todo = "run PRAGMA integrity_check on the source and repair it first"});
}

}  // namespace

sqlite::LockFile take_source(const std::string& path, Screen& screen) {
  // Opening checks that the file is there and ours, before a lock file is put beside it.
  const sqlite::Filesystem filesystem = sqlite::require_local(path);
  sqlite::Database database = sqlite::Database::open(path, sqlite::OpenMode::read_only);
  if (const auto left = sqlite::read_published(path); left && ended_with_its_machine(*left))
    check_after_reboot(database, screen);
  if (filesystem.kind == sqlite::FilesystemKind::unknown)
    screen.note(fmt::format(
        "note      LS-S314 {} lies on {}: the application must run on this very host and kernel",
        path, filesystem.name));
  std::optional<sqlite::LockFile> lock = sqlite::LockFile::take(path);
  if (lock) return std::move(*lock);
  throw Error({.code = "LS-R701",
               .exit = ExitCode::busy,
               .what = fmt::format("{} is being followed by another lockstep already", path),
               .why = fmt::format("it holds {}-lockstep", path),
               .data = "nothing was touched",
               .todo = fmt::format("lockstep status {}   says how it is doing", path)});
}

// The status is a courtesy: a full disk beside the source must not end the following.
void publish(sqlite::LockFile& lock, const Status& status, Screen& screen) {
  static bool told = false;
  try {
    lock.publish(status_json(status));
    told = false;
  } catch (const Error& error) {
    if (!told) screen.note(fmt::format("note      status cannot be published: {}", error.what()));
    told = true;
  }
}

// While the source is read for the first time there is no migration yet, but somebody may look
// already.
Status starting_status(const std::string& path) {
  Status status;
  status.migration = migration_name(path);
  status.source = path;
  status.pid = ::getpid();
  status.boot = sqlite::boot_id();
  status.started_us = wall_now_us();
  return status;
}

Ending watch(bool until_caught_up, Board& board, sqlite::LockFile* lock, Screen& screen,
             Signals& signals, const std::function<bool()>& turned) {
  SteadyTime next_publish{}, next_at_rest{};
  Status published;
  CopyHistory history;
  while (true) {
    Ending ending{.signal = signals.wait(until_caught_up ? kLookForTheEnd : kLook),
                  .failure = board.failure()};
    ending.caught_up = until_caught_up && board.has_caught_up();
    ending.turned = turned && turned();
    for (const Note& note : board.take_notes()) screen.note(note);
    Status status = board.read();
    history.look(status, steady_now());
    screen.progress(status);
    const bool over = ending.signal || ending.failure || ending.caught_up || ending.turned;
    const SteadyTime now = steady_now();
    const bool due = now >= next_publish && !is_nothing_new(status, published);
    if (over || due || now >= next_at_rest) {
      if (lock != nullptr) publish(*lock, status, screen);
      published = std::move(status);
      next_publish = now + kPublishEvery;
      next_at_rest = now + kPublishAtRest;
    }
    if (over) return ending;
  }
}

std::string quarantine_text(const Status& status) {
  const std::int64_t skipped = status.skipped.value_or(0);
  const std::int64_t rows = status.quarantined.value_or(0) + skipped;
  if (rows == 0) return {};
  std::string text = fmt::format("{} row{} in quarantine", grouped(rows), rows == 1 ? "" : "s");
  if (skipped > 0) text += fmt::format(", {} of them skipped", grouped(skipped));
  return text;
}

ExitCode exit_code(const Ending& ending, const Status& status) {
  if (ending.failure) return ending.failure->facts().exit;
  if (ending.caught_up) return quarantine_text(status).empty() ? ExitCode::done : ExitCode::waived;
  return *ending.signal == SIGINT ? ExitCode::interrupted : ExitCode::terminated;
}

}  // namespace lockstep::ops
