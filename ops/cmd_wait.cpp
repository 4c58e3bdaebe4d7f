#include <fmt/format.h>
#include <signal.h>

#include "apply/ledger.hpp"
#include "ops/commands.hpp"
#include "ops/names.hpp"
#include "ops/observe.hpp"
#include "ops/own_ledger.hpp"
#include "ops/wait_marks.hpp"
#include "switchover/sqlite_side.hpp"

namespace lockstep::ops {

namespace {

constexpr std::string_view kApplied = "applied=";

enum class Condition { applied, caught_up, verified };

struct Asked {
  Condition condition = Condition::applied;
  std::optional<Position> position;  // of applied=POSITION
};

Asked parse_condition(const WaitRequest& request) {
  if (request.condition == "caught-up") return {Condition::caught_up, {}};
  if (request.condition == "verified") return {Condition::verified, {}};
  std::optional<Position> position;
  if (request.condition.starts_with(kApplied))
    position = parse_position(std::string_view(request.condition).substr(kApplied.size()));
  if (position) return {Condition::applied, position};
  throw Error({.code = "LS-C110",
               .exit = ExitCode::usage,
               .what = fmt::format("\"{}\" is not something to wait for", request.condition),
               .why = "known are caught-up, verified and applied=POSITION",
               .data = "nothing was touched",
               .todo = "take POSITION from lockstep status (captured)"});
}

// A table that was rebuilt shows in schema_version alone until lockstep has looked at it.
bool settled(const Observed& observed, const SourceNow& now) {
  if (!observed.running) return true;  // nobody could say
  return observed.schema_settled && *observed.schema_settled >= now.schema_version;
}

[[noreturn]] void throw_timed_out(const WaitRequest& request, const Observed& observed,
                                  const std::string& problem) {
  throw Error(
      {.code = "LS-R715",
       .exit = ExitCode::timed_out,
       .what = fmt::format("{} was not reached within {} ms", request.condition,
                           request.timeout.count()),
       .why = fmt::format("phase {}, applied {}{}{}", observed.phase,
                          observed.applied ? to_string(*observed.applied) : "nothing",
                          observed.running ? "" : ", no lockstep is running",
                          problem.empty() ? "" : ": " + problem),
       .data = "nothing was changed by waiting",
       .todo = fmt::format("lockstep status {}",
                           looks_like_target(request.side) ? "TARGET" : shell_word(request.side))});
}

/// What has been reached, in words and as members of an object.
struct Reached {
  std::string text, members;
};

/// Looks again and again until what was asked for at the beginning is so.
class Waiting {
 public:
  Waiting(const WaitRequest& request, const Asked& asked)
      : side_(request.side), asked_(asked), observed_(observe(request.side)) {}

  [[nodiscard]] std::optional<Reached> look(bool first) {
    if (!first) observed_ = observe(side_);
    if (asked_.condition == Condition::applied) return applied();
    // A first run that still reads the source has no change table, hence no newest change.
    if (observed_.phase == "starting" || (!looks_like_target(side_) && !schema_is_followed(side_)))
      if (!wanted_) return std::nullopt;
    if (!place_) place_ = place_of_side(side_);
    const switchover::Role role = sqlite_role();
    // A switch came in between: what had been written before it has moved with the writers.
    if (role == switchover::Role::fenced) return std::nullopt;
    if (role == switchover::Role::replica) return reverse();
    if (!wanted_) {
      began_ = source_now(side_);
      wanted_ = began_->newest;
    }
    return asked_.condition == Condition::verified ? verified() : caught_up();
  }

  [[nodiscard]] const Observed& observed() const { return observed_; }
  [[nodiscard]] const std::string& problem() const {
    return observed_.problem.empty() ? problem_ : observed_.problem;
  }

