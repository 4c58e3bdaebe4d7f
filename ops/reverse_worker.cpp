#include "ops/reverse_worker.hpp"

#include <algorithm>
#include <thread>
#include <utility>

#include "apply/ledger.hpp"
#include "link/sqlite/database.hpp"
#include "switchover/reverse_log.hpp"

namespace lockstep::ops {

namespace {

// A NOTIFY in the application's transactions would make their PREPARE TRANSACTION fail and let only
// one of them commit at a time; so the log is looked at: often while there is something, seldom
// after a while of nothing.
constexpr Milliseconds kHot{2}, kWarm{20}, kCold{100};
constexpr Milliseconds kHotFor{200}, kWarmFor{10'000};

Milliseconds pause_after(SteadyTime last_change) {
  const auto since = steady_now() - last_change;
  if (since < kHotFor) return kHot;
  return since < kWarmFor ? kWarm : kCold;
}

}  // namespace

ReverseWorker::ReverseWorker(ReverseOptions options, Board& board)
    : options_(std::move(options)), board_(board) {}

void ReverseWorker::run(const std::stop_token& stop) {
  Backoff backoff(Milliseconds{50}, Milliseconds{5'000}, static_cast<std::uint64_t>(wall_now_us()));
  while (!stop.stop_requested()) {
    const Deadline worked_well(Milliseconds{10'000});
    try {
      follow(stop);
    } catch (const Error& error) {
      if (stop.stop_requested()) return;
      if (error.retry() == Retry::never) {
        board_.fail(error);
        return;
      }
      board_.await(error.code(), error.what());
      board_.reconnected();
    }
    if (worked_well.passed()) backoff.reset();
    const Deadline deadline(backoff.next());
    while (!stop.stop_requested() && !deadline.passed()) {
      board_.target_reports();
      std::this_thread::sleep_for(std::min(Milliseconds{20}, deadline.left()));
    }
  }
}

void ReverseWorker::cancel() {
  const std::lock_guard lock(connection_mutex_);
  if (connection_) connection_->cancel();
}

void ReverseWorker::follow(const std::stop_token& stop) {
  {
    postgres::Connection fresh = postgres::Connection::open(options_.dsn, "reverse");
    const std::lock_guard lock(connection_mutex_);
    connection_.emplace(std::move(fresh));
  }
  sqlite::Database writing = sqlite::Database::open(options_.path, sqlite::OpenMode::read_write);
  switchover::ReverseFeed feed(
      *connection_, writing, options_.migration, options_.schema,
      apply::plans_of(apply::read_tables(*connection_, options_.migration)));
  board_.stop_awaiting();
  SteadyTime last_change = steady_now();
  bool first = true;
  while (!stop.stop_requested()) {
    board_.source_reports();
    board_.target_reports();
    const std::int64_t looked_us = wall_now_us();
    // The first round also settles an acknowledgement that a crash has lost.
    if (std::exchange(first, false) ||
        switchover::reverse_log_has_changes(*connection_, options_.migration)) {
      const switchover::ReverseRound round = feed.round();
      board_.reversed(round.position, round.keys);
      if (round.anything) last_change = steady_now();
    }
    board_.reverse_caught_up(looked_us);
    std::this_thread::sleep_for(pause_after(last_change));
  }
}

}  // namespace lockstep::ops
