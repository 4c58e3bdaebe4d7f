// How a migration stands, seen from outside: what the running process publishes, else what both
// databases say.
#pragma once

#include <optional>
#include <string>

#include "model/position.hpp"
#include "ops/stall.hpp"

namespace lockstep::ops {

struct Observed {
  bool running = false;  ///< a lockstep is at work on this source
  std::string json;      ///< its status as published, or one put together from source and ledger
  std::string phase = "unknown";
  bool consistent = false;
  std::optional<Position> captured, applied;
  std::optional<std::int64_t> schema_settled;  ///< of a running lockstep: Status has it
  std::string problem;  ///< why a part could not be seen, redacted; empty if all could
};

/// `side` is a SOURCE or a TARGET. From a SOURCE the target is found through what the install wrote
/// down (without password: libpq's own places must have it); from a TARGET the source through the
/// ledger, if it is on this host. Throws LS-R712 (exit 3) if there is no migration at all.
/// What a running lockstep published says `stalled` if a part of it is silent for `stalled_after`.
[[nodiscard]] Observed observe(const std::string& side, Milliseconds stalled_after = kStalledAfter);

struct SourceNow {
  Position newest;  ///< the last change
  std::int64_t schema_version = 0;
};

/// The source now, read from the file itself: what a running lockstep publishes is up to a quarter
/// of a second old. From a TARGET the source is found through the ledger; throws LS-S301 if it is
/// not on this host.
[[nodiscard]] SourceNow source_now(const std::string& side);

/// False while triggers are missing, a table has another shape than the plan, or its rows may have
/// been rewritten without a trigger: what was written to it is not in source_now() yet.
[[nodiscard]] bool schema_is_followed(const std::string& source);

/// True if the lockstep that runs has followed the schema of the file at `path` as it is now to the
/// end: nothing is left out that nobody chose to, and the target has what was read anew.
[[nodiscard]] bool schema_has_arrived(const std::string& path);

}  // namespace lockstep::ops
