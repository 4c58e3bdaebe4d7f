#include "ops/reverse_worker.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <thread>
#include <utility>

#include "apply/ledger.hpp"
#include "apply/switch_ledger.hpp"
#include "capture/install.hpp"
#include "ops/verify_at_rest.hpp"
#include "switchover/left_tables.hpp"
#include "switchover/lost_columns.hpp"
#include "switchover/made_since.hpp"
#include "switchover/reverse_log.hpp"
#include "switchover/reverse_watch.hpp"
#include "switchover/sqlite_side.hpp"

namespace lockstep::ops {

namespace {

// A NOTIFY in the application's transactions would make their PREPARE TRANSACTION fail and let only
// one of them commit at a time; so the log is looked at: often while there is something, seldom
// after a while of nothing.
constexpr Milliseconds kHot{2}, kWarm{20}, kCold{100};
constexpr Milliseconds kHotFor{200}, kWarmFor{10'000};
constexpr Milliseconds kCatalogLookEvery{
    1'000};  // at the catalog, which a rollback looks at once more

Milliseconds pause_after(SteadyTime last_change) {
  const auto since = steady_now() - last_change;
  if (since < kHotFor) return kHot;
  return since < kWarmFor ? kWarm : kCold;
}

// The file's own advice is that of the way there: to drop what PostgreSQL has.
Error said_after_cutover(const Error& error) {
  ErrorFacts facts = error.facts();
  if (facts.code != "LS-S312") return error;
  facts.data =
      "stopped: nothing goes into a file that was not followed. The application goes on: "
      "PostgreSQL has everything, and its log keeps what the followed file does not have";
  facts.todo =
      "put the file back that was followed, with its -wal, and run again: it goes on from there. "
      "An older copy is no way back; if the file is lost, PostgreSQL is the only copy: keep its "
      "tables";
  return Error(std::move(facts));
}

}  // namespace

ReverseWorker::ReverseWorker(ReverseOptions options, Board& board)
    : options_(std::move(options)),
      board_(board),
      file_(options_.path),
      fence_(options_.migration, board) {}

void ReverseWorker::run(const std::stop_token& stop) {
  Backoff backoff(Milliseconds{50}, Milliseconds{5'000}, static_cast<std::uint64_t>(wall_now_us()));
  while (!stop.stop_requested()) {
    const Deadline worked_well(Milliseconds{10'000});
    Milliseconds stuck_for{0};
    try {
      follow(stop);
    } catch (const Error& error) {
      if (stop.stop_requested()) return;
      if (error.retry() == Retry::never) {
        board_.fail(said_after_cutover(error));
        return;
      }
      board_.await(error.code(), error.what());
      board_.reconnected();
      tell_what_waits();
      if (error.code() == "LS-X606") stuck_for = counted_for();
    }
    if (worked_well.passed()) backoff.reset();
    const Deadline deadline(std::max(backoff.next(), stuck_for));
    while (!stop.stop_requested() && !deadline.passed()) {
      board_.target_reports();
      std::this_thread::sleep_for(std::min(Milliseconds{20}, deadline.left()));
    }
  }
}

// A round that only counts what cannot go back holds SQLite's write lock: half of the time at most.
Milliseconds ReverseWorker::counted_for() const {
  constexpr Milliseconds kRestMax{60'000};
  return std::min(kRestMax, std::chrono::duration_cast<Milliseconds>(steady_now() - round_began_));
}

// Nothing moves, so no round says it.
void ReverseWorker::tell_what_waits() {
  try {
    if (!connection_ || !connection_->alive()) return;
    connection_->abort();
    board_.reverse_waits(switchover::count_logged(*connection_, options_.migration));
  } catch (const Error&) {  // the next turn connects anew, and says what is wrong
    return;
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
  file_.look(false);  // -wal and -shm may have gone with the connection before
  sqlite::Database writing = sqlite::Database::open(options_.path, sqlite::OpenMode::read_write);
  apply::ensure_switch_ledger(*connection_);  // an older lockstep may have led the cutover
  const auto plans = apply::plans_of(apply::read_tables(*connection_, options_.migration));
  // An older lockstep's cutover left them their triggers.
  switchover::release_left_tables(*connection_, options_.migration, options_.schema);
  next_look_ = {};
  look_around(writing, plans);
  switchover::ReverseFeed feed(*connection_, writing, options_.migration, options_.schema, plans);
  begin_verifying(writing);
  board_.stop_awaiting();
  last_change_ = steady_now();
  try {
    rounds(feed, writing, plans, stop);
  } catch (const Error& error) {
    verifier_->end();
    if (error.code() == "LS-X606") board_.rows_cannot_go_back(feed.refused().by_column());
    throw;
  } catch (...) {
    verifier_->end();
    throw;
  }
  verifier_->end();
}

void ReverseWorker::begin_verifying(sqlite::Database& sqlite) {
  const auto tables =
      comparable_back(marked_tables(*connection_, capture::require_installed(sqlite)));
  std::vector<TableProgress> shown;
  for (const apply::LedgerTable& table : tables)
    shown.push_back({table.plan.id, table.plan.name(), 0, 0, true, true});
  board_.tables(std::move(shown));
  if (!verifier_) {
    const auto position = switchover::read_reverse_position(sqlite);
    verifier_.emplace(VerifierTarget{options_.dsn,
                                     options_.migration,
                                     options_.schema,
                                     {Flow::reverse, position ? position->era : std::string()}},
                      options_.path, options_.continuous, board_);
  }
  verifier_->begin(tables);
}

void ReverseWorker::look_around(sqlite::Database& sqlite, const std::vector<TablePlan>& plans) {
  if (steady_now() < next_look_) return;
  next_look_ = steady_now() + kCatalogLookEvery;
  file_.look(sqlite.in_wal_mode());
  std::vector<switchover::CannotGoBack> stays =
      switchover::cannot_go_back(*connection_, options_.schema, plans);
  for (switchover::CannotGoBack& lost : switchover::lost_columns(sqlite, plans))
    stays.push_back(std::move(lost));
  for (switchover::CannotGoBack& table : switchover::as_cannot_go_back(
           switchover::made_since(*connection_, options_.migration, options_.schema)))
    stays.push_back(std::move(table));
  board_.columns_cannot_go_back(std::move(stays));
  for (const switchover::MovedTable& moved :
       switchover::follow_moved_tables(*connection_, options_.migration, options_.schema, plans))
    board_.schema_note(
        {"LS-X663", moved.table,
         fmt::format("{} was altered on PostgreSQL ({}): what was written meanwhile may not be in "
                     "the log, so the table is read anew into SQLite",
                     moved.table, moved.what)});
  fence_.look(sqlite, *connection_, plans);
}

void ReverseWorker::rounds(switchover::ReverseFeed& feed, sqlite::Database& sqlite,
                           const std::vector<TablePlan>& plans, const std::stop_token& stop) {
  bool first = true;
  while (!stop.stop_requested()) {
    board_.source_reports();
    board_.target_reports();
    if (!verifier_->holds_back_rounds()) look_around(sqlite, plans);
    const std::int64_t looked_us = wall_now_us();
    const std::vector<std::string> renumbered = feed.renumbered();
    // The first round also settles an acknowledgement that a crash has lost.
    const auto barrier = first ? std::nullopt : verifier_->turn(feed, *connection_);
    if (barrier) {
      show(*barrier);
    } else if (!verifier_->holds_back_rounds()) {
      const std::int64_t waiting = switchover::count_logged(*connection_, options_.migration);
      board_.reverse_waits(waiting);
      round_began_ = steady_now();
      if (std::exchange(first, false) || waiting > 0 || !renumbered.empty()) show(feed.round());
    }
    if (!renumbered.empty() && feed.renumbered().empty()) tell_read_anew(renumbered);
    if (!verifier_->holds_back_rounds()) {
      board_.reverse_caught_up(looked_us);
      board_.reverse_waits(0);
    }
    verifier_->rest(pause_after(last_change_));
  }
}

void ReverseWorker::tell_read_anew(const std::vector<std::string>& tables) {
  board_.schema_note(
      {"LS-X671", "",
       fmt::format(
           "SQLite's schema was changed, the file vacuumed or another one put in its place, "
           "though the application writes to PostgreSQL: tables without a key were read "
           "anew, for their rowids may have been numbered anew: {}",
           fmt::join(tables, ", "))});
}

void ReverseWorker::show(const switchover::ReverseRound& round) {
  board_.reversed(round.position, round.keys);
  if (round.anything) last_change_ = steady_now();
}

}  // namespace lockstep::ops
