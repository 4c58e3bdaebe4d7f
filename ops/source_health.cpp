#include "ops/source_health.hpp"

#include <fmt/format.h>

#include "capture/install.hpp"
#include "link/sqlite/filesystem.hpp"

namespace lockstep::ops {

namespace {
constexpr Milliseconds kHealthLookEvery{200};
}

void SourceHealth::reopened(const Position& first) {
  guard_.reopened();
  first_seq_ = first.seq;
  next_look_ = {};
}

bool SourceHealth::look(capture::Tail& tail, const std::optional<Position>& acked) {
  if (steady_now() < next_look_) return true;
  next_look_ = steady_now() + kHealthLookEvery;
  guard_.look(tail.in_wal_mode());
  const auto free = sqlite::free_bytes(path_);
  if (!free || *free >= limits_.warn_free) {
    warned_ = false;
    return true;
  }
  const std::int64_t waiting = tail.newest().seq - (acked ? acked->seq : first_seq_);
  const auto room = capture::judge_room(*free, waiting * capture::kBytesPerChange, limits_);
  if (room == capture::Room::give_up) return false;
  if (room == capture::Room::warn && !warned_) board_.disk_low(*free / capture::kMiB, waiting);
  warned_ = room == capture::Room::warn;
  return true;
}

void SourceHealth::give_up() {
  const std::int64_t free = sqlite::free_bytes(path_).value_or(0) / capture::kMiB;
  sqlite::Database database = sqlite::Database::open(path_, sqlite::OpenMode::read_write);
  static_cast<void>(capture::remove(database));
  throw Error({.code = "LS-S308",
               .exit = ExitCode::stopped,
               .what = fmt::format(
                   "the source's disk has {} MiB left, so lockstep gave up following", free),
               .why = "changes gathered that the target did not take; the application comes first",
               .data = "triggers and change table were taken out of the source; the target is as "
                       "it was",
               .todo = "mend the target or free space; then lockstep remove SOURCE TARGET, drop "
                       "the copied tables, run again: a new copy is needed"});
}

}  // namespace lockstep::ops
