#include <fmt/format.h>
#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <thread>
#include <utility>

#include "capture/install.hpp"
#include "ops/commands.hpp"
#include "ops/follow.hpp"
#include "ops/names.hpp"
#include "ops/pipeline.hpp"
#include "ops/reverse_worker.hpp"
#include "ops/stop_limit.hpp"
#include "ops/switch_watch.hpp"
#include "ops/workers.hpp"

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
  for (const TablePlan& plan : prepared.installed.tables)
    status.tables.push_back(
        {plan.id, plan.name(), 0, capture::census_rows(prepared.installed, plan.id), false, false});
  return status;
}

// Never the DSN as it was typed: it may hold a password.
std::string arguments_for(const Prepared& prepared) {
  return fmt::format("{} {}", shell_word(prepared.path),
                     shell_word(prepared.connection.dsn().without_secrets()));
}

void print_what_stays(const Status& status, Screen& screen) {
  screen.result(
      fmt::format("stays     triggers and the tables _lockstep_changes, _lockstep_meta, "
                  "_lockstep_tables in {}; they go on "
                  "logging changes",
                  status.source));
  const bool dual = std::any_of(status.tables.begin(), status.tables.end(),
                                [](const TableProgress& table) { return table.dual.has_value(); });
  screen.result(fmt::format("          schema lockstep and the copied tables in {}{}",
                            status.target,
                            status.guard && status.guard->mode == apply::GuardMode::reject
                                ? fmt::format("; nobody else can write to these (guard){}",
                                              dual ? " but to dual-written ones" : "")
                                : ""));
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
                            grouped(status.changes_applied), backlog_number(status),
                            status.lag_p50_ms ? fmt::format(", lag p50 {:.1f} ms p99 {:.1f} ms",
                                                            *status.lag_p50_ms, *status.lag_p99_ms)
                                              : std::string()));
  if (const std::string waiting = quarantine_text(status); !waiting.empty())
    screen.result(fmt::format("absent    {}: lockstep quarantine list {}", waiting, arguments));
  const bool moved = status.writers != "sqlite";
  if (moved)
    screen.result(fmt::format(
        "stays     SQLite ({}) is fenced, and as it was at the last round; triggers and schema "
        "lockstep in {} go on logging changes for the way back",
        status.source, status.target));
  else
    print_what_stays(status, screen);
  screen.result(fmt::format("go on     lockstep run {}", arguments));
  screen.result(moved ? fmt::format("end it    lockstep rollback {0}, or lockstep complete {0}",
                                    shell_word(status.source))
                      : fmt::format("take out  lockstep remove {}", shell_word(status.source)));
}

/// Which run this is: of the same process, once before each change of direction.
struct Turn {
  const std::string& path;
  sqlite::LockFile& lock;
  bool turned;  ///< it has followed already, in the other direction
};

// The status says meanwhile what is waited for.
void in_the_end(const Turn& turn, const std::function<void(Attempt&)>& work, Screen& screen) {
  const Signals::Through through;  // the census may take long, and keeps nothing
  Status status = starting_status(turn.path);
  prepare_again_and_again(
      work,
      [&](const Error& error) {
        screen.note(waiting_note(error));
        const std::int64_t since = status.awaited ? status.awaited->since_us : wall_now_us();
        status.awaited = Awaited{error.code(), error.what(), since};
        publish(turn.lock, status, screen);
      },
      screen, turn.turned);
}

struct Followed {
  Ending ending;
  Status status;
  std::string arguments;
};

