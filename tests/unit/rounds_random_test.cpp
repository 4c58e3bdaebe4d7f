// Random runs of what Rounds decides for: a source that is written to between slices, chunks copied
// side by side, a batch in slices, resets of a table, and crashes. At each batch's end the replica
// has to be the state that the source had at `to`.
#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "capture/rounds.hpp"
#include "tests/support/seed.hpp"

namespace lockstep::capture {
namespace {

constexpr std::size_t kTables = 2;
constexpr std::size_t kKeys = 6;
constexpr std::size_t kChunkKeys = 3;
constexpr int kAbsent = 0;

/// Values by table and key. No value is written twice in a run, though rows move between keys.
using State = std::array<std::array<int, kKeys>, kTables>;

/// What one run does wrong on purpose.
enum class Mutant {
  none,
  torn,               ///< keys of the log as far as a number of them, values read later
  split,              ///< the slices of a batch in target transactions of their own
  earlier_wins,       ///< the earlier read of a key wins
  end_early,          ///< the batch ends when nothing is pending, whatever its slice could see
  filter,             ///< a change that is not after its chunk's state is left out of the catch-up
  scan_cut,           ///< the batch does not wait for the scan of a table
  reset_no_log,       ///< the log of a table is ignored while it is scanned
  reset_keep,         ///< rows that the scan did not find are not deleted
  reset_old_entries,  ///< what was read of a table before its scan began still counts
  reset_forgotten,    ///< that a table needs a scan is not written down in the source
};

struct Dice {
  std::mt19937_64 engine;
  std::size_t below(std::size_t n) { return static_cast<std::size_t>(engine() % n); }
  bool one_in(std::size_t n) { return below(n) == 0; }
};

/// A database with triggers. A transaction commits at once, so between two calls `now` is a state
/// that a read transaction can see.
struct Source {
  struct Change {
    std::size_t table, key;
  };
  State now{};
  std::vector<Change> log{{}};                   ///< by seq; row 0 is of the install
  std::vector<std::optional<State>> at;          ///< by seq; nothing inside a transaction
  std::vector<State> had;                        ///< every state that was committed
  std::array<bool, kTables> lost{};              ///< tables without triggers
  std::array<std::int64_t, kTables> reset_at{};  ///< a batch from before this seq resets the table
  int values = kAbsent;

  [[nodiscard]] std::int64_t newest() const { return static_cast<std::int64_t>(log.size()) - 1; }

  void set(std::size_t table, std::size_t key, int value) {
    now[table][key] = value;
    if (!lost[table]) log.push_back({table, key});
  }
  void commit() {
    at.resize(log.size());
    at.back() = now;
    had.push_back(now);
  }
  void write(Dice& dice) {
    for (std::size_t left = 1 + dice.below(3); left > 0; --left) {
      const std::size_t table = dice.below(kTables);
      const std::size_t key = dice.below(kKeys);
      const std::size_t other = dice.below(kKeys);
      switch (dice.below(4)) {
        case 0:
          set(table, key, kAbsent);
          break;
        case 1: {  // the row gets another key, and may take another row's place
          const int value = now[table][key];
          set(table, key, kAbsent);
          set(table, other, value);
          break;
        }
        default:
          set(table, key, ++values);
      }
    }
    commit();
  }
  /// Triggers again, and what makes the reset outlive a crash: a change of its own and its seq.
  void repair(std::size_t table) {
    lost[table] = false;
    log.push_back({table, 0});
    reset_at[table] = newest();
    commit();
  }
};

struct Entry {
  std::uint64_t slice;
  std::size_t table, key;
  int value;
};

struct Chunk {
  std::size_t table, first, next;
  std::int64_t position = 0;
  bool loaded = false;
};

class Run {
 public:
  Run(std::uint64_t seed, Mutant mutant) : mutant_(mutant), dice_{std::mt19937_64(seed)} {
    for (auto& table : source_.now)
      for (int& value : table) value = dice_.one_in(2) ? kAbsent : ++source_.values;
    source_.commit();
    writes_left_ = 10 + dice_.below(30);
  }

  /// False: the replica was, at a batch's end or at the end of all, not what it says it is.
  [[nodiscard]] bool converges() {
    position_ = source_.newest();
    copy();
    while (!diverged_ && (writes_left_ > 0 || !consistent_ || position_ != source_.newest() ||
                          source_.lost != std::array<bool, kTables>{}))
      batch();
    return !diverged_ && replica_ == source_.now;
  }

  std::uint64_t slices = 0, batches = 0, resets = 0, crashes = 0, reread = 0;

 private:
  /// What the application and fate do between two read transactions.
  void between_slices() {
    for (std::size_t left = dice_.below(3); left > 0 && writes_left_ > 0; --left, --writes_left_) {
      if (dice_.one_in(12)) source_.lost[dice_.below(kTables)] = true;
      source_.write(dice_);
    }
  }

