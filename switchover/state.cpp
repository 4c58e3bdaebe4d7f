#include "switchover/state.hpp"

#include <algorithm>
#include <array>

namespace lockstep::switchover {

namespace {

constexpr std::array kRoles{Role::primary, Role::fenced, Role::replica};
constexpr std::array kDecisions{Decision::none, Decision::pending, Decision::committed,
                                Decision::aborted};
constexpr std::array kDirections{Direction::forward, Direction::reverse};

bool decides(const Side& gains) {
  return gains.role == Role::replica && gains.decision == Decision::pending;
}

// A2 poisons too: a loser that this attempt has not fenced yet must refuse it from now on.
bool is_aborted(const Side& gains, const Side& loses) {
  return gains.role == Role::replica && gains.decision == Decision::aborted &&
         loses.role != Role::replica &&
         (loses.fence < gains.attempt ||
          (loses.fence == gains.attempt && loses.role == Role::fenced));
}

bool is_committed(const Side& gains, const Side& loses) {
  return gains.role == Role::primary && gains.decision == Decision::committed &&
         loses.fence == gains.attempt && loses.role == Role::fenced;
}

}  // namespace

std::string_view to_string(Engine engine) {
  return engine == Engine::sqlite ? "sqlite" : "postgres";
}

std::string_view to_string(Role role) {
  switch (role) {
    case Role::primary:
      return "primary";
    case Role::fenced:
      return "fenced";
    case Role::replica:
      return "replica";
  }
  return "?";
}

std::optional<Role> parse_role(std::string_view text) {
  for (const Role role : kRoles)
    if (to_string(role) == text) return role;
  return std::nullopt;
}

std::string_view to_string(Decision decision) {
  switch (decision) {
    case Decision::none:
      return "none";
    case Decision::pending:
      return "pending";
    case Decision::committed:
      return "committed";
    case Decision::aborted:
      return "aborted";
  }
  return "?";
}

std::optional<Decision> parse_decision(std::string_view text) {
  for (const Decision decision : kDecisions)
    if (to_string(decision) == text) return decision;
  return std::nullopt;
}

std::string_view to_string(Direction direction) {
  return direction == Direction::forward ? "cutover" : "rollback";
}

std::string_view to_string(Step step) {
  switch (step) {
    case Step::none:
      return "none";
    case Step::decide:
      return "decide";
    case Step::unfence:
      return "unfence";
    case Step::hand_over:
      return "hand over";
  }
  return "?";
}

const Side& gainer(const Sides& sides, Direction direction) {
  return direction == Direction::forward ? sides.postgres : sides.sqlite;
}

const Side& loser(const Sides& sides, Direction direction) {
  return direction == Direction::forward ? sides.sqlite : sides.postgres;
}

Unfinished unfinished(const Sides& sides) {
  for (const Direction direction : kDirections) {
    const Side& gains = gainer(sides, direction);
    const Side& loses = loser(sides, direction);
    const bool fenced = loses.role == Role::fenced && loses.fence == gains.attempt;
    if (decides(gains)) return {Step::decide, direction, gains.attempt, fenced};
    if (is_aborted(gains, loses)) return {Step::unfence, direction, gains.attempt, fenced};
    if (is_committed(gains, loses)) return {Step::hand_over, direction, gains.attempt, fenced};
  }
  return {};
}

bool at_odds(const Sides& sides) {
  const Role sqlite = sides.sqlite.role, postgres = sides.postgres.role;
  const bool one_writes = (sqlite == Role::primary && postgres == Role::replica) ||
                          (sqlite == Role::replica && postgres == Role::primary);
  return !one_writes && unfinished(sides).step == Step::none;
}

bool may_begin(const Sides& sides, Direction direction) {
  const Side& gains = gainer(sides, direction);
  return gains.role == Role::replica && gains.decision != Decision::pending &&
         loser(sides, direction).role == Role::primary;
}

std::int64_t next_attempt(const Sides& sides) {
  return std::max({sides.sqlite.attempt, sides.sqlite.fence, sides.postgres.attempt,
                   sides.postgres.fence}) +
         1;
}

std::optional<Engine> writers(const Sides& sides) {
  if (sides.sqlite.role == Role::primary) return Engine::sqlite;
  if (sides.postgres.role == Role::primary) return Engine::postgres;
  return std::nullopt;
}

Direction flow(const Sides& sides) {
  return sides.sqlite.role == Role::replica ? Direction::reverse : Direction::forward;
}

}  // namespace lockstep::switchover