// SQLite into PostgreSQL, until the writers move.
Followed follow_forward(const RunRequest& request, const switchover::SwitchPlace& place,
                        const Turn& turn, Screen& screen, Signals& signals) {
  std::optional<Prepared> made;
  in_the_end(
      turn, [&](Attempt& attempt) { made.emplace(prepare(request, attempt, screen)); }, screen);
  Prepared prepared = std::move(*made);
  Followed followed;
  followed.arguments = arguments_for(prepared);
  Board board(first_status(prepared));
  screen.note(fmt::format("following {} into {} (schema {})", place.path,
                          prepared.connection.dsn().shown(), prepared.schema));
  {
    StopLimit limit(signals);
    SwitchWatch watching(
        {place.path, prepared.connection.dsn(), prepared.migration, prepared.schema}, board);
    const Pipeline pipeline(std::move(prepared), board);
    followed.ending = watch(request.until_caught_up, board, &turn.lock, screen, signals,
                            [&] { return watching.turned(switchover::Direction::forward); });
    limit.begin(followed.ending);
  }
  followed.status = board.read();
  return followed;
}

// PostgreSQL into SQLite, after a cutover.
Followed follow_reverse(const RunRequest& request, const switchover::SwitchPlace& place,
                        sqlite::LockFile& lock, Screen& screen, Signals& signals) {
  Status first = starting_status(place.path);
  first.migration = place.migration;
  first.target = place.dsn.shown();
  first.schema = place.schema;
  first.writers = "postgres";
  Followed followed;
  followed.arguments =
      fmt::format("{} {}", shell_word(place.path), shell_word(place.dsn.without_secrets()));
  Board board(std::move(first));
  board.phase("reverse", true);
  screen.note(fmt::format("the application writes to PostgreSQL: following {} (schema {}) into {}",
                          place.dsn.shown(), place.schema, place.path));
  {
    StopLimit limit(signals);
    SwitchWatch watching(place, board);
    ReverseWorker worker({place.path, place.dsn, place.migration, place.schema, request.continuous},
                         board);
    std::jthread thread([&](const std::stop_token& stop) { run_worker(worker, stop, board); });
    pthread_setname_np(thread.native_handle(), "reverse-0");
    followed.ending = watch(request.until_caught_up, board, &lock, screen, signals,
                            [&] { return watching.turned(switchover::Direction::reverse); });
    limit.begin(followed.ending);
    thread.request_stop();
    worker.cancel();
  }
  followed.status = board.read();
  return followed;
}

// Where a migration that began already is; its own words go before what was typed.
switchover::SwitchPlace place_of(const RunRequest& request, const std::string& path) {
  switchover::SwitchPlace place{path, postgres::parse_dsn(request.target), {}, {}};
  sqlite::Database database = sqlite::Database::open(path, sqlite::OpenMode::read_only);
  if (const auto installed = capture::read_installed(database)) {
    place.migration = installed->migration;
    place.schema = installed->target_schema;
  }
  return place;
}

Followed follow(const RunRequest& request, const std::string& path, sqlite::LockFile& lock,
                Screen& screen, Signals& signals) {
  for (bool turned = false;; turned = true) {
    const Turn turn{path, lock, turned};
    const switchover::SwitchPlace place = place_of(request, path);
    auto flow = switchover::Direction::forward;
    in_the_end(
        turn,
        [&](Attempt&) {
          flow = settle(place, [&](const std::string& what) { screen.note(what); });
        },
        screen);
    if (!turned && flow == switchover::Direction::reverse)
      check_choices_after_cutover(request, screen);
    Followed followed = flow == switchover::Direction::forward
                            ? follow_forward(request, place, turn, screen, signals)
                            : follow_reverse(request, place, lock, screen, signals);
    if (!followed.ending.turned || followed.ending.signal || followed.ending.failure)
      return followed;
    screen.end_progress();
  }
}

}  // namespace

ExitCode command_run(const RunRequest& request, Screen& screen, Signals& signals) {
  const std::string path = source_path(request.source);
  sqlite::LockFile lock = take_source(path, screen);
  try {
    publish(lock, starting_status(path), screen);
    const Followed followed = follow(request, path, lock, screen, signals);
    screen.end_progress();
    const ExitCode code = exit_code(followed.ending, followed.status);
    if (followed.ending.failure) screen.error(followed.ending.failure->facts());
    print_summary(followed.status, followed.ending, code, screen, followed.arguments);
    lock.remove();
    return code;
  } catch (...) {
    lock.remove();
    throw;
  }
}

}  // namespace lockstep::ops
