#include "ops/follow.hpp"

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include "link/sqlite/database.hpp"
#include "link/sqlite/filesystem.hpp"
#include "ops/names.hpp"

namespace lockstep::ops {

namespace {

constexpr Milliseconds kLook{20};  // how often the main thread looks at the board
constexpr Milliseconds kPublishEvery{250};

}  // namespace

sqlite::LockFile take_source(const std::string& path, Screen& screen) {
  // Opening checks that the file is there and ours, before a lock file is put beside it.
  const sqlite::Filesystem filesystem = sqlite::require_local(path);
  static_cast<void>(sqlite::Database::open(path, sqlite::OpenMode::read_only));
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
  status.started_us = wall_now_us();
  return status;
}

Ending watch(bool until_caught_up, Board& board, sqlite::LockFile* lock, Screen& screen,
             Signals& signals) {
  SteadyTime next_publish{};
  CopyHistory history;
  while (true) {
    Ending ending{.signal = signals.wait(kLook), .failure = board.failure()};
    ending.caught_up = until_caught_up && board.has_caught_up();
    for (const Note& note : board.take_notes()) screen.note(note);
    Status status = board.read();
    history.look(status, steady_now());
    screen.progress(status);
    const bool over = ending.signal || ending.failure || ending.caught_up;
    if (over || steady_now() >= next_publish) {
      if (lock != nullptr) publish(*lock, status, screen);
      next_publish = steady_now() + kPublishEvery;
    }
    if (over) return ending;
  }
}

ExitCode exit_code(const Ending& ending) {
  if (ending.failure) return ending.failure->facts().exit;
  if (ending.caught_up) return ExitCode::done;
  return *ending.signal == SIGINT ? ExitCode::interrupted : ExitCode::terminated;
}

}  // namespace lockstep::ops