 private:
  [[nodiscard]] switchover::Role sqlite_role() const {
    sqlite::Database database =
        sqlite::Database::open(place_->path, sqlite::OpenMode::read_only, Milliseconds{1'000});
    return switchover::read_sqlite_side(database).role;
  }

  [[nodiscard]] std::optional<Reached> applied() {
    // Who follows the way back does not publish where the way there ended; the ledger has it.
    if (observed_.phase == "reverse") return applied_before_cutover();
    return reached(observed_.applied, *asked_.position);
  }

  [[nodiscard]] std::optional<Reached> applied_before_cutover() {
    if (!place_) place_ = place_of_side(side_);
    return on_target([this](postgres::Connection& target) {
      const auto ledger = apply::read_ledger(target, place_->migration, apply::RowLock::none);
      return reached(ledger ? ledger->position : std::nullopt, *asked_.position);
    });
  }

  [[nodiscard]] static std::optional<Reached> reached(const std::optional<Position>& applied,
                                                      const Position& wanted) {
    if (!applied || !(*applied >= wanted)) return std::nullopt;
    const std::string position = to_string(*applied);
    return Reached{fmt::format("applied {}", position), fmt::format(R"("applied":"{}")", position)};
  }

  [[nodiscard]] std::optional<Reached> caught_up() const {
    if (observed_.phase != "streaming" || !settled(observed_, *began_)) return std::nullopt;
    std::optional<Reached> there = reached(observed_.applied, *wanted_);
    // A source that went back in time has fewer changes than were applied: nobody has caught up
    // with that.
    if (there && !(*observed_.applied <= source_now(side_).newest)) return std::nullopt;
    return there;
  }

  void connect() {
    postgres::Connection target = postgres::Connection::open(postgres::parse_dsn(place_->target),
                                                             "wait", Milliseconds{5'000});
    sqlite::Database source =
        sqlite::Database::open(place_->path, sqlite::OpenMode::read_only, Milliseconds{1'000});
    if (const auto installed = capture::read_installed(source)) require_own(target, *installed);
    target_.emplace(std::move(target));
  }

  // PostgreSQL may be away for a while: that is not the end of waiting.
  template <class Ask>
  std::optional<Reached> on_target(Ask ask) {
    try {
      if (!target_) connect();
      std::optional<Reached> reached = ask(*target_);
      problem_.clear();
      return reached;
    } catch (const Error& error) {
      if (error.retry() == Retry::never) throw;
      problem_ = error.what();
      target_.reset();
      return std::nullopt;
    }
  }

  [[nodiscard]] std::optional<Reached> verified() {
    return on_target([this](postgres::Connection& target) -> std::optional<Reached> {
      return equal_from(target, *wanted_, {});
    });
  }

  [[nodiscard]] std::optional<Reached> equal_from(postgres::Connection& target,
                                                  const Position& wanted,
                                                  const verify::History& history) const {
    const auto up_to = verified_up_to(target, place_->migration, history);
    if (!up_to || !(up_to->position >= wanted)) return std::nullopt;
    const std::string position = to_string(up_to->position);
    return Reached{fmt::format("equal at {} and behind it (comparison {})", position, up_to->pass),
                   fmt::format(R"("position":"{}","pass":{}{})", position, up_to->pass,
                               history.flow == Flow::reverse ? R"(,"direction":"reverse")" : "")};
  }

  [[nodiscard]] std::optional<Reached> reverse() {
    return on_target([this](postgres::Connection& target) -> std::optional<Reached> {
      if (!committed_) committed_ = committed_now(target);
      if (!has_come_back(target, place_->migration, *committed_)) return std::nullopt;
      if (asked_.condition == Condition::verified) return verified_back(target);
      return Reached{"SQLite has everything that was committed on PostgreSQL",
                     R"("direction":"reverse")"};
    });
  }

  // Everything that was committed when the waiting began is in this round, or in one before.
  [[nodiscard]] std::optional<Reached> verified_back(postgres::Connection& target) {
    if (!round_) round_ = newest_round(target, place_->migration);
    if (!round_) return std::nullopt;
    return equal_from(target, *round_, {Flow::reverse, to_string(round_->era)});
  }

  const std::string& side_;
  const Asked& asked_;
  Observed observed_;
  std::optional<MigrationPlace> place_;
  std::optional<postgres::Connection> target_;
  std::string problem_;
  std::optional<SourceNow> began_;
  std::optional<Position> wanted_;        // newest change of SQLite when the waiting began
  std::optional<std::string> committed_;  // after a cutover: PostgreSQL's snapshot then
  std::optional<Position> round_;         // and a round that has all of that
};

std::string_view name_of(Condition condition) {
  switch (condition) {
    case Condition::applied:
      return "applied";
    case Condition::caught_up:
      return "caught-up";
    case Condition::verified:
      return "verified";
  }
  return "?";
}

}  // namespace

ExitCode command_wait(const WaitRequest& request, Screen& screen, Signals& signals) {
  const Asked asked = parse_condition(request);
  const Deadline deadline(request.timeout);
  constexpr Milliseconds kEvery{20};
  Waiting waiting(request, asked);
  std::optional<Reached> reached = waiting.look(true);
  while (!reached) {
    if (deadline.passed()) throw_timed_out(request, waiting.observed(), waiting.problem());
    if (const auto signal = signals.wait(kEvery))
      return *signal == SIGINT ? ExitCode::interrupted : ExitCode::terminated;
    reached = waiting.look(false);
  }
  screen.result(fmt::format("{}: {}", request.condition, reached->text));
  screen.json(fmt::format(R"({{"type":"wait","condition":"{}",{}}})", name_of(asked.condition),
                          reached->members));
  return ExitCode::done;
}

}  // namespace lockstep::ops
