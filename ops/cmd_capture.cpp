#include <fmt/format.h>
#include <pthread.h>
#include <unistd.h>

#include <thread>
#include <utility>

#include "link/wire/ipc_path.hpp"
#include "model/error.hpp"
#include "ops/commands.hpp"
#include "ops/endpoint.hpp"
#include "ops/follow.hpp"
#include "ops/names.hpp"
#include "ops/source_files.hpp"
#include "ops/source_worker.hpp"
#include "ops/workers.hpp"

namespace lockstep::ops {

namespace {

Status first_status(const PreparedSource& prepared, const std::string& endpoint) {
  Status status = starting_status(prepared.path);
  status.migration = prepared.installed.migration;
  status.target = endpoint;
  status.phase = "capturing";
  for (const TablePlan& plan : prepared.installed.tables)
    status.tables.push_back(
        {plan.id, plan.name(), 0, capture::census_rows(prepared.installed, plan.id), false, false});
  return status;
}

Ending serve(const PreparedSource& prepared, const ListenAt& listen, Board& board,
             sqlite::LockFile& lock, Screen& screen, Signals& signals) {
  wire::Context context;
  SourceWorker worker(
      context,
      {.path = prepared.path, .listen = listen, .installed = prepared.installed, .alone = true},
      board);
  std::jthread thread([&](const std::stop_token& stop) { run_worker(worker, stop, board); });
  pthread_setname_np(thread.native_handle(), "capture-0");
  return watch(false, board, &lock, screen, signals);
}

// A socket in the place of -journal or -wal would be the application's problem.
void refuse_files_of_source(const ListenAt& listen, const std::string& path) {
  const std::string socket = wire::ipc_path(listen.endpoint);
  if (socket.empty()) return;
  for (const std::string& made : {socket, wire::ipc_lock_path(socket)})
    if (const auto file = named_among(made, files_of_source(path)))
      throw Error({.code = "LS-C126",
                   .exit = ExitCode::usage,
                   .what = fmt::format("--listen {} is where a file of the source belongs",
                                       listen.endpoint),
                   .why = fmt::format("{} is {}", made, *file),
                   .data = "nothing was touched",
                   .todo = "give another path, as ipc:///run/lockstep/shop.sock"});
}

// Before the first trigger; the worker listens for good. The one who comes in between is refused
// too.
void try_to_listen(const ListenAt& listen) {
  const std::string socket = wire::ipc_path(listen.endpoint);
  if (!socket.empty()) const wire::IpcListener trial(socket);
}

}  // namespace

ExitCode command_capture(const CaptureRequest& request, Screen& screen, Signals& signals) {
  const ListenAt listen = listen_at(request.endpoint);
  const std::string& endpoint = listen.endpoint;
  const std::string path = source_path(request.source);
  refuse_files_of_source(listen, path);
  sqlite::LockFile lock = take_source(path, screen);
  try {
    Status starting = starting_status(path);
    starting.target = endpoint;  // at once: so that whoever looks asks the ledger for the rest
    publish(lock, starting, screen);
    try_to_listen(listen);
    const PreparedSource prepared = [&] {
      const Signals::Through through;
      return prepare_source(request, screen);
    }();
    Board board(first_status(prepared, endpoint));
    screen.note(fmt::format("capturing {}; lockstep apply --connect {} TARGET follows it", path,
                            shell_word(endpoint)));
    if (listen.keys)
      screen.note(fmt::format("this host's key is {}", own_fingerprint(listen.keys->key_file)));
    const Ending ending = serve(prepared, listen, board, lock, screen, signals);
    screen.end_progress();
    if (ending.failure) screen.error(ending.failure->facts());
    screen.result(
        fmt::format("stays     triggers and the tables _lockstep_changes, _lockstep_meta, "
                    "_lockstep_tables in {}; they go on logging changes",
                    path));
    screen.result(fmt::format("take out  lockstep remove {}", shell_word(path)));
    lock.remove();
    return exit_code(ending, {});
  } catch (...) {
    lock.remove();
    throw;
  }
}

}  // namespace lockstep::ops
