#include "ops/since.hpp"

#include <fmt/format.h>

#include "capture/install.hpp"
#include "ops/command_line_arguments.hpp"

namespace lockstep::ops {

namespace {

[[noreturn]] void throw_elsewhere(const Position& since, const std::string& why) {
  throw Error({.code = "LS-V513",
               .exit = ExitCode::precondition,
               .what = fmt::format("{} is no position of this source", to_string(since)),
               .why = why,
               .data = "nothing was compared",
               .todo = "take one that lockstep status SOURCE printed since the copy was made"});
}

}  // namespace

std::optional<Position> since_position(sqlite::Database& source, const Era& era,
                                       const std::string& text) {
  if (text.empty()) return std::nullopt;
  const auto since = parse_position(text);
  if (!since)
    throw_usage(fmt::format("--since: \"{}\" is no position", text),
                "take one that lockstep status printed: era/number/identity");
  if (since->era != era) throw_elsewhere(*since, "it belongs to another era: to another copy");
  const Position newest = capture::newest_position(source, era);
  if (since->seq > newest.seq)
    throw_elsewhere(*since, fmt::format("the source's last change is {}", to_string(newest)));
  const auto identity = capture::identity_of_change(source, since->seq);
  if (identity && *identity != since->identity)
    throw_elsewhere(*since, fmt::format("change {} has identity {}: an older copy of the file was "
                                        "put back, or it is another file",
                                        since->seq, *identity));
  return since;
}

void throw_since_is_forward() {
  throw Error({.code = "LS-V515",
               .exit = ExitCode::precondition,
               .what = "after a cutover rows are compared whoever wrote them, and whenever",
               .why = "--since counts in changes of SQLite, and PostgreSQL is written to now",
               .data = "nothing was compared; replication goes on",
               .todo = "lockstep verify without --since, or --table, or --sample"});
}

void throw_cannot_go_back(const Position& since, const Position& from) {
  throw Error(
      {.code = "LS-V512",
       .exit = ExitCode::precondition,
       .what = fmt::format("nobody knows any more what was written since {}", to_string(since)),
       .why = fmt::format("lockstep remembers the keys of the last million changes, and "
                          "none from before its start: here since {}",
                          to_string(from)),
       .data = "nothing was compared; replication goes on",
       .todo = fmt::format("lockstep verify without --since compares every row; or --since "
                           "{} and later",
                           to_string(from))});
}

}  // namespace lockstep::ops
