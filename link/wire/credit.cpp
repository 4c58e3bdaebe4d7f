#include "link/wire/credit.hpp"

#include <algorithm>
#include <limits>

#include "model/error.hpp"

namespace lockstep::wire {

namespace {

// Half the range: the sum of two such never overflows, whatever the other end claims to grant.
constexpr std::int64_t kAccountMax = std::numeric_limits<std::int64_t>::max() / 2;

std::int64_t add(std::int64_t account, std::uint64_t more) {
  const auto granted = static_cast<std::int64_t>(
      std::min<std::uint64_t>(more, static_cast<std::uint64_t>(kAccountMax)));
  return std::min(account + granted, kAccountMax);
}

}  // namespace

void CreditAccount::grant(Credit more) {
  bytes_ = add(bytes_, more.bytes);
  messages_ = add(messages_, more.messages);
}

void CreditAccount::spend(std::size_t bytes) {
  check(may_send(), "a message is sent only on credit");
  bytes_ -= static_cast<std::int64_t>(bytes);
  --messages_;
}

Credit CreditWindow::open() {
  check(window_.bytes > 0 && window_.messages > 0, "a credit window is not empty");
  pending_ = {};
  return window_;
}

Credit CreditWindow::consumed(std::size_t bytes) {
  pending_.bytes += bytes;
  ++pending_.messages;
  const bool half_of_bytes = pending_.bytes >= window_.bytes - window_.bytes / 2;
  const bool half_of_messages = pending_.messages >= window_.messages - window_.messages / 2;
  if (!half_of_bytes && !half_of_messages) return {};
  const Credit grant = pending_;
  pending_ = {};
  return grant;
}

}  // namespace lockstep::wire
