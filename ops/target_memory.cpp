#include "ops/target_memory.hpp"

#include <fmt/format.h>

#include <utility>

#include "capture/install.hpp"

namespace lockstep::ops {

namespace {

Error another_target(const TargetIdentity& known, const TargetIdentity& seen) {
  const bool earlier = kinship(known, seen) == Kinship::earlier;
  const std::string pair = fmt::format("{} now, {} before (system_identifier/database/timeline)",
                                       to_string(seen), to_string(known));
  return Error(
      {.code = earlier ? "LS-T218" : "LS-T219",
       .exit = ExitCode::stopped,
       .what = earlier ? "the target is a primary from before a failover"
                       : "the target is another database than the one applied to before",
       .why = fmt::format("{}: {}",
                          earlier ? "another server was promoted and has been applied to since"
                                  : "it is another one, or was restored, cloned or upgraded",
                          pair),
       .data = "nothing is applied there; the source keeps its changes",
       .todo = earlier ? "stop the old primary and connect to the promoted one; if this one is to "
                         "be the target again, the other never: lockstep run ... --accept-target"
                       : "check the address; if this one is the target from now on, and the other "
                         "never again: lockstep run ... --accept-target"});
}

}  // namespace

TargetMemory::TargetMemory(std::string path, Milliseconds patience)
    : path_(std::move(path)), patience_(patience) {}

void TargetMemory::recall() {
  if (known_) return;
  sqlite::Database reading = sqlite::Database::open(path_, sqlite::OpenMode::read_only);
  known_ = parse_target_identity(capture::recorded_target(reading));
}

std::optional<Error> TargetMemory::objection(const TargetIdentity& seen) {
  recall();
  if (!known_ || *known_ == seen || kinship(*known_, seen) == Kinship::later) return std::nullopt;
  return another_target(*known_, seen);
}

void TargetMemory::meet(const TargetIdentity& seen, bool accept) {
  recall();
  if (known_ && *known_ == seen) return keep();
  if (const auto error = accept ? std::nullopt : objection(seen)) throw Error(*error);
  known_ = seen;
  recorded_ = false;
  keep();
}

void TargetMemory::keep() {
  if (recorded_) return;
  try {
    sqlite::Database writing =
        sqlite::Database::open(path_, sqlite::OpenMode::read_write, patience_);
    capture::record_target(writing, to_string(*known_));
    recorded_ = true;
  } catch (const Error& error) {
    if (error.retry() == Retry::never) throw;
  }
}

}  // namespace lockstep::ops
