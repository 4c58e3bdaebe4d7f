#include <fmt/format.h>
#include <pthread.h>
#include <unistd.h>

#include <array>
#include <optional>
#include <thread>
#include <utility>

#include "link/wire/message.hpp"
#include "link/wire/socket.hpp"
#include "ops/commands.hpp"
#include "ops/endpoint.hpp"
#include "ops/follow.hpp"
#include "ops/names.hpp"
#include "ops/target_worker.hpp"
#include "ops/workers.hpp"

namespace lockstep::ops {

namespace {

using wire::Kind;

constexpr Milliseconds kAskEvery{500};
constexpr Milliseconds kLookForSignals{20};

// Asks who is there until somebody answers; nothing if a signal came first.
std::optional<wire::Welcome> meet_capture(wire::Context& context, const std::string& endpoint,
                                          Screen& screen, Signals& signals, Ending& ending) {
  wire::Dealer dealer(context, endpoint);
  auto session = static_cast<std::uint64_t>(wall_now_us());
  bool told = false;
  while (true) {
    static_cast<void>(dealer.send(
        wire::encode({Kind::hello, ++session, 0, wire::encode_hello({{}, {}, std::nullopt})})));
    const Deadline deadline(kAskEvery);
    while (!deadline.passed()) {
      ending.signal = signals.wait(Milliseconds{0});
      if (ending.signal) return std::nullopt;
      static_cast<void>(dealer.wait({}, kLookForSignals));
      const auto frame = dealer.receive();
      if (!frame) continue;
      const wire::Message message = wire::decode(*frame);
      if (message.session != session) continue;
      if (message.kind == Kind::refusal) throw Error(wire::decode_refusal(message.body));
      if (message.kind == Kind::welcome) return wire::decode_welcome(message.body);
    }
    if (!std::exchange(told, true))
      screen.note(fmt::format("waiting for lockstep capture at {}", endpoint));
  }
}

Status first_status(const PreparedTarget& prepared) {
  Status status;
  status.migration = prepared.migration;
  status.source = prepared.source;
  status.target = prepared.connection.dsn().shown();
  status.schema = prepared.schema;
  status.pid = ::getpid();
  status.started_us = wall_now_us();
  return status;
}

Ending follow(PreparedTarget prepared, const ApplyRequest& request, wire::Context& context,
              Board& board, Screen& screen, Signals& signals) {
  TargetOptions options{.dsn = prepared.connection.dsn(),
                        .endpoint = request.endpoint,
                        .migration = prepared.migration,
                        .schema = prepared.schema,
                        .source_id = prepared.source_id,
                        .accept_target = request.accept_target};
  TargetWorker worker(context, std::move(options), std::move(prepared.connection), board);
  std::jthread thread([&](const std::stop_token& stop) { run_worker(worker, stop, board); });
  pthread_setname_np(thread.native_handle(), "apply-0");
  const Ending ending = watch(request.until_caught_up, board, nullptr, screen, signals);
  thread.request_stop();
  worker.cancel();
  return ending;
}

}  // namespace

ExitCode command_apply(const ApplyRequest& request, Screen& screen, Signals& signals) {
  static_cast<void>(checked_endpoint(request.endpoint));
  wire::Context context;
  Ending ending;
  const auto welcome = meet_capture(context, request.endpoint, screen, signals, ending);
  if (!welcome) return exit_code(ending);
  PreparedTarget prepared = prepare_target(request, *welcome, screen);
  Board board(first_status(prepared));
  screen.note(fmt::format("following {} into {} (schema {})", prepared.source,
                          prepared.connection.dsn().shown(), prepared.schema));
  ending = follow(std::move(prepared), request, context, board, screen, signals);
  screen.end_progress();
  if (ending.failure) screen.error(ending.failure->facts());
  const Status status = board.read();
  screen.json(status_json(status));
  screen.result(fmt::format("{}: {} ({}): {} rows copied, {} changes applied, backlog {}",
                            status.migration,
                            ending.caught_up ? "caught up"
                            : ending.signal  ? "stopped"
                                             : "stopped by an error",
                            status.phase, grouped(status.rows_copied),
                            grouped(status.changes_applied), grouped(status.backlog)));
  screen.result(
      fmt::format("stays     schema lockstep and the copied tables in {}", status.target));
  return exit_code(ending);
}

}  // namespace lockstep::ops
