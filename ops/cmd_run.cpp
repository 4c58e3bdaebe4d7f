#include <fmt/format.h>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "ops/commands.hpp"
#include "ops/follow.hpp"
#include "ops/names.hpp"
#include "ops/pipeline.hpp"

namespace lockstep::ops {

namespace {

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
  if (const std::string waiting = quarantine_text(status); !waiting.empty())
    screen.result(fmt::format("absent    {}: lockstep quarantine list {}", waiting, arguments));
  screen.result(
      fmt::format("stays     triggers and the tables _lockstep_changes, _lockstep_meta, "
                  "_lockstep_tables in {}; they go on "
                  "logging changes",
                  status.source));
  screen.result(fmt::format("          schema lockstep and the copied tables in {}{}",
                            status.target,
                            status.guard && status.guard->mode == apply::GuardMode::reject
                                ? "; nobody else can write to these (guard)"
                                : ""));
  screen.result(fmt::format("go on     lockstep run {}", arguments));
  screen.result(fmt::format("take out  lockstep remove {}", shell_word(status.source)));
}

// The status says meanwhile what is waited for.
Prepared prepared_in_the_end(const RunRequest& request, const std::string& path,
                             sqlite::LockFile& lock, Screen& screen) {
  const Signals::Through through;  // the census may take long, and keeps nothing
  std::optional<Prepared> prepared;
  Status status = starting_status(path);
  prepare_again_and_again(
      [&](Attempt& attempt) { prepared.emplace(prepare(request, attempt, screen)); },
      [&](const Error& error) {
        screen.note(waiting_note(error));
        const std::int64_t since = status.awaited ? status.awaited->since_us : wall_now_us();
        status.awaited = Awaited{error.code(), error.what(), since};
        publish(lock, status, screen);
      },
      screen);
  return std::move(*prepared);
}

}  // namespace

ExitCode command_run(const RunRequest& request, Screen& screen, Signals& signals) {
  const std::string path = source_path(request.source);
  sqlite::LockFile lock = take_source(path, screen);
  try {
    publish(lock, starting_status(path), screen);
    Prepared prepared = prepared_in_the_end(request, path, lock, screen);
    const std::string arguments = arguments_for(prepared);
    Board board(first_status(prepared));
    screen.note(fmt::format("following {} into {} (schema {})", path,
                            prepared.connection.dsn().shown(), prepared.schema));
    Ending ending;
    {
      const Pipeline pipeline(std::move(prepared), board);
      ending = watch(request.until_caught_up, board, &lock, screen, signals);
    }
    screen.end_progress();
    const Status status = board.read();
    const ExitCode code = exit_code(ending, status);
    if (ending.failure) screen.error(ending.failure->facts());
    print_summary(status, ending, code, screen, arguments);
    lock.remove();
    return code;
  } catch (...) {
    lock.remove();
    throw;
  }
}

}  // namespace lockstep::ops
