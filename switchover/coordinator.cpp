#include "switchover/coordinator.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <thread>
#include <utility>

#include "apply/ledger.hpp"
#include "apply/switch_ledger.hpp"
#include "capture/install.hpp"
#include "model/failpoint.hpp"
#include "switchover/answer_limit.hpp"
#include "switchover/control_rows.hpp"
#include "switchover/cutover_commit.hpp"
#include "switchover/fence_debt.hpp"
#include "switchover/fence_sql.hpp"
#include "switchover/held_keys.hpp"
#include "switchover/made_since.hpp"
#include "switchover/reverse_log.hpp"
#include "switchover/reverse_touched.hpp"
#include "switchover/reverse_watch.hpp"
#include "switchover/sqlite_side.hpp"
#include "switchover/switch_errors.hpp"
#include "switchover/turn.hpp"
#include "switchover/within_budget.hpp"
#include "verify/record.hpp"

namespace lockstep::switchover {

namespace {

constexpr Milliseconds kNow{1};  // 0 would not even try

// lockstep run brings changes back at the same time; if it was quicker each time, they are there.
void bring_back(ReverseFeed& feed) {
  try {
    feed.round();
  } catch (const Error& error) {
    if (error.code() != "LS-X615") throw;
  }
}

}  // namespace

Coordinator::Coordinator(SwitchPlace place, TellStep tell)
    : place_(std::move(place)), tell_(std::move(tell)) {
  sqlite_ = sqlite::Database::open(place_.path, sqlite::OpenMode::read_write);
  static_cast<void>(capture::require_installed(*sqlite_));
  connect();
}

Coordinator::~Coordinator() = default;

void Coordinator::connect() {
  if (postgres_ && postgres_->alive()) {
    postgres_->abort();
    return;
  }
  postgres_.reset();
  postgres_ = postgres::Connection::open(place_.dsn, "switch");
  if (apply::ledger_exists(*postgres_)) apply::ensure_switch_ledger(*postgres_);
  read_plans();
}

void Coordinator::read_plans() {
  plans_ = apply::plans_of(apply::read_tables(*postgres_, place_.migration));
}

ReverseFeed Coordinator::feed() {
  if (!feeding_ || !feeding_->alive())
    feeding_ = postgres::Connection::open(place_.dsn, "switch reverse");
  if (!writing_) writing_ = sqlite::Database::open(place_.path, sqlite::OpenMode::read_write);
  return {*feeding_, *writing_, place_.migration, place_.schema, plans_};
}

Sides Coordinator::look() {
  connect();
  return {read_sqlite_side(*sqlite_), read_postgres_side(*postgres_, place_.migration).side};
}

Role Coordinator::role_of_loser(Direction direction) {
  if (direction == Direction::forward) return read_sqlite_side(*sqlite_).role;
  connect();
  return read_postgres_side(*postgres_, place_.migration).side.role;
}

bool Coordinator::take_the_lead() {
  return postgres_
      ->exec(fmt::format("SELECT pg_try_advisory_lock({})", coordinator_lock(place_.migration)))
      .boolean(0, 0);
}

std::vector<std::string> Coordinator::install() {
  connect();
  installed_mark_ = tables_mark(*postgres_, place_.migration);
  read_plans();  // the gates may have been waited for
  const Turn turn(*postgres_, place_.migration);
  install_fence(*postgres_, place_.migration, place_.schema);
  install_reverse_log(*postgres_, place_.migration, place_.schema, plans_);
  // Later it is for the way back to say, which then reads anew what it cannot be sure of.
  if (read_postgres_side(*postgres_, place_.migration).side.role == Role::replica) {
    remember_tables(*postgres_, place_.migration, place_.schema, plans_);
    change_within(*postgres_, place_.migration, kRowPatience, [&] {
      require_no_comparison(*postgres_, place_.migration);
      forget_touched(*postgres_, place_.migration);
      remember_present(*postgres_, place_.migration, place_.schema);
    });
  }
  numbered_ = numbered_tables(*postgres_, place_.schema, plans_);
  return fence_sqlite();
}

// A fence that a stale application has lost is not put back in silence: what was written past it is
// in SQLite only. On record before the traces go.
std::vector<std::string> Coordinator::fence_sqlite() {
  bool was_open = false;
  auto virtual_tables = install_fence(*sqlite_, place_.migration, [&] {
    verify::create_records(*postgres_);
    require_comparison(*postgres_, place_.migration,
                       verify::request_pass(*postgres_, place_.migration, {}));
    was_open = true;
  });
  if (was_open) require_fence_was_whole(*sqlite_, *postgres_, place_.migration);
  return virtual_tables;
}

Switched Coordinator::move_writers(Direction direction, Milliseconds max_pause,
                                   const SchemaArrived& arrived) {
  const Sides sides = look();
  if (!may_begin(sides, direction)) throw_superseded(direction, next_attempt(sides) - 1);
  const std::int64_t attempt = next_attempt(sides);
  const bool prepared = direction == Direction::forward
                            ? prepare_postgres(*postgres_, place_.migration, attempt)
                            : prepare_sqlite(*sqlite_, attempt);
  if (!prepared) throw_superseded(direction, attempt);
  LOCKSTEP_FAILPOINT("cut.prepared");
  Pause pause(max_pause);
  try {
    if (direction == Direction::forward)
      cut_over(attempt, pause, arrived);
    else
      roll_back(attempt, pause);
  } catch (const Error&) {
    // Before the fence nothing has happened; behind it only the gainer's row knows.
    if (role_of_loser(direction) != Role::fenced) give_up(direction, attempt);
    throw;
  }
  finish(max_pause);
  const Sides now = look();
  const Side& gained = gainer(now, direction);
  if (gained.role != Role::primary || gained.attempt != attempt) {
    if (direction == Direction::reverse)
      require_fence_was_whole(*sqlite_, *postgres_, place_.migration);
    throw_superseded(direction, attempt);
  }
  if (direction == Direction::forward) count_slowly();
  return {direction, attempt, pause.ms()};
}

// What takes time is done before writers wait: PostgreSQL has the schema, which a table that was
// rebuilt in silence shows in nothing else, and is near the last change. The schema_version that
// this is true of.
std::int64_t Coordinator::come_near(const Era& era, Milliseconds max_pause,
                                    const SchemaArrived& arrived) {
  constexpr Milliseconds kSchemaPatience{5'000}, kEvery{20};
  const Milliseconds patience = std::max(max_pause, kSchemaPatience);
  const Deadline deadline(patience);
  std::int64_t version = 0;
  while (true) {
    version = sqlite_->pragma_int("schema_version");
    const bool has_arrived = arrived();
    if (has_arrived && tables_mark(*postgres_, place_.migration) == installed_mark_) break;
    if (deadline.passed()) throw_schema_behind(place_.path, patience);
    if (has_arrived)
      install();
    else
      std::this_thread::sleep_for(kEvery);
  }
  if (!wait_until_near(*postgres_, place_.migration, capture::newest_position(*sqlite_, era),
                       max_pause))
    throw_behind(max_pause);
  return version;
}

// What is asked of PostgreSQL while SQLite's writers wait for it.
template <class Work>
void Coordinator::answering_within(const Pause& pause, const Work& work) {
  constexpr Milliseconds kMore{100};  // most waits know the budget themselves, and say more
  AnswerLimit limit(*postgres_, pause.left() + kMore);
  try {
    work();
    limit.lift();
  } catch (const Error&) {
    if (!limit.passed()) throw;
  }
  if (limit.passed())
    throw_over_budget("DRAIN", pause.max(), "PostgreSQL did not answer in time", "SQLite");
}

void Coordinator::cut_over(std::int64_t attempt, Pause& pause, const SchemaArrived& arrived) {
  const Era era = capture::require_installed(*sqlite_).era;
  const std::int64_t schema_version = come_near(era, pause.max(), arrived);
  SqliteCounts counts(*sqlite_, numbered_);
  const std::vector<Counted> counted = counts.read();
  set_sequences(*postgres_, numbered_, counted);
  LOCKSTEP_FAILPOINT("cut.near");
  const auto asked = steady_now();
  // Before the lock, so that it ends behind it: a server that says nothing keeps its end waiting.
  std::optional<CutoverCommit> ready;
  WriteLock lock(*sqlite_, pause.max());
  pause.begin();
  const Position barrier = capture::newest_position(*sqlite_, era);
  if (sqlite_->pragma_int("schema_version") != schema_version) throw_schema_moved(place_.path);
  const std::vector<Counted> last_counted = counts.read();
  LOCKSTEP_FAILPOINT("cut.locked");
  tell_("LOCK",
        fmt::format("SQLite's write lock taken after {:.0f} ms",
                    std::chrono::duration<double, std::milli>(steady_now() - asked).count()));
  answering_within(pause, [&] {
    if (!wait_until_applied(*postgres_, place_.migration, barrier, pause.left()))
      throw_behind(pause.max());
    LOCKSTEP_FAILPOINT("cut.drained");
    tell_("DRAIN", fmt::format("PostgreSQL is at the last change, {}", barrier.seq));
    const std::size_t again = set_sequences(*postgres_, numbered_, last_counted, counted);
    tell_("SEQUENCES",
          fmt::format("{} set, {} of them again under the lock", numbered_.size(), again));
    if (pause.left().count() == 0)
      throw_over_budget("SEQUENCES", pause.max(), "the steps before it took too long", "SQLite");
    // No fence while nobody could commit behind it.
    ready.emplace(*postgres_, place_.migration, attempt, pause.left());
  });
  if (!ready->is_pending()) throw_superseded(Direction::forward, attempt);
  if (!lock.fence(attempt, place_.migration, pause.left()))
    throw_superseded(Direction::forward, attempt);
  LOCKSTEP_FAILPOINT("cut.fenced");
  const auto base = ready->commit(barrier);
  pause.end();
  LOCKSTEP_FAILPOINT("cut.committed");
  if (base) tell_("SWITCH", "SQLite fenced, PostgreSQL open");
}

void Coordinator::roll_back(std::int64_t attempt, Pause& pause) {
  ReverseFeed back = feed();
  bring_back(back);  // what is waiting must not count against the pause
  const auto quarantined = held_keys(*postgres_, place_.migration, plans_);
  const auto asked = steady_now();
  WritersHeld held(*postgres_, place_.migration, pause.max());
  pause.begin();
  LOCKSTEP_FAILPOINT("rb.held");
  tell_("HOLD",
        fmt::format("no transaction on PostgreSQL is under way, after {:.0f} ms",
                    std::chrono::duration<double, std::milli>(steady_now() - asked).count()));
  held.keep_tables(place_.schema, plans_);
  // Made or swapped since install(), and followed since: its writers would pass.
  if (const auto open = unfenced(*postgres_, place_.migration, place_.schema); !open.empty())
    throw_unfenced(open);
  std::optional<ReversePosition> position;
  while (!position) {
    within_budget(*writing_, pause, [&] { bring_back(back); });
    position = held.drained();
    if (!position && pause.left().count() == 0)
      throw_over_budget("DRAIN", pause.max(), "SQLite did not take the last changes in time",
                        "PostgreSQL");
  }
  LOCKSTEP_FAILPOINT("rb.drained");
  tell_("DRAIN", "SQLite has the last change");
  const auto sequences = least_sequences(*postgres_, numbered_);
  require_nothing_moved(*postgres_, place_.migration, place_.schema, plans_);
  within_budget(*sqlite_, pause, [&] {
    whole_at_ = require_fence_was_whole(*sqlite_, *postgres_, place_.migration);
  });
  RollbackCommit ready(*sqlite_, std::max(pause.left(), kNow));
  capture::log_keys(*sqlite_, quarantined);  // in the transaction of `ready`
  if (!held.fence(attempt)) throw_superseded(Direction::reverse, attempt);
  LOCKSTEP_FAILPOINT("rb.fenced");
  // A server that failed over meanwhile may be open again, and this session would not know.
  if (read_postgres_side(*postgres_, place_.migration).side.role != Role::fenced)
    throw_superseded(Direction::reverse, attempt);
  const auto first = ready.commit(place_.migration, attempt, *position, sequences, whole_at_);
  pause.end();
  LOCKSTEP_FAILPOINT("rb.committed");
  if (first) tell_("SWITCH", "PostgreSQL fenced, SQLite open");
}

// What would have kept the writers waiting; they have moved whether it can be done or not.
void Coordinator::count_slowly() {
  try {
    if (set_slow_sequences(*postgres_, numbered_) == 0) return;
    tell_("SEQUENCES", "set again where no index tells the largest number");
  } catch (const Error& error) {
    tell_("SEQUENCES", fmt::format("not set again where no index tells the largest number ({}): "
                                   "setval() does it",
                                   error.what()));
  }
}

bool Coordinator::abort(Direction direction, std::int64_t attempt) {
  const bool aborted = direction == Direction::forward
                           ? abort_postgres(*postgres_, place_.migration, attempt)
                           : abort_sqlite(*sqlite_, attempt);
  LOCKSTEP_FAILPOINT("cut.aborted");
  return aborted;
}

// A courtesy that any later coordinator would do as well.
void Coordinator::give_up(Direction direction, std::int64_t attempt) noexcept {
  try {
    connect();
    if (!abort(direction, attempt)) return;
    finish(Milliseconds{0});
  } catch (const std::exception& error) {
    tell_("ABORT", fmt::format("not recorded yet ({}); the next command does it", error.what()));
  }
}

// SQLite's row changes in every switch: if it is the same after PostgreSQL's was read, both were
// true at one moment.
void Coordinator::require_agreement() {
  const Sides sides = look();
  if (at_odds(sides) && read_sqlite_side(*sqlite_) == sides.sqlite) throw_at_odds(sides, place_);
}

void Coordinator::finish(Milliseconds patience) {
  // Each turn does one durable step, and no attempt has more than four.
  constexpr int kTurnsMax = 16;
  for (int turn = 0; turn < kTurnsMax; ++turn) {
    const Sides sides = look();
    const Unfinished what = unfinished(sides);
    switch (what.step) {
      case Step::none:
        if (at_odds(sides)) require_agreement();
        return;
      case Step::decide:
        if (!what.fenced || !try_commit(what, patience))
          static_cast<void>(abort(what.direction, what.attempt));
        break;
      case Step::unfence:
        if (what.direction == Direction::forward)
          unfence_sqlite(*sqlite_, what.attempt);
        else
          unfence_postgres(*postgres_, place_.migration, what.attempt);
        LOCKSTEP_FAILPOINT("cut.unfenced");
        tell_("UNFENCE", fmt::format("{} {} is aborted; the application writes where it did",
                                     to_string(what.direction), what.attempt));
        break;
      case Step::hand_over:
        hand_over(what);
        break;
    }
  }
}

// The loser is fenced: what it holds now is the last there will be.
bool Coordinator::try_commit(const Unfinished& what, Milliseconds patience) {
  if (what.direction == Direction::forward) {
    const Position barrier =
        capture::newest_position(*sqlite_, capture::require_installed(*sqlite_).era);
    if (!wait_until_applied(*postgres_, place_.migration, barrier, patience)) return false;
    // Whoever set them may have set them on a server that is lost, or not at all.
    const auto numbered = numbered_tables(*postgres_, place_.schema, plans_);
    set_sequences(*postgres_, numbered, SqliteCounts(*sqlite_, numbered).read());
    return commit_postgres(*postgres_, place_.migration, what.attempt, barrier).has_value();
  }
  // The position that was compared with PostgreSQL's, not the one that SQLite has by now: a feed
  // with a view of a server that was lost may have moved it (tests/model/cutover.pml,
  // M_REV_NO_POS).
  ReversePosition position;
  try {
    position = feed().round().position;
    whole_at_ = require_fence_was_whole(*sqlite_, *postgres_, place_.migration);
  } catch (const Error& error) {
    if (error.retry() == Retry::new_session) throw;
    return false;  // PostgreSQL opens again: better than nobody
  }
  // Harmless if nothing comes of it; behind C the first batch reads these rows again.
  capture::log_again(*sqlite_, held_keys(*postgres_, place_.migration, plans_), {});
  return commit_sqlite(
             *sqlite_, place_.migration, what.attempt, position,
             least_sequences(*postgres_, numbered_tables(*postgres_, place_.schema, plans_)),
             whole_at_)
      .has_value();
}

void Coordinator::hand_over(const Unfinished& what) {
  if (what.direction == Direction::forward) {
    const auto base = read_postgres_side(*postgres_, place_.migration).reverse;
    check(base.has_value(), "a committed cutover has recorded where the reverse direction begins");
    hand_over_sqlite(*sqlite_, what.attempt, *base);
    LOCKSTEP_FAILPOINT("cut.handed_over");
    return;
  }
  hand_over_postgres(*postgres_, place_.migration, what.attempt,
                     capture::require_installed(*sqlite_).era);
  LOCKSTEP_FAILPOINT("rb.handed_over");
}

}  // namespace lockstep::switchover
