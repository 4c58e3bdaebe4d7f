// The one place where the running parts write down how they are, for screens, status and the main
// thread's decisions.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "model/clock.hpp"
#include "model/error.hpp"
#include "model/position.hpp"

namespace lockstep::ops {

struct TableProgress {
  std::uint32_t id = 0;
  std::string name;
  std::int64_t rows = 0;      ///< copied so far
  std::int64_t expected = 0;  ///< rows the census saw; 0: not known in this run
  bool copied = false;
  bool indexed = false;
};

/// Something that lockstep waits for, so that no silence is unexplained.
struct Awaited {
  std::string code;
  std::string what;
  std::int64_t since_us = 0;
};

/// A consistent picture of a run at one moment. status_json() documents the published form.
struct Status {
  std::string migration, source, target, schema;
  std::int64_t pid = 0;
  std::int64_t started_us = 0;
  std::string phase = "starting";
  bool consistent = false;
  std::optional<Position> captured, applied, acked;
  std::int64_t backlog = 0;  ///< captured and not yet applied changes
  std::optional<double> lag_ms, lag_p50_ms, lag_p99_ms;
  std::int64_t changes_applied = 0;  ///< by this process
  std::int64_t batches_applied = 0;
  std::int64_t fallbacks = 0;    ///< batches done by delete and insert
  std::int64_t rows_copied = 0;  ///< by this process
  double copy_rows_per_second = 0;
  std::int64_t pruned = 0;
  std::int64_t resyncs = 0;     ///< tables that were read anew: lost triggers, renumbered rowids
  std::int64_t long_reads = 0;  ///< slices did not overtake the writer: one read to the end
  std::int64_t reconnects = 0;
  std::vector<TableProgress> tables;
  std::optional<Awaited> awaited;
};

/// All members may be called from any thread.
class Board {
 public:
  explicit Board(Status first);

  [[nodiscard]] Status read() const;

  void phase(const std::string& name, bool consistent);
  void tables(std::vector<TableProgress> tables);
  void captured(const Position& newest);
  void chunk_loaded(std::uint32_t table, std::int64_t rows, bool table_done);
  void table_indexed(std::uint32_t table);
  void applied(const Position& position, std::int64_t changes, std::int64_t source_wall_us,
               bool fell_back);
  /// Where the ledger is when a session begins.
  void resumed(const Position& position);
  void acked(const Position& position);
  /// The source says that everything up to here has been sent and applied.
  void caught_up(const Position& position);
  void pruned(std::int64_t rows);
  void resyncing();
  void read_to_the_end();
  void reconnected();
  void await(const std::string& code, const std::string& what);
  void stop_awaiting();

  /// The first error that ends the run; later ones are ignored.
  void fail(const Error& error);
  [[nodiscard]] std::optional<Error> failure() const;
  /// True once everything is applied that the source held when following began: an application that
  /// never rests does not keep "caught up" away for ever.
  [[nodiscard]] bool has_caught_up() const;

 private:
  void count_lag(double lag_ms);
  void count_backlog();

  mutable std::mutex mutex_;
  Status status_;
  std::optional<Error> failure_;
  bool caught_up_ = false;
  std::optional<Position> goal_;  // the newest position when streaming began
  std::vector<double> lags_ms_;   // a ring of the last kLags
  std::size_t next_lag_ = 0;
  std::optional<SteadyTime> copy_started_;
};

/// The status as one JSON object (README.md in this folder lists the members; additive).
[[nodiscard]] std::string status_json(const Status& status);

}  // namespace lockstep::ops
