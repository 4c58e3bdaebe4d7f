// The source remembers which PostgreSQL it is followed into: a server that went back in time, or a
// copy of it, cannot tell that of itself.
#pragma once

#include <optional>
#include <string>

#include "model/clock.hpp"
#include "model/error.hpp"
#include "model/target_identity.hpp"

namespace lockstep::ops {

/// One thread: the source worker's.
class TargetMemory {
 public:
  /// `patience`: how long the application's write lock is waited for.
  TargetMemory(std::string path, Milliseconds patience);

  /// Throws LS-T218 for a server of an older timeline (the old primary came back), LS-T219 for
  /// another cluster or database (restored, cloned), both exit 7, unless `accept`. Otherwise it is
  /// the target from now on.
  void meet(const TargetIdentity& seen, bool accept);
  /// What meet() without `accept` would throw; nothing is remembered.
  [[nodiscard]] std::optional<Error> objection(const TargetIdentity& seen);
  /// Writes down what could not be written yet because the application was busy; to be called now
  /// and then. Until then this process alone remembers.
  void keep();

 private:
  void recall();

  std::string path_;
  Milliseconds patience_;
  std::optional<TargetIdentity> known_;
  bool recorded_ = true;
};

}  // namespace lockstep::ops
