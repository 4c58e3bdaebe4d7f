#include <fmt/format.h>
#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <optional>
#include <thread>
#include <utility>

#include "link/postgres/connection.hpp"
#include "link/postgres/identity.hpp"
#include "link/wire/control.hpp"
#include "link/wire/message.hpp"
#include "link/wire/socket.hpp"
#include "ops/commands.hpp"
#include "ops/endpoint.hpp"
#include "ops/follow.hpp"
#include "ops/names.hpp"
#include "ops/stop_limit.hpp"
#include "ops/target_worker.hpp"
#include "ops/workers.hpp"

namespace lockstep::ops {

namespace {

using wire::Kind;

constexpr Milliseconds kAskFirst{500}, kAskMax{8'000};  // a long or narrow way answers late
constexpr Milliseconds kConnecting{5'000};              // then with a new socket
constexpr Milliseconds kLookForSignals{20};

// A frame that is damaged is asked for again, like one that was lost; another version stays
// another.
std::optional<wire::Message> understood(const std::string& frame) {
  try {
    return wire::decode(frame);
  } catch (const Error& error) {
    if (error.retry() == Retry::never) throw;
    return std::nullopt;
  }
}

std::string waiting_text(const ConnectTo& to) {
  std::string text = fmt::format("waiting for lockstep capture at {}", to.endpoint);
  if (to.keys)
    text += fmt::format("; it has to have key {} and to allow key {}",
                        wire::fingerprint(wire::read_public_key(to.keys->server_key_file)),
                        own_fingerprint(to.keys->key_file));
  return text;
}

// Nothing if the server does not tell: then it is as it was before.
std::optional<TargetIdentity> database_there(const ApplyRequest& request, Screen& screen) {
  const Signals::Through through;
  std::optional<TargetIdentity> seen;
  prepare_again_and_again(
      [&](Attempt& attempt) {
        postgres::Connection looking =
            postgres::Connection::open(postgres::parse_dsn(request.target), "apply");
        attempt.connected = true;
        seen = postgres::read_identity(looking);
      },
      [&](const Error& error) { screen.note(waiting_note(error)); }, screen);
  return seen;
}

// Asks who is there until somebody answers; nothing if a signal came first. An answer to an earlier
// question is as good as one to the last: over a slow way there is none of the other kind.
std::optional<wire::Welcome> meet_capture(wire::Context& context, const ConnectTo& to,
                                          const wire::Hello& question, Screen& screen,
                                          Signals& signals, Ending& ending) {
  wire::Dealer dealer(context, to.endpoint, to.keys);
  const auto first = static_cast<std::uint64_t>(wall_now_us());
  std::uint64_t session = first;
  Deadline connecting(kConnecting);
  bool told = false;
  const Deadline waiting_since(kAskFirst);
  Milliseconds patience = kAskFirst;
  while (true) {
    const bool asked =
        dealer.send(wire::encode({Kind::hello, ++session, 0, wire::encode_hello(question)}));
    if (asked) connecting = Deadline(kConnecting);
    if (connecting.passed()) {
      dealer.reopen();
      connecting = Deadline(kConnecting);
    }
    const Deadline deadline(asked ? patience : kLookForSignals);
    if (asked) patience = std::min(2 * patience, kAskMax);
    while (!deadline.passed()) {
      ending.signal = signals.wait(Milliseconds{0});
      if (ending.signal) return std::nullopt;
      static_cast<void>(dealer.wait({}, kLookForSignals));
      const auto frame = dealer.receive();
      const auto message = frame ? understood(*frame) : std::nullopt;
      if (!message || message->session <= first || message->session > session) continue;
      if (message->kind == Kind::refusal) throw Error(wire::decode_refusal(message->body));
      if (message->kind == Kind::welcome) return wire::decode_welcome(message->body);
    }
    if (waiting_since.passed() && !std::exchange(told, true)) screen.note(waiting_text(to));
  }
}

// Capture says whether this database may be its target before anything is written there. It may
// have been waited for long, and another one be at the address by now: that is asked about anew.
std::optional<wire::Welcome> ask_capture(wire::Context& context, const ApplyRequest& request,
                                         const ConnectTo& to, Screen& screen, Signals& signals,
                                         Ending& ending) {
  wire::Hello question;
  question.accept_target = request.accept_target;
  auto seen = database_there(request, screen);
  while (true) {
    question.intended_target = seen;
    auto welcome = meet_capture(context, to, question, screen, signals, ending);
    if (!welcome) return welcome;
    seen = database_there(request, screen);
    if (seen == question.intended_target) return welcome;
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

Ending follow(PreparedTarget prepared, const ApplyRequest& request, const ConnectTo& to,
              wire::Context& context, Board& board, Screen& screen, Signals& signals) {
  TargetOptions options{.dsn = prepared.connection.dsn(),
                        .connect = to,
                        .migration = prepared.migration,
                        .schema = prepared.schema,
                        .source_id = prepared.source_id,
                        .accept_target = request.accept_target,
                        .after_snapshot = request.hooks.after_snapshot,
                        .guard = request.guard,
                        .continuous = request.continuous,
                        .dual_write = request.dual_write};
  StopLimit limit(signals);
  TargetWorker worker(context, std::move(options), std::move(prepared.connection), board);
  std::jthread thread([&](const std::stop_token& stop) { run_worker(worker, stop, board); });
  pthread_setname_np(thread.native_handle(), "apply-0");
  const Ending ending = watch(request.until_caught_up, board, nullptr, screen, signals);
  limit.begin(ending);
  thread.request_stop();
  worker.cancel();
  return ending;
}

}  // namespace

ExitCode command_apply(const ApplyRequest& request, Screen& screen, Signals& signals) {
  const ConnectTo to = connect_to(request.endpoint);
  wire::Context context;
  Ending ending;
  const auto welcome = ask_capture(context, request, to, screen, signals, ending);
  if (!welcome) return exit_code(ending, {});
  std::optional<PreparedTarget> made;
  {
    const Signals::Through through;
    prepare_again_and_again(
        [&](Attempt& attempt) { made.emplace(prepare_target(request, *welcome, attempt, screen)); },
        [&](const Error& error) { screen.note(waiting_note(error)); }, screen);
  }
  PreparedTarget& prepared = *made;
  Board board(first_status(prepared));
  screen.note(fmt::format("following {} into {} (schema {})", prepared.source,
                          prepared.connection.dsn().shown(), prepared.schema));
  ending = follow(std::move(prepared), request, to, context, board, screen, signals);
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
                            grouped(status.changes_applied), backlog_number(status)));
  if (const std::string waiting = quarantine_text(status); !waiting.empty())
    screen.result(fmt::format("absent    {}: lockstep quarantine list TARGET", waiting));
  screen.result(
      fmt::format("stays     schema lockstep and the copied tables in {}", status.target));
  return exit_code(ending, status);
}

}  // namespace lockstep::ops
