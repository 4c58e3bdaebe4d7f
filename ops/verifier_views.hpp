// The read views of the target. Two threads have to do with each: apply's opens it while all that
// lies before a barrier is applied, and nothing behind; the verifier's reads and ends it.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>

#include "link/postgres/connection.hpp"

namespace lockstep::ops {

inline constexpr std::size_t kVerifierViews = 2;

/// A barrier's number says which view is its own. A barrier that nobody waits for any more, because
/// its pass has failed, may still be on its way: so whoever opens or ends a view holds the lock.
class VerifierViews {
 public:
  /// Apply's thread: `begin` opens a transaction on the barrier's view; what an earlier one left
  /// there is ended first. Throws what it throws, and LS-V536 if the view has no connection.
  void open(std::uint64_t barrier, const std::function<void(postgres::Connection&)>& begin);

  /// The verifier's thread, from here on. Of a barrier that was answered, until its view is ended.
  [[nodiscard]] postgres::Connection& of(std::uint64_t barrier) {
    return *views_[barrier % kVerifierViews];
  }
  void end_all();
  /// Views without a live connection get one by `connect`, the others are ended.
  void connect(const std::function<postgres::Connection()>& connect);

  /// Any thread: statements under way end with an error.
  void cancel();

 private:
  std::mutex mutex_;
  std::array<std::optional<postgres::Connection>, kVerifierViews> views_;
};

}  // namespace lockstep::ops
