// The one place where the running parts write down how they are, for screens, status and the main
// thread's decisions.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "model/clock.hpp"
#include "model/error.hpp"
#include "model/position.hpp"
#include "ops/status.hpp"
#include "switchover/reverse_position.hpp"
#include "switchover/state.hpp"

namespace lockstep::ops {

/// Something that a person should know and need not act on.
struct Note {
  std::string code;
  std::string table;  ///< may be empty
  std::string what;
};

/// All members may be called from any thread.
class Board {
 public:
  explicit Board(Status first);

  /// The quantiles of lag in it are up to 250 ms old: they cost more than all the rest.
  [[nodiscard]] Status read() const;
  /// What was noted since the last call; at most 100 notes wait for it.
  [[nodiscard]] std::vector<Note> take_notes();

  void phase(const std::string& name, bool consistent);
  void tables(std::vector<TableProgress> tables);
  /// How many rows the census found in a table.
  void expect(std::uint32_t table, std::int64_t rows);
  void captured(const Position& newest);
  void table_begun(std::uint32_t table);
  void chunk_loaded(std::uint32_t table, std::int64_t rows, bool table_done);
  void table_indexing(std::uint32_t table);
  void table_indexed(std::uint32_t table);
  void applied(const Position& position, std::int64_t changes, std::int64_t source_wall_us,
               bool fell_back);
  /// Where the ledger is when a session begins.
  void resumed(const Position& position);
  void acked(const Position& position);
  /// What the source's schema became with this schema_version is on the target: tables that were
  /// made anew have been read anew.
  void schema_settled(std::int64_t schema_version);
  /// The source says that everything up to here has been sent and applied.
  void caught_up(const Position& position);
  void pruned(std::int64_t rows);
  /// The table is read anew: a note LS-S306.
  void resyncing(std::uint32_t table);
  /// How many rows are in quarantine; a note LS-D402 if there are more than before.
  void quarantine(std::int64_t held, std::int64_t skipped);
  /// A note LS-S333, at most once a minute.
  void read_to_the_end();
  /// A note LS-S315: the application made a table that nobody follows.
  void new_table(const std::string& name);
  /// What the application did to its schema, and how it is followed (LS-S306, LS-S315, LS-S316);
  /// each once.
  void schema_note(const Note& note);
  /// A note LS-S308: changes that wait for the target take the source's disk.
  void disk_low(std::int64_t free_mib, std::int64_t waiting_changes);
  void reconnected();
  /// SQLite's row of the switch, as it is now.
  void writers(const switchover::Side& sqlite);
  /// What SQLite's fence has refused so far. A note LS-X601 with `who` when there is more.
  void refused_writes(std::int64_t writes, const std::string& newest, const std::string& who);
  /// After a cutover: which processes have the file open. A note LS-X665 when others come, at most
  /// one a minute.
  void open_in(std::vector<std::string> who);
  /// Columns that cannot go back, or only sometimes; and rows that the newest round could not bring
  /// back, which reversed() takes away.
  void columns_cannot_go_back(std::vector<switchover::CannotGoBack> columns);
  void rows_cannot_go_back(std::vector<switchover::CannotGoBack> rows);
  /// Rows of PostgreSQL's log that wait for the way back.
  void reverse_waits(std::int64_t rows);
  /// A round of the reverse feed is in SQLite.
  void reversed(const switchover::ReversePosition& position, std::int64_t keys);
  /// Everything that PostgreSQL had committed at `wall_us` is in SQLite.
  void reverse_caught_up(std::int64_t wall_us);
  /// Called by the workers in every turn: silence shows (see stall.hpp).
  void source_reports();
  void target_reports();
  /// A message of the other end that was not understood; a note, at most one a minute.
  void refused(const Error& error);
  /// What the listening socket has counted since its start; a note LS-W513 when there is more, at
  /// most one a minute.
  void turned_away(std::int64_t clients, const std::string& last, std::int64_t dropped);
  void await(const std::string& code, const std::string& what);
  void stop_awaiting();
  void verified(Verified result);
  /// The guard on the target. A note LS-T234 for tables that are without it, each time that
  /// changes; a note LS-X602 if others wrote, at most one a minute.
  void guard(apply::GuardSeen seen);
  /// A note LS-X654: dual writing of a table begins or ends; each once.
  void dual_note(std::string what);
  /// Tables that the application writes on both sides. A note LS-X655 if conflicts came, at most
  /// one a minute.
  void dual_writes(const std::vector<apply::DualTable>& tables);
  /// The comparison that is under way; nothing: none is.
  void verifying(std::optional<Verifying> pass);
  /// A comparison waits for a view of the source, and why; empty: none does any more.
  void barrier_waits(const std::string& why);
  void table_verified(std::uint32_t table, TableVerified result);

  /// The first error that ends the run; later ones are ignored.
  void fail(const Error& error);
  [[nodiscard]] std::optional<Error> failure() const;
  /// Of the batch that was applied last; nothing: none was yet. After a cutover, how long ago
  /// SQLite had everything.
  [[nodiscard]] std::optional<double> lag_ms() const;
  /// True once everything is applied that the source held when following began: an application that
  /// never rests does not keep "caught up" away for ever.
  [[nodiscard]] bool has_caught_up() const;

 private:
  struct Quantiles {
    double p50 = 0, p99 = 0;
    SteadyTime at;
  };
  void count_lag(double lag_ms);
  void note(Note note);
  [[nodiscard]] TableProgress* find(std::uint32_t table);
  void count_backlog();
  void list_going_back();

  mutable std::mutex mutex_;
  Status status_;
  std::optional<Error> failure_;
  bool caught_up_ = false;
  std::optional<Position> goal_;  // the newest position when streaming began
  std::vector<double> lags_ms_;   // a ring of the last kLags
  std::size_t next_lag_ = 0;
  mutable std::optional<Quantiles> quantiles_;
  std::vector<Note> notes_;
  std::set<std::string> schema_notes_;
  std::optional<SteadyTime> long_read_noted_, message_refused_, client_refused_, quarantine_noted_,
      foreign_write_noted_, conflict_noted_;
  std::int64_t clients_refused_ = 0;
  std::vector<switchover::CannotGoBack> columns_back_, rows_back_;
  std::optional<SteadyTime> open_noted_at_;
  std::vector<std::string> open_noted_;
  std::optional<SteadyTime> copy_started_;
};

}  // namespace lockstep::ops
