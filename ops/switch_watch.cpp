#include "ops/switch_watch.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <utility>

#include "apply/ledger.hpp"
#include "capture/install.hpp"
#include "ops/open_files.hpp"
#include "ops/refusals.hpp"
#include "ops/route.hpp"
#include "ops/signals.hpp"
#include "switchover/sqlite_side.hpp"
#include "switchover/switch_errors.hpp"

namespace lockstep::ops {

using switchover::Coordinator;
using switchover::Decision;
using switchover::Direction;
using switchover::Role;
using switchover::Side;

namespace {

constexpr Milliseconds kSwitchLookEvery{100};
constexpr Milliseconds kGrace{1'000};  // a coordinator at work needs less
constexpr Milliseconds kPatience{1'000};

// SQLite's row alone shows it: as the loser it is fenced, as the gainer its attempt is pending.
bool looks_unfinished(const Side& sqlite) {
  return sqlite.role == Role::fenced || sqlite.decision == Decision::pending;
}

Direction flow_of(const Side& sqlite) {
  return sqlite.role == Role::replica ? Direction::reverse : Direction::forward;
}

[[noreturn]] void throw_completed(const std::string& path) {
  throw Error({.code = "LS-X626",
               .exit = ExitCode::precondition,
               .what = fmt::format("the migration of {} was completed", path),
               .why = "the application writes to PostgreSQL for good; this is an old copy",
               .data = "nothing was changed",
               .todo = "nothing; once no application opens the old copy, lockstep remove takes "
                       "its fence off"});
}

// A file from before the first cutover knows of none, and is open: it must not be followed as if
// nothing had happened.
void require_no_switch(const switchover::SwitchPlace& place) {
  if (place.migration.empty()) return;
  postgres::Connection target = postgres::Connection::open(place.dsn, "switch");
  if (target.exec("SELECT to_regclass('lockstep.switchover')").is_null(0, 0)) return;
  const postgres::Result row =
      target.query("SELECT role FROM lockstep.switchover WHERE migration = $1", {place.migration});
  if (row.rows() == 0 || row.value(0, 0) == "replica") return;
  switchover::Sides sides;
  sides.postgres.role = switchover::parse_role(row.value(0, 0)).value_or(Role::fenced);
  throw_at_odds(sides, place);
}

// Where another migration's row, or none, says who has the writers, nothing is to be finished.
void require_its_target(const switchover::SwitchPlace& place, const capture::Installed& installed,
                        const Side& side) {
  postgres::Connection target = postgres::Connection::open(place.dsn, "switch");
  check_together_after_cutover(
      installed, apply::read_ledger(target, installed.migration, apply::RowLock::none), place.path,
      side.role);
}

}  // namespace

SwitchWatch::SwitchWatch(switchover::SwitchPlace place, Board& board)
    : place_(std::move(place)), board_(board) {}

bool SwitchWatch::turned(Direction flow) {
  if (steady_now() < next_look_) return false;
  next_look_ = steady_now() + kSwitchLookEvery;
  try {
    return look(flow);
  } catch (const Error&) {
    reading_.reset();
    data_version_ = -1;  // it counts from anew with each connection
    return false;
  }
}

bool SwitchWatch::look(Direction flow) {
  constexpr Milliseconds kNoPatience{0};  // the main thread has a screen to paint
  if (!reading_)
    reading_ = sqlite::Database::open(place_.path, sqlite::OpenMode::read_only, kNoPatience);
  if (const std::int64_t version = reading_->pragma_int("data_version"); version != data_version_) {
    side_ = switchover::read_sqlite_side(*reading_);
    data_version_ = version;
    board_.writers(side_);
  }
  const SteadyTime now = steady_now();
  if (flow == Direction::reverse && now >= next_refusals_) look_at_refusals();
  if (!looks_unfinished(side_)) {
    unfinished_since_.reset();
    return flow_of(side_) != flow;
  }
  if (!unfinished_since_) unfinished_since_ = now;
  if (now - *unfinished_since_ > kGrace) finish();
  return false;
}

void SwitchWatch::look_at_refusals() {
  constexpr Milliseconds kEvery{1'000};
  next_refusals_ = steady_now() + kEvery;
  const switchover::RefusedWrites refused = switchover::read_refused_writes(*reading_);
  const bool more = refused.writes != std::exchange(refused_, refused.writes);
  const SteadyTime now = steady_now();
  if (!more && now < next_holders_) return;
  // What a transaction that is rolled back was refused is not counted: so who has the file open is
  // told whether anything was or not.
  constexpr Milliseconds kHoldersEvery{10'000};
  next_holders_ = now + kHoldersEvery;
  std::vector<std::string> who = who_has_open(place_.path);
  if (more)
    board_.refused_writes(refused.writes, refused.newest, fmt::format("{}", fmt::join(who, ", ")));
  board_.open_in(std::move(who));
}

void SwitchWatch::finish() {
  const Signals::Through through;  // PostgreSQL may not answer; the next process can finish it, too
  try {
    Coordinator coordinator(place_, [this](std::string_view step, const std::string& what) {
      board_.schema_note({"LS-X608", "", fmt::format("{}: {}", step, what)});
    });
    if (!coordinator.take_the_lead()) {
      unfinished_since_ = steady_now();  // somebody is at it
      return;
    }
    coordinator.finish(kPatience);
  } catch (const Error& error) {
    board_.await(error.code(), error.what());
    unfinished_since_ = steady_now();  // again, but not each time
  }
}

Direction settle(const switchover::SwitchPlace& place,
                 const std::function<void(const std::string&)>& tell) {
  {
    sqlite::Database reading = sqlite::Database::open(place.path, sqlite::OpenMode::read_only);
    const Side side = switchover::read_sqlite_side(reading);
    if (side == Side{}) {
      require_no_switch(place);
      return Direction::forward;
    }
    const auto installed = capture::read_installed(reading);
    if (side.role == Role::replica && !installed) throw_completed(place.path);
    if (installed) require_its_target(place, *installed, side);
  }
  Coordinator coordinator(place, [&](std::string_view step, const std::string& what) {
    tell(fmt::format("{:<9} {}", step, what));
  });
  // Who leads one now ends it by itself; this process only waits for what it is to follow.
  constexpr Milliseconds kOthers{5'000};
  const Deadline deadline(kOthers);
  while (unfinished(coordinator.look()).step != switchover::Step::none) {
    if (!coordinator.take_the_lead() && !deadline.passed()) {
      static_cast<void>(coordinator.postgres().wait_for_notification(kSwitchLookEvery));
      continue;
    }
    coordinator.finish(Milliseconds{0});
  }
  coordinator.require_agreement();
  const switchover::Sides sides = coordinator.look();
  // Who reads the route file is not told; the data goes on.
  try {
    if (const auto side = writers(sides);
        side && keep_route(place.path, place.migration, *side, next_attempt(sides) - 1))
      tell_route(coordinator.postgres(), place.path);
  } catch (const Error& error) {
    if (error.code() != "LS-X622") throw;
    tell(fmt::format("note      {} {}: {}; {}", error.code(), error.what(), error.facts().why,
                     error.facts().todo));
  }
  return flow(sides);
}

}  // namespace lockstep::ops
