#include "ops/board.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

namespace lockstep::ops {

namespace {

constexpr std::size_t kLags = 8'192;

double quantile(std::vector<double> values, double share) {
  const auto at = static_cast<std::ptrdiff_t>(share * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), values.begin() + at, values.end());
  return values[static_cast<std::size_t>(at)];
}

}  // namespace

Board::Board(Status first) : status_(std::move(first)) {}

Status Board::read() const {
  const std::lock_guard lock(mutex_);
  Status copy = status_;
  if (!lags_ms_.empty()) {
    copy.lag_p50_ms = quantile(lags_ms_, 0.50);
    copy.lag_p99_ms = quantile(lags_ms_, 0.99);
  }
  return copy;
}

void Board::phase(const std::string& name, bool consistent) {
  const std::lock_guard lock(mutex_);
  status_.phase = name;
  status_.consistent = consistent;
  if (name == "snapshot" && !copy_started_) copy_started_ = steady_now();
  if (name == "streaming" && !goal_ && status_.captured) goal_ = status_.captured;
}

void Board::tables(std::vector<TableProgress> tables) {
  const std::lock_guard lock(mutex_);
  for (TableProgress& table : tables)
    for (const TableProgress& known : status_.tables)
      if (known.id == table.id && table.expected == 0) table.expected = known.expected;
  status_.tables = std::move(tables);
}

void Board::captured(const Position& newest) {
  const std::lock_guard lock(mutex_);
  // Both ends report; the one that knows less must not take anything back.
  if (!status_.captured || !(newest < *status_.captured)) status_.captured = newest;
  if (status_.phase == "streaming" && !goal_) goal_ = newest;
  count_backlog();
}

void Board::chunk_loaded(std::uint32_t table, std::int64_t rows, bool table_done) {
  const std::lock_guard lock(mutex_);
  status_.rows_copied += rows;
  for (TableProgress& progress : status_.tables) {
    if (progress.id != table) continue;
    progress.rows += rows;
    progress.copied = table_done;
  }
  if (!copy_started_) return;
  const std::chrono::duration<double> elapsed = steady_now() - *copy_started_;
  if (elapsed.count() > 0)
    status_.copy_rows_per_second = static_cast<double>(status_.rows_copied) / elapsed.count();
}

void Board::table_indexed(std::uint32_t table) {
  const std::lock_guard lock(mutex_);
  for (TableProgress& progress : status_.tables)
    if (progress.id == table) progress.indexed = true;
}

void Board::applied(const Position& position, std::int64_t changes, std::int64_t source_wall_us,
                    bool fell_back) {
  const std::lock_guard lock(mutex_);
  status_.applied = position;
  status_.changes_applied += changes;
  ++status_.batches_applied;
  if (fell_back) ++status_.fallbacks;
  status_.lag_ms = static_cast<double>(wall_now_us() - source_wall_us) / 1'000.0;
  // Lag of the first catch-up is the copy's duration and says nothing about following.
  if (status_.phase == "streaming") count_lag(*status_.lag_ms);
  if (goal_ && position >= *goal_) caught_up_ = true;
  count_backlog();
}

void Board::resumed(const Position& position) {
  const std::lock_guard lock(mutex_);
  status_.applied = position;
  status_.acked = position;
  count_backlog();
}

void Board::acked(const Position& position) {
  const std::lock_guard lock(mutex_);
  status_.acked = position;
  if (status_.applied && *status_.applied < position) status_.applied = position;
  count_backlog();
}

void Board::caught_up(const Position& position) {
  const std::lock_guard lock(mutex_);
  if (!status_.captured || !(*status_.captured > position)) status_.captured = position;
  status_.lag_ms = 0;
  caught_up_ = true;
  count_backlog();
}

void Board::pruned(std::int64_t rows) {
  const std::lock_guard lock(mutex_);
  status_.pruned += rows;
}

void Board::resyncing() {
  const std::lock_guard lock(mutex_);
  ++status_.resyncs;
}

void Board::read_to_the_end() {
  const std::lock_guard lock(mutex_);
  ++status_.long_reads;
}

void Board::reconnected() {
  const std::lock_guard lock(mutex_);
  ++status_.reconnects;
}

void Board::await(const std::string& code, const std::string& what) {
  const std::lock_guard lock(mutex_);
  if (status_.awaited && status_.awaited->code == code) {
    status_.awaited->what = what;
    return;
  }
  status_.awaited = Awaited{code, what, wall_now_us()};
}

void Board::stop_awaiting() {
  const std::lock_guard lock(mutex_);
  status_.awaited.reset();
}

void Board::fail(const Error& error) {
  const std::lock_guard lock(mutex_);
  if (!failure_) failure_ = error;
}

std::optional<Error> Board::failure() const {
  const std::lock_guard lock(mutex_);
  return failure_;
}

bool Board::has_caught_up() const {
  const std::lock_guard lock(mutex_);
  return caught_up_;
}

void Board::count_lag(double lag_ms) {
  if (lags_ms_.size() < kLags) {
    lags_ms_.push_back(lag_ms);
    return;
  }
  lags_ms_[next_lag_] = lag_ms;
  next_lag_ = (next_lag_ + 1) % kLags;
}

void Board::count_backlog() {
  if (status_.captured && status_.applied)
    status_.backlog = std::max<std::int64_t>(0, status_.captured->seq - status_.applied->seq);
}

std::string status_json(const Status& status) {
  using nlohmann::json;
  const auto position = [](const std::optional<Position>& where) {
    return where ? json(to_string(*where)) : json(nullptr);
  };
  const auto number = [](const std::optional<double>& value) {
    return value ? json(*value) : json(nullptr);
  };
  json tables = json::array();
  for (const TableProgress& table : status.tables)
    tables.push_back({{"name", table.name},
                      {"rows_copied", table.rows},
                      {"rows_expected", table.expected},
                      {"copied", table.copied},
                      {"indexed", table.indexed}});
  json object{{"type", "status"},
              {"migration", status.migration},
              {"source", status.source},
              {"target", status.target},
              {"schema", status.schema},
              {"pid", status.pid},
              {"started", rfc3339(status.started_us)},
              {"phase", status.phase},
              {"consistent", status.consistent},
              {"captured", position(status.captured)},
              {"applied", position(status.applied)},
              {"acked", position(status.acked)},
              {"backlog_changes", status.backlog},
              {"lag_ms", number(status.lag_ms)},
              {"lag_p50_ms", number(status.lag_p50_ms)},
              {"lag_p99_ms", number(status.lag_p99_ms)},
              {"changes_applied", status.changes_applied},
              {"batches_applied", status.batches_applied},
              {"fallbacks", status.fallbacks},
              {"rows_copied", status.rows_copied},
              {"copy_rows_per_second", static_cast<std::int64_t>(status.copy_rows_per_second)},
              {"changes_pruned", status.pruned},
              {"resyncs", status.resyncs},
              {"long_reads", status.long_reads},
              {"reconnects", status.reconnects},
              {"tables", tables},
              {"awaited", nullptr}};
  if (status.awaited)
    object["awaited"] = {{"code", status.awaited->code},
                         {"what", status.awaited->what},
                         {"since", rfc3339(status.awaited->since_us)}};
  return object.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace lockstep::ops