  /// Chunks in any order and side by side, each read in slices of its own and loaded on its own.
  void copy() {
    for (std::size_t table = 0; table < kTables; ++table)
      for (std::size_t first = 0; first < kKeys; first += kChunkKeys)
        chunks_.push_back({table, first, first});
    for (std::size_t left = chunks_.size(); left > 0;) {
      Chunk& chunk = chunks_[dice_.below(chunks_.size())];
      if (chunk.loaded) continue;
      const std::size_t end = chunk.first + kChunkKeys;
      for (std::size_t rows = 1 + dice_.below(3); rows > 0 && chunk.next < end;
           --rows, ++chunk.next)
        in_flight_[chunk.table][chunk.next] = source_.now[chunk.table][chunk.next];
      if (chunk.next == end) {
        chunk.position = source_.newest();
        chunk.loaded = true;
        for (std::size_t key = chunk.first; key < end; ++key)
          replica_[chunk.table][key] = in_flight_[chunk.table][key];
        --left;
      }
      between_slices();
      if (dice_.one_in(20)) {  // what is not loaded is read again
        ++crashes;
        for (Chunk& each : chunks_)
          if (!each.loaded) each.next = each.first;
      }
    }
  }

  [[nodiscard]] bool scanning() const {
    return std::any_of(scan_.begin(), scan_.end(), [](std::size_t next) { return next < kKeys; });
  }

  void begin_reset(std::size_t table, std::uint64_t slice) {
    ++resets;
    reset_from_[table] = slice;
    scan_[table] = 0;
  }

  void read(std::uint64_t slice, std::size_t table, std::size_t key) {
    entries_.push_back({slice, table, key, source_.now[table][key]});
  }

  void scan_row(std::uint64_t slice) {
    const std::size_t table = scan_[0] < kKeys ? 0 : 1;
    const std::size_t key = scan_[table]++;
    if (source_.now[table][key] != kAbsent) read(slice, table, key);
  }

  void read_key(std::uint64_t slice, const Rounds::Key& key) {
    const std::size_t table = key.table;
    const auto number = static_cast<std::size_t>(key.bytes[0] - 'a');
    if (table == kTables) return;  // filtered
    if (mutant_ == Mutant::reset_no_log && scan_[table] < kKeys) return;
    reread += static_cast<std::uint64_t>(std::count_if(
        entries_.begin(), entries_.end(),
        [&](const Entry& entry) { return entry.table == table && entry.key == number; }));
    read(slice, table, number);
  }

  [[nodiscard]] bool filtered(std::int64_t seq, const Source::Change& change) const {
    if (mutant_ != Mutant::filter || consistent_) return false;
    return std::any_of(chunks_.begin(), chunks_.end(), [&](const Chunk& chunk) {
      return chunk.table == change.table && change.key - chunk.first < kChunkKeys &&
             seq <= chunk.position;
    });
  }

  /// One read transaction. It ends without anything left to do, or without budget.
  void slice(Rounds& rounds, std::int64_t seq_max) {
    for (std::size_t budget = 1 + dice_.below(8); budget > 0; --budget) {
      if (scanning() && dice_.one_in(2)) {
        scan_row(rounds.slices());
      } else if (const auto key = rounds.take()) {
        read_key(rounds.slices(), *key);
      } else if (rounds.scanned() < seq_max) {
        for (std::size_t rows = 1 + dice_.below(4); rows > 0 && rounds.scanned() < seq_max;
             --rows) {
          const std::int64_t seq = rounds.scanned() + 1;
          const Source::Change& change = source_.log[static_cast<std::size_t>(seq)];
          const std::size_t table = filtered(seq, change) ? kTables : change.table;
          const char name = static_cast<char>('a' + change.key);
          if (!rounds.log(seq, static_cast<std::uint32_t>(table), {&name, 1})) diverged_ = true;
        }
      } else if (scanning()) {
        scan_row(rounds.slices());
      } else {
        return;
      }
    }
  }

  [[nodiscard]] std::int64_t boundary_after(std::int64_t seq) const {
    const auto newest = source_.newest();
    while (seq < newest && !source_.at[static_cast<std::size_t>(seq)]) ++seq;
    return seq;
  }

  void batch() {
    ++batches;
    Rounds rounds(position_);
    entries_.clear();
    scan_.fill(kKeys);
    reset_from_.fill(std::nullopt);
    for (std::size_t table = 0; table < kTables; ++table)
      if (mutant_ != Mutant::reset_forgotten && position_ < source_.reset_at[table])
        begin_reset(table, 0);
    const std::int64_t torn_at = boundary_after(position_ + 1);
    for (;;) {
      between_slices();
      if (dice_.one_in(25)) {  // either end was killed: nothing of the batch is left
        ++crashes;
        return;
      }
      for (std::size_t table = 0; table < kTables; ++table) {
        if (!source_.lost[table]) continue;
        source_.repair(table);
        begin_reset(table, rounds.slices());
      }
      const std::int64_t newest = source_.newest();
      const bool torn = mutant_ == Mutant::torn && torn_at < newest;
      slice(rounds, torn ? torn_at : newest);
      ++slices;
      bool ends = rounds.end_slice(newest, mutant_ == Mutant::scan_cut || !scanning());
      std::int64_t to = newest;
      if (torn && !rounds.pending() && rounds.scanned() == torn_at && !scanning()) {
        ends = true;
        to = torn_at;
      }
      if (mutant_ == Mutant::end_early && !rounds.pending() && !scanning()) ends = true;
      if (mutant_ == Mutant::split) apply(position_, false);
      if (!ends) continue;
      apply(to, true);
      return;
    }
  }

