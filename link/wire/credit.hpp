// How much the other end is ready to take: bytes and messages. Pure.
#pragma once

#include <cstddef>
#include <cstdint>

namespace lockstep::wire {

struct Credit {
  std::uint64_t bytes = 0;
  std::uint64_t messages = 0;
};

/// The sender's account. A message may be sent when at least one message and one byte are left: the
/// last one may overdraw the bytes (a message is never larger than kBodyBytesMax, so the overdraft
/// is bounded by that).
class CreditAccount {
 public:
  void grant(Credit more);
  [[nodiscard]] bool may_send() const { return bytes_ > 0 && messages_ > 0; }
  void spend(std::size_t bytes);
  void reset() {
    bytes_ = 0;
    messages_ = 0;
  }

 private:
  std::int64_t bytes_ = 0;
  std::int64_t messages_ = 0;
};

/// The receiver's side: what it took in and has not yet granted again. Grants in lumps of half the
/// window.
class CreditWindow {
 public:
  explicit CreditWindow(Credit window) : window_(window) {}
  /// The first grant of a session.
  [[nodiscard]] Credit open();
  /// Counts a consumed message; returns what to grant now (both zero: nothing yet).
  [[nodiscard]] Credit consumed(std::size_t bytes);

 private:
  Credit window_;
  Credit pending_;
};

}  // namespace lockstep::wire
