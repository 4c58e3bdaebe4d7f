// What is written down after a cutover: the way back, and who still has SQLite open.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "ops/board.hpp"

namespace lockstep::ops {

namespace {
constexpr std::chrono::minutes kOpenNoteEvery{1};
}  // namespace

void Board::refused_writes(std::int64_t writes, const std::string& newest, const std::string& who) {
  const std::lock_guard lock(mutex_);
  if (writes > status_.refused_writes)
    note(
        {"LS-X601", "",
         fmt::format("SQLite refused {} write(s) of the application since the cutover, the last at "
                     "{}; it is open in: {}. Restart what still writes there",
                     writes, newest, who.empty() ? "no process that can be seen" : who)});
  status_.refused_writes = writes;
}

void Board::open_in(std::vector<std::string> who) {
  const std::lock_guard lock(mutex_);
  const SteadyTime now = steady_now();
  const bool others = std::any_of(who.begin(), who.end(), [&](const std::string& each) {
    return std::find(open_noted_.begin(), open_noted_.end(), each) == open_noted_.end();
  });
  if (others && (!open_noted_at_ || now - *open_noted_at_ >= kOpenNoteEvery)) {
    open_noted_at_ = now;
    open_noted_ = who;
    note({"LS-X665", "",
          fmt::format("SQLite is still open in: {}. What only reads may go on; what writes is "
                      "refused",
                      fmt::join(who, ", "))});
  }
  status_.open_in = std::move(who);
}

void Board::columns_cannot_go_back(std::vector<switchover::CannotGoBack> columns) {
  const std::lock_guard lock(mutex_);
  columns_back_ = std::move(columns);
  list_going_back();
}

void Board::rows_cannot_go_back(std::vector<switchover::CannotGoBack> rows) {
  const std::lock_guard lock(mutex_);
  rows_back_ = std::move(rows);
  list_going_back();
}

void Board::list_going_back() {
  status_.cannot_go_back = rows_back_;
  status_.cannot_go_back.insert(status_.cannot_go_back.end(), columns_back_.begin(),
                                columns_back_.end());
}

void Board::reverse_waits(std::int64_t rows) {
  const std::lock_guard lock(mutex_);
  status_.backlog = rows;
  status_.log_counted = true;
}

void Board::reversed(const switchover::ReversePosition& position, std::int64_t keys) {
  const std::lock_guard lock(mutex_);
  status_.reverse_number = position.number;
  status_.changes_applied += keys;
  if (keys > 0) ++status_.batches_applied;
  rows_back_.clear();
  list_going_back();
}

void Board::reverse_caught_up(std::int64_t wall_us) {
  const std::lock_guard lock(mutex_);
  status_.reverse_caught_up_us = wall_us;
  caught_up_ = true;
}

}  // namespace lockstep::ops
