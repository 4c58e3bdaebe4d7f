#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "link/sqlite/lock_file.hpp"
#include "ops/commands.hpp"
#include "ops/names.hpp"
#include "ops/pipeline.hpp"

namespace lockstep::ops {

namespace {

constexpr Milliseconds kLook{20};  // how often the main thread looks at the board
constexpr Milliseconds kPublishEvery{250};

sqlite::LockFile take_source(const std::string& path) {
  // Opening checks that the file is there and ours, before a lock file is put beside it.
  static_cast<void>(sqlite::Database::open(path, sqlite::OpenMode::read_only));
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

Status first_status(const Prepared& prepared) {
  Status status;
  status.migration = prepared.migration;
  status.source = prepared.path;
  status.target = prepared.connection.dsn().shown();
  status.schema = prepared.schema;
  status.pid = ::getpid();
  status.started_us = wall_now_us();
  for (std::size_t i = 0; i < prepared.installed.tables.size(); ++i) {
    const TablePlan& plan = prepared.installed.tables[i];
    const std::int64_t rows = i < prepared.expected_rows.size() ? prepared.expected_rows[i] : 0;
    status.tables.push_back({plan.id, plan.name(), 0, rows, false, false});
  }
  return status;
}

// Why the main loop ended.
struct Ending {
  std::optional<int> signal;
  std::optional<Error> failure;
  bool caught_up = false;
};

Ending watch(const RunRequest& request, Board& board, sqlite::LockFile& lock, Screen& screen,
             Signals& signals) {
  SteadyTime next_publish{};
  CopyHistory history;
  while (true) {
    Ending ending{.signal = signals.wait(kLook), .failure = board.failure()};
    ending.caught_up = request.until_caught_up && board.has_caught_up();
    for (const Note& note : board.take_notes()) screen.note(note);
    Status status = board.read();
    history.look(status, steady_now());
    screen.progress(status);
    const bool over = ending.signal || ending.failure || ending.caught_up;
    if (over || steady_now() >= next_publish) {
      publish(lock, status, screen);
      next_publish = steady_now() + kPublishEvery;
    }
    if (over) return ending;
  }
}

// Never the DSN as it was typed: it may hold a password.
std::string arguments_for(const Prepared& prepared) {
  return fmt::format("{} {}", shell_word(prepared.path),
                     shell_word(prepared.connection.dsn().without_secrets()));
}

void print_summary(const Status& status, const Ending& ending, ExitCode code, Screen& screen,
                   const std::string& arguments) {
  nlohmann::json object = nlohmann::json::parse(status_json(status));
  object["type"] = "summary";
  object["exit_code"] = static_cast<int>(code);
  screen.json(object.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  const std::string_view why = ending.caught_up ? "caught up"
                               : ending.signal  ? "stopped"
                                                : "stopped by an error";
  screen.result(fmt::format("{}: {} ({}): {} rows copied, {} changes applied, backlog {}{}",
                            status.migration, why, status.phase, grouped(status.rows_copied),
                            grouped(status.changes_applied), grouped(status.backlog),
                            status.lag_p50_ms ? fmt::format(", lag p50 {:.1f} ms p99 {:.1f} ms",
                                                            *status.lag_p50_ms, *status.lag_p99_ms)
                                              : std::string()));
  screen.result(
      fmt::format("stays     triggers and the tables _lockstep_changes, _lockstep_meta, "
                  "_lockstep_tables in {}; they go on "
                  "logging changes",
                  status.source));
  screen.result(
      fmt::format("          schema lockstep and the copied tables in {}", status.target));
  screen.result(fmt::format("go on     lockstep run {}", arguments));
  screen.result(fmt::format("take out  lockstep remove {}", shell_word(status.source)));
}

ExitCode exit_code(const Ending& ending) {
  if (ending.failure) return ending.failure->facts().exit;
  if (ending.caught_up) return ExitCode::done;
  return *ending.signal == SIGINT ? ExitCode::interrupted : ExitCode::terminated;
}

}  // namespace

ExitCode command_run(const RunRequest& request, Screen& screen, Signals& signals) {
  const std::string path = source_path(request.source);
  sqlite::LockFile lock = take_source(path);
  try {
    publish(lock, starting_status(path), screen);
    Prepared prepared = prepare(request, screen);
    const std::string arguments = arguments_for(prepared);
    Board board(first_status(prepared));
    screen.note(fmt::format("following {} into {} (schema {})", path,
                            prepared.connection.dsn().shown(), prepared.schema));
    Ending ending;
    {
      const Pipeline pipeline(std::move(prepared), board);
      ending = watch(request, board, lock, screen, signals);
    }
    screen.end_progress();
    const ExitCode code = exit_code(ending);
    if (ending.failure) screen.error(ending.failure->facts());
    print_summary(board.read(), ending, code, screen, arguments);
    lock.remove();
    return code;
  } catch (...) {
    lock.remove();
    throw;
  }
}

}  // namespace lockstep::ops
