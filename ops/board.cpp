#include "ops/board.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace lockstep::ops {

namespace {

constexpr std::size_t kLags = 8'192;
constexpr Milliseconds kQuantilesEvery{250};
constexpr std::size_t kNotesMax = 100;  // more would be noise; the counters in the status go on
constexpr std::chrono::minutes kLongReadNoteEvery{1};
constexpr std::chrono::minutes kRefusalNoteEvery{1};
constexpr std::chrono::minutes kQuarantineNoteEvery{1};
constexpr std::chrono::minutes kForeignWriteNoteEvery{1};

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
  if (lags_ms_.empty()) return copy;
  const SteadyTime now = steady_now();
  if (!quantiles_ || now - quantiles_->at >= kQuantilesEvery)
    quantiles_ = Quantiles{quantile(lags_ms_, 0.50), quantile(lags_ms_, 0.99), now};
  copy.lag_p50_ms = quantiles_->p50;
  copy.lag_p99_ms = quantiles_->p99;
  return copy;
}

std::vector<Note> Board::take_notes() {
  const std::lock_guard lock(mutex_);
  return std::exchange(notes_, {});
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
    for (const TableProgress& known : status_.tables) {
      if (known.id != table.id) continue;
      if (table.expected == 0) table.expected = known.expected;
      table.verified = known.verified;
      table.dual = known.dual;
    }
  status_.tables = std::move(tables);
}

void Board::expect(std::uint32_t table, std::int64_t rows) {
  const std::lock_guard lock(mutex_);
  if (TableProgress* progress = find(table)) progress->expected = rows;
}

void Board::captured(const Position& newest) {
  const std::lock_guard lock(mutex_);
  // Both ends report; the one that knows less must not take anything back.
  if (!status_.captured || !(newest < *status_.captured)) status_.captured = newest;
  if (status_.phase == "streaming" && !goal_) goal_ = newest;
  count_backlog();
}

void Board::table_begun(std::uint32_t table) {
  const std::lock_guard lock(mutex_);
  if (TableProgress* progress = find(table)) progress->begun = true;
}

void Board::chunk_loaded(std::uint32_t table, std::int64_t rows, bool table_done) {
  const std::lock_guard lock(mutex_);
  status_.rows_copied += rows;
  if (TableProgress* progress = find(table)) {
    progress->rows += rows;
    progress->copied = table_done;
  }
  if (!copy_started_) return;
  const std::chrono::duration<double> elapsed = steady_now() - *copy_started_;
  if (elapsed.count() > 0)
    status_.copy_rows_per_second = static_cast<double>(status_.rows_copied) / elapsed.count();
}

void Board::table_indexing(std::uint32_t table) {
  const std::lock_guard lock(mutex_);
  if (TableProgress* progress = find(table)) progress->indexing = true;
}

