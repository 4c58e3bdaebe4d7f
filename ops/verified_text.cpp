#include "ops/verified_text.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "ops/screen.hpp"

namespace lockstep::ops {

namespace {

std::string tables_text(std::int64_t count, std::string_view what) {
  return fmt::format("{} table{} {}", grouped(count), count == 1 ? "" : "s", what);
}

}  // namespace

std::string age_text(std::int64_t age_us) {
  constexpr std::int64_t kSecond = 1'000'000, kMinute = 60 * kSecond, kHour = 60 * kMinute,
                         kDay = 24 * kHour;
  const std::int64_t age = std::max<std::int64_t>(age_us, 0);
  if (age < 2 * kMinute) return fmt::format("{} s", age / kSecond);
  if (age < 2 * kHour) return fmt::format("{} min", age / kMinute);
  if (age < 2 * kDay) return fmt::format("{} h", age / kHour);
  return fmt::format("{} d", age / kDay);
}

std::string verified_text(const Status& status, std::int64_t now_us) {
  std::int64_t equal = 0, different = 0, failed = 0, oldest = now_us;
  for (const TableProgress& table : status.tables) {
    const std::string& state = table.verified.state;
    if (state == "mismatch") ++different;
    if (state == "error" || state == "unsupported") ++failed;
    if (state != "clean") continue;
    ++equal;
    oldest = std::min(oldest, table.verified.at_us);
  }
  std::string text;
  if (equal > 0)
    text = fmt::format("verified {} of {} tables equal, {} ago", grouped(equal),
                       grouped(static_cast<std::int64_t>(status.tables.size())),
                       age_text(now_us - oldest));
  if (different > 0) text += (text.empty() ? "" : "; ") + tables_text(different, "DIFFERENT");
  if (failed > 0) text += (text.empty() ? "" : "; ") + tables_text(failed, "not compared");
  if (!status.verifying) return text;
  text += fmt::format("{}comparing {}", text.empty() ? "" : "; ", status.verifying->table);
  if (status.barrier_waits)
    if (const std::string waits = waiting_text(*status.barrier_waits, now_us); !waits.empty())
      text += ", " + waits;
  return text;
}

std::string verified_state(const std::string& problem, std::uint64_t different) {
  if (problem.starts_with("LS-V508")) return "unsupported";
  if (!problem.empty()) return "error";
  return different > 0 ? "mismatch" : "clean";
}

std::string waiting_text(const Awaited& waits, std::int64_t now_us) {
  constexpr std::int64_t kLong = 1'000'000;
  if (now_us - waits.since_us < kLong) return {};
  return fmt::format("no view of the source for {}: {}", age_text(now_us - waits.since_us),
                     waits.what);
}

std::string verified_text(const TableVerified& table, std::int64_t now_us) {
  const std::string ago =
      table.at_us == 0 ? "" : fmt::format(" {} ago", age_text(now_us - table.at_us));
  if (table.state == "clean")
    return (table.converged_at.empty() ? "equal" : "converged at " + table.converged_at) + ago;
  if (table.state == "running") return "is being compared";
  if (table.state == "mismatch")
    return fmt::format("{} row{} DIFFERENT{}", grouped(table.different),
                       table.different == 1 ? "" : "s", ago);
  if (table.state == "error" || table.state == "unsupported")
    return "not compared: " + table.problem;
  return {};
}

}  // namespace lockstep::ops
