#include "switchover/reverse_errors.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <utility>

namespace lockstep::switchover {

namespace {
constexpr char kNothingWritten[] =
    "nothing was written on either side; PostgreSQL keeps the record of what changed";
}  // namespace

Error no_way_back_now(std::string why) {
  return Error({.code = "LS-X610",
                .exit = ExitCode::precondition,
                .what = "nothing goes from PostgreSQL back to SQLite now",
                .why = std::move(why),
                .data = kNothingWritten,
                .todo = "nothing, while a cutover or rollback is under way",
                .retry = Retry::same_session});
}

Error another_history(std::string why, const ReversePosition& here, const ReversePosition& there) {
  return Error(
      {.code = "LS-X611",
       .exit = ExitCode::stopped,
       .what = fmt::format("SQLite ({}) does not follow from PostgreSQL ({})", to_string(here),
                           to_string(there)),
       .why = std::move(why),
       .data = std::string(kNothingWritten) +
               "; SQLite stays as it is: it may have commits that PostgreSQL has not, or lack some",
       .todo = "find out which side was restored or lost commits before either is written again; "
               "lockstep verify tells the rows that differ"});
}

Error another_server(const TargetIdentity& known, const TargetIdentity& seen) {
  const bool promoted = kinship(known, seen) == Kinship::later;
  return Error(
      {.code = "LS-X612",
       .exit = ExitCode::stopped,
       .what = promoted ? "PostgreSQL has failed over since SQLite last followed it"
                        : "this is not the PostgreSQL that SQLite follows",
       .why = fmt::format("SQLite follows {}, the server says {} (system/database/timeline)",
                          to_string(known), to_string(seen)),
       .data = std::string(kNothingWritten) +
               (promoted ? "; SQLite may have commits that the promoted server never got" : ""),
       .todo = promoted
                   ? "compare the two with lockstep verify; SQLite's rows that differ are what "
                     "the failover lost, or what came after it"
                   : "check TARGET; after a restore of PostgreSQL compare both sides first"});
}

Error columns_changed(const std::vector<std::string>& changes) {
  return Error({.code = "LS-X613",
                .exit = ExitCode::stopped,
                .what =
                    "tables on PostgreSQL are not what they were at the cutover: no rollback is "
                    "possible as it stands",
                .why = fmt::format("{}", fmt::join(changes, "; ")),
                .data = kNothingWritten,
                .todo = "undo the change of the schema on PostgreSQL, and lockstep goes on by "
                        "itself; or give the rollback up with lockstep complete",
                .retry = Retry::same_session});
}

Error triggers_gone(const std::string& table) {
  return Error(
      {.code = "LS-X614",
       .exit = ExitCode::precondition,
       .what = fmt::format("the triggers of {}, which log for the way back, are gone again", table),
       .why = "somebody else drops or disables them at the same time",
       .data = kNothingWritten,
       .todo = "let the triggers _lockstep_log and _lockstep_log_truncate be",
       .retry = Retry::same_session});
}

Error quarantine_renumbered(const std::string& table) {
  return Error(
      {.code = "LS-X670",
       .exit = ExitCode::stopped,
       .what = fmt::format("the rowids of {}, its only key, are no longer those that PostgreSQL "
                           "knows, and rows of it wait in quarantine",
                           table),
       .why =
           "VACUUM numbered them anew, or another file was put in SQLite's place; a reading anew "
           "would take out of SQLite what PostgreSQL has not",
       .data = kNothingWritten,
       .todo = "lockstep quarantine list SOURCE; copy these rows out of SQLite, then DELETE FROM "
               "lockstep.quarantine on PostgreSQL: lockstep run goes on by itself behind it; or "
               "give the rollback up with lockstep complete",
       .retry = Retry::same_session});
}

Error others_are_quicker(int attempts) {
  return Error({.code = "LS-X615",
                .exit = ExitCode::busy,
                .what = "another lockstep brings PostgreSQL's changes back at the same time",
                .why = fmt::format("it was quicker {} times in a row", attempts),
                .data = "no harm is done: each change goes back once",
                .todo = "let one of them run",
                .retry = Retry::same_session});
}

Error table_is_locked(std::string why) {
  return Error({.code = "LS-X616",
                .exit = ExitCode::timed_out,
                .what = "a table on PostgreSQL cannot be read now",
                .why = std::move(why),
                .data = kNothingWritten,
                .todo = "nothing: lockstep tries again; a transaction holds ACCESS EXCLUSIVE on it "
                        "(ALTER TABLE, TRUNCATE, VACUUM FULL)",
                .retry = Retry::same_session});
}

}  // namespace lockstep::switchover