void Board::table_indexed(std::uint32_t table) {
  const std::lock_guard lock(mutex_);
  if (TableProgress* progress = find(table)) {
    progress->indexing = false;
    progress->indexed = true;
  }
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

void Board::resyncing(std::uint32_t table) {
  const std::lock_guard lock(mutex_);
  ++status_.resyncs;
  const TableProgress* progress = find(table);
  const std::string name = progress != nullptr ? progress->name : std::to_string(table);
  note({"LS-S306", name, fmt::format("reading {} anew", name)});
}

void Board::quarantine(std::int64_t held, std::int64_t skipped) {
  const std::lock_guard lock(mutex_);
  const auto now = steady_now();
  if (held > status_.quarantined.value_or(0) &&
      (!quarantine_noted_ || now - *quarantine_noted_ >= kQuarantineNoteEvery)) {
    quarantine_noted_ = now;
    note({"LS-D402", "",
          fmt::format("{} row(s) wait in quarantine: lockstep quarantine list", held)});
  }
  status_.quarantined = held;
  status_.skipped = skipped;
}

void Board::read_to_the_end() {
  const std::lock_guard lock(mutex_);
  ++status_.long_reads;
  const SteadyTime now = steady_now();
  if (long_read_noted_ && now - *long_read_noted_ < kLongReadNoteEvery) return;
  long_read_noted_ = now;
  note({"LS-S333", "",
        "reading did not overtake the writer: one long read (writers may have felt it)"});
}

void Board::schema_note(const Note& one) {
  const std::lock_guard lock(mutex_);
  if (one.code == "LS-S315" && !schema_notes_.insert(one.what).second) return;
  note(one);
}

void Board::new_table(const std::string& name) {
  const std::lock_guard lock(mutex_);
  note({"LS-S315", name,
        fmt::format("{} is a new table; it is not followed until lockstep is removed and run again",
                    name)});
}

void Board::disk_low(std::int64_t free_mib, std::int64_t waiting_changes) {
  const std::lock_guard lock(mutex_);
  note({"LS-S308", "",
        fmt::format("the source's disk has {} MiB left, and {} changes wait for the target",
                    free_mib, waiting_changes)});
}

void Board::reconnected() {
  const std::lock_guard lock(mutex_);
  ++status_.reconnects;
}

void Board::writers(const switchover::Side& sqlite) {
  using switchover::Role;
  const std::lock_guard lock(mutex_);
  status_.writers = sqlite.role == Role::primary   ? "sqlite"
                    : sqlite.role == Role::replica ? "postgres"
                                                   : "nowhere";
}

void Board::source_reports() {
  const std::lock_guard lock(mutex_);
  status_.source_seen_us = wall_now_us();
}

void Board::target_reports() {
  const std::lock_guard lock(mutex_);
  status_.target_seen_us = wall_now_us();
}

void Board::refused(const Error& error) {
  const std::lock_guard lock(mutex_);
  ++status_.refused;
  const SteadyTime now = steady_now();
  if (message_refused_ && now - *message_refused_ < kRefusalNoteEvery) return;
  message_refused_ = now;
  note({error.code(), "",
        fmt::format("a message of the other end was refused: {}: {}", error.facts().what,
                    error.facts().why)});
}

void Board::turned_away(std::int64_t clients, const std::string& last, std::int64_t dropped) {
  const std::lock_guard lock(mutex_);
  status_.dropped = dropped;
  if (clients == clients_refused_) return;
  status_.refused += clients - clients_refused_;
  clients_refused_ = clients;
  const SteadyTime now = steady_now();
  if (client_refused_ && now - *client_refused_ < kRefusalNoteEvery) return;
  client_refused_ = now;
  note({"LS-W513", "", fmt::format("a client was turned away: {}", last)});
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

void Board::schema_settled(std::int64_t schema_version) {
  const std::lock_guard lock(mutex_);
  status_.schema_settled = schema_version;
}

void Board::verified(Verified result) {
  const std::lock_guard lock(mutex_);
  status_.verified = std::move(result);
}

void Board::guard(apply::GuardSeen seen) {
  const std::lock_guard lock(mutex_);
  const auto text = [](const std::optional<apply::GuardSeen>& guard) {
    if (!guard || guard->without.empty()) return std::string();
    const auto& [relation, why] = guard->without.front();
    const std::size_t more = guard->without.size() - 1;
    return fmt::format("nothing keeps others from writing to {}{}: {}", relation,
                       more > 0 ? fmt::format(" and {} more", more) : std::string(), why);
  };
  if (std::string without = text(seen); !without.empty() && without != text(status_.guard))
    note({"LS-T234", seen.without.front().relation, std::move(without)});
  const SteadyTime now = steady_now();
  if (seen.foreign_writes > (status_.guard ? status_.guard->foreign_writes : 0) &&
      (!foreign_write_noted_ || now - *foreign_write_noted_ >= kForeignWriteNoteEvery)) {
    foreign_write_noted_ = now;
    note({"LS-X602", "",
          fmt::format("somebody else writes to the copied tables: {} statement(s), the last {}: "
                      "lockstep verify --repair",
                      seen.foreign_writes, seen.last_write)});
  }
  status_.guard = std::move(seen);
}

void Board::verifying(std::optional<Verifying> pass) {
  const std::lock_guard lock(mutex_);
  status_.verifying = std::move(pass);
}

void Board::barrier_waits(const std::string& why) {
  const std::lock_guard lock(mutex_);
  if (why.empty())
    status_.barrier_waits.reset();
  else
    status_.barrier_waits = Awaited{"", why, wall_now_us()};
}

void Board::table_verified(std::uint32_t table, TableVerified result) {
  const std::lock_guard lock(mutex_);
  TableProgress* progress = find(table);
  if (progress == nullptr) return;
  // What is known stays known while the table is gone through once more.
  if (result.state == "running" && progress->verified.state != "pending") return;
  progress->verified = std::move(result);
}

void Board::fail(const Error& error) {
  const std::lock_guard lock(mutex_);
  if (!failure_) failure_ = error;
}

std::optional<double> Board::lag_ms() const {
  const std::lock_guard lock(mutex_);
  if (status_.phase != "reverse" || status_.reverse_caught_up_us == 0) return status_.lag_ms;
  constexpr double kPerMs = 1'000;
  return static_cast<double>(wall_now_us() - status_.reverse_caught_up_us) / kPerMs;
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

void Board::note(Note note) {
  if (notes_.size() < kNotesMax) notes_.push_back(std::move(note));
}

TableProgress* Board::find(std::uint32_t table) {
  for (TableProgress& progress : status_.tables)
    if (progress.id == table) return &progress;
  return nullptr;
}

void Board::count_backlog() {
  if (status_.captured && status_.applied)
    status_.backlog = std::max<std::int64_t>(0, status_.captured->seq - status_.applied->seq);
}

}  // namespace lockstep::ops