  /// The target's transaction. Entries come in any order: their slice decides.
  void apply(std::int64_t to, bool last) {
    std::shuffle(entries_.begin(), entries_.end(), dice_.engine);
    std::array<std::array<std::optional<Entry>, kKeys>, kTables> staging;
    for (const Entry& entry : entries_) {
      const std::optional<std::uint64_t>& from = reset_from_[entry.table];
      if (mutant_ != Mutant::reset_old_entries && from && entry.slice < *from) continue;
      std::optional<Entry>& staged = staging[entry.table][entry.key];
      const bool later = !staged || staged->slice < entry.slice;
      if (!staged || later != (mutant_ == Mutant::earlier_wins)) staged = entry;
    }
    for (std::size_t table = 0; table < kTables; ++table) {
      for (std::size_t key = 0; key < kKeys; ++key) {
        const std::optional<Entry>& entry = staging[table][key];
        if (entry)
          replica_[table][key] = entry->value;
        else if (last && reset_from_[table] && mutant_ != Mutant::reset_keep)
          replica_[table][key] = kAbsent;
      }
    }
    if (last) {
      position_ = to;
      consistent_ = true;
      const std::optional<State>& right = source_.at[static_cast<std::size_t>(to)];
      if (!right || replica_ != *right) diverged_ = true;
    } else if (consistent_ &&
               std::find(source_.had.begin(), source_.had.end(), replica_) == source_.had.end()) {
      diverged_ = true;
    }
  }

  Mutant mutant_;
  Dice dice_;
  Source source_;
  std::size_t writes_left_ = 0;
  State replica_{}, in_flight_{};
  std::vector<Chunk> chunks_;
  std::int64_t position_ = 0;
  bool consistent_ = false, diverged_ = false;
  std::vector<Entry> entries_;
  std::array<std::size_t, kTables> scan_{};  ///< next key of the scan; kKeys: none is under way
  std::array<std::optional<std::uint64_t>, kTables> reset_from_{};  ///< slice its scan began in
};

constexpr std::uint64_t kRuns = 40'000;

/// What all runs did, up to the first that diverged.
struct Sum {
  std::optional<std::uint64_t> diverged;  ///< the seed of that run
  std::uint64_t slices = 0, batches = 0, resets = 0, crashes = 0, reread = 0;
};

Sum run_all(Mutant mutant) {
  Sum sum;
  for (std::uint64_t i = 0; i < kRuns && !sum.diverged; ++i) {
    Run run(test::test_seed() + i, mutant);
    if (!run.converges()) sum.diverged = test::test_seed() + i;
    sum.slices += run.slices;
    sum.batches += run.batches;
    sum.resets += run.resets;
    sum.crashes += run.crashes;
    sum.reread += run.reread;
  }
  return sum;
}

TEST_CASE("a replica fed in rounds is at every batch's end the source's state at its position") {
  const Sum sum = run_all(Mutant::none);
  INFO("LOCKSTEP_SEED=" << sum.diverged.value_or(0) << " diverged");
  CHECK_FALSE(sum.diverged);
  // The runs are worth something only if they did all of this, many times each.
  CHECK(sum.slices > 2 * sum.batches);
  CHECK(sum.batches > kRuns);
  CHECK(sum.resets > kRuns);
  CHECK(sum.crashes > kRuns);
  CHECK(sum.reread > kRuns);
}

TEST_CASE("without reading the log to the end of its slice, some run diverges") {
  CHECK(run_all(Mutant::torn).diverged);
}

TEST_CASE("without one target transaction for all slices, some run shows what never was") {
  CHECK(run_all(Mutant::split).diverged);
}

TEST_CASE("without the later read of a key winning, some run diverges") {
  CHECK(run_all(Mutant::earlier_wins).diverged);
}

TEST_CASE("without an end that has seen its own slice's newest change, some run diverges") {
  CHECK(run_all(Mutant::end_early).diverged);
}

TEST_CASE("without every key since the copy began, some run diverges") {
  CHECK(run_all(Mutant::filter).diverged);
}

TEST_CASE("without waiting for the scan of a table, some run diverges") {
  CHECK(run_all(Mutant::scan_cut).diverged);
}

TEST_CASE("without the log of a table that is being scanned, some run diverges") {
  CHECK(run_all(Mutant::reset_no_log).diverged);
}

TEST_CASE("without deleting what a scan did not find, some run diverges") {
  CHECK(run_all(Mutant::reset_keep).diverged);
}

TEST_CASE("without forgetting what was read of a table before its scan, some run diverges") {
  CHECK(run_all(Mutant::reset_old_entries).diverged);
}

TEST_CASE("without a reset that outlives a crash, some run diverges") {
  CHECK(run_all(Mutant::reset_forgotten).diverged);
}

}  // namespace
}  // namespace lockstep::capture
