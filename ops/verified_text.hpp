// What is known of the equality of both sides, for people: how much of it, and how old the proof
// is. Pure.
#pragma once

#include <cstdint>
#include <string>

#include "ops/status.hpp"

namespace lockstep::ops {

/// "verified 5 of 5 tables equal, 12 s ago" by the oldest proof among them; "1 table DIFFERENT";
/// empty as long as nothing was compared. `now_us` as wall_now_us().
[[nodiscard]] std::string verified_text(const Status& status, std::int64_t now_us);

/// "equal 12 s ago", "3 rows DIFFERENT 2 min ago", "cannot be compared: why"; empty: never
/// compared.
[[nodiscard]] std::string verified_text(const TableVerified& table, std::int64_t now_us);

/// What a comparison of a table came to: clean, mismatch, unsupported (while it is written), error.
[[nodiscard]] std::string verified_state(const std::string& problem, std::uint64_t different);

/// "no view of the source for 12 s: why"; empty as long as it is no more than a second.
[[nodiscard]] std::string waiting_text(const Awaited& waits, std::int64_t now_us);

/// "12 s", "4 min", "3 h", "5 d".
[[nodiscard]] std::string age_text(std::int64_t age_us);

}  // namespace lockstep::ops
