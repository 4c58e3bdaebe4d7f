#include "switchover/reverse_position.hpp"

#include <fmt/format.h>

#include <charconv>

namespace lockstep::switchover {

namespace {

/// The second number of xmin:xmax:xip: transactions from it on had not begun.
std::optional<std::uint64_t> next_transaction(const std::string& snapshot) {
  const std::size_t from = snapshot.find(':');
  const std::size_t to = from == std::string::npos ? from : snapshot.find(':', from + 1);
  if (to == std::string::npos) return std::nullopt;
  std::uint64_t number = 0;
  const char* const end = snapshot.data() + to;
  const auto read = std::from_chars(snapshot.data() + from + 1, end, number);
  return read.ec == std::errc{} && read.ptr == end ? std::optional(number) : std::nullopt;
}

}  // namespace

std::string to_string(const ReversePosition& position) {
  return fmt::format("{}/{}/{}", position.era, position.number, position.identity);
}

std::optional<Position> as_position(const ReversePosition& position) {
  const auto era = parse_era(position.era);
  if (!era) return std::nullopt;
  return Position{*era, position.number, position.identity};
}

std::string to_string(const StoredSnapshot& stored) {
  return fmt::format("{} {} {}", stored.identity_before, stored.identity, stored.snapshot);
}

std::optional<StoredSnapshot> parse_stored_snapshot(const std::string& text) {
  StoredSnapshot stored;
  const char *at = text.data(), *const end = at + text.size();
  for (std::int64_t* const number : {&stored.identity_before, &stored.identity}) {
    const auto read = std::from_chars(at, end, *number);
    if (read.ec != std::errc{} || read.ptr == end || *read.ptr != ' ') return std::nullopt;
    at = read.ptr + 1;
  }
  stored.snapshot.assign(at, end);
  return next_transaction(stored.snapshot) ? std::optional(stored) : std::nullopt;
}

std::optional<StoredSnapshot> stored_snapshot(const SqliteEnd& sqlite) {
  auto stored = parse_stored_snapshot(sqlite.snapshot);
  if (stored && stored->identity != sqlite.position.identity) stored.reset();
  return stored;
}

NextStep next_step(const PostgresEnd& postgres, const SqliteEnd& sqlite, std::string& why) {
  const auto say = [&](NextStep step, std::string sentence) {
    why = std::move(sentence);
    return step;
  };
  if (postgres.role != "primary" && postgres.role != "fenced")
    return say(NextStep::wait,
               fmt::format("PostgreSQL's role is {}: it is not where writes come from now",
                           postgres.role));
  if (sqlite.role != "replica")
    return say(NextStep::wait,
               fmt::format("SQLite's role is {}: it follows nobody yet", sqlite.role));
  const ReversePosition &there = postgres.position, &here = sqlite.position;
  if (there.era.empty() || there.era != here.era)
    return say(
        NextStep::halt,
        fmt::format("PostgreSQL is in era {}, SQLite in era {}: they do not come from the "
                    "same handover",
                    there.era.empty() ? "none" : there.era, here.era.empty() ? "none" : here.era));
  const auto stored = stored_snapshot(sqlite);
  if (stored && next_transaction(stored->snapshot) > next_transaction(postgres.snapshot))
    return say(NextStep::halt,
               "SQLite holds transactions that PostgreSQL has not had yet: the server went back in "
               "time");
  if (there == here) return NextStep::go_on;
  if (here.number == there.number + 1 && stored && stored->identity_before == there.identity)
    return NextStep::acknowledge;
  return say(
      NextStep::halt,
      fmt::format("SQLite stands at {}, PostgreSQL at {}: {}", to_string(here), to_string(there),
                  here.number > there.number
                      ? "PostgreSQL lost what SQLite has (a restored server), or the ledger "
                        "was changed"
                  : here.number < there.number
                      ? "an older SQLite file was put back"
                      : "the same number with another identity: one of them was restored"));
}

}  // namespace lockstep::switchover
