// What a run says of itself at one moment, and the form in which it is published.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "apply/dual_write.hpp"
#include "apply/guard.hpp"
#include "model/position.hpp"
#include "switchover/going_back.hpp"

namespace lockstep::ops {

/// How long the copy may still take. Where the rates of the last minutes differ much, the ends
/// differ.
struct Eta {
  double seconds = 0;
  double soonest_s = 0, latest_s = 0;
  bool operator==(const Eta&) const = default;
};

/// What is known of a table's equality on both sides.
struct TableVerified {
  std::string state = "pending";  ///< pending, running, clean, mismatch, error, unsupported
  std::int64_t rows = 0, different = 0;
  std::string problem;         ///< of an error, or why it is unsupported
  std::int64_t at_us = 0;      ///< when it was last gone through; 0: never
  std::string position;        ///< where
  std::int64_t converged = 0;  ///< of a dual-written table: rows that were equal at a later look
  std::string converged_at;    ///< where; empty: none had to be looked at again
  bool operator==(const TableVerified&) const = default;
};

struct TableProgress {
  std::uint32_t id = 0;
  std::string name;
  std::int64_t rows = 0;      ///< copied so far
  std::int64_t expected = 0;  ///< rows the census saw; 0: not known in this run
  bool copied = false;
  bool indexed = false;
  bool begun = false;                          ///< its copy, by this process
  bool indexing = false;                       ///< its indexes are being built
  std::optional<double> rows_per_second = {};  ///< CopyHistory puts these two in
  std::optional<Eta> eta = {};
  TableVerified verified = {};
  std::optional<apply::DualTable> dual = {};  ///< the application writes it on both sides
  bool operator==(const TableProgress&) const = default;
};

/// waiting, copying, copied, indexing, indexed; "begun" if an earlier run began its copy.
[[nodiscard]] std::string_view state_of(const TableProgress& table);

/// Something that lockstep waits for, so that no silence is unexplained.
struct Awaited {
  std::string code;
  std::string what;
  std::int64_t since_us = 0;
  bool operator==(const Awaited&) const = default;
};

/// The newest comparison of both sides that is over.
struct Verified {
  std::int64_t pass = 0;
  std::string state;  ///< equal, different, failed
  bool all = true;    ///< of all tables
  std::int64_t tables = 0, rows = 0, different = 0, quarantined = 0;
  std::int64_t ended_us = 0;
  bool operator==(const Verified&) const = default;
};

/// A comparison that is under way.
struct Verifying {
  std::int64_t pass = 0;
  std::string table;  ///< that is gone through
  std::int64_t tables = 0, tables_done = 0, rows = 0;
  bool operator==(const Verifying&) const = default;
};

/// A consistent picture of a run at one moment. status_json() documents the published form.
struct Status {
  std::string migration, source, target, schema;
  std::int64_t pid = 0;
  std::string boot;  ///< boot_id of the kernel it runs on
  std::int64_t started_us = 0;
  std::string phase = "starting";
  bool consistent = false;
  std::optional<Position> captured, applied, acked;
  std::int64_t backlog = 0;  ///< captured and not yet applied changes; after a cutover logged ones
  bool log_counted = false;  ///< PostgreSQL's log was: `backlog` is known without positions
  /// The source's schema_version that the target is at; nothing: not known here.
  std::optional<std::int64_t> schema_settled;
  std::optional<double> lag_ms, lag_p50_ms, lag_p99_ms;
  std::int64_t changes_applied = 0;  ///< by this process
  std::int64_t batches_applied = 0;
  std::int64_t fallbacks = 0;             ///< batches done by delete and insert
  std::int64_t rows_copied = 0;           ///< by this process
  double copy_rows_per_second = 0;        ///< from the begin of the copy to its last chunk
  std::optional<double> rows_per_second;  ///< of late; CopyHistory puts these two in
  std::optional<Eta> eta;                 ///< until every row is copied
  std::int64_t pruned = 0;
  std::int64_t resyncs = 0;     ///< tables that were read anew: lost triggers, renumbered rowids
  std::int64_t long_reads = 0;  ///< slices did not overtake the writer: one read to the end
  /// Rows that wait in quarantine, not counting skipped ones, and rows there whose absence somebody
  /// has accepted. Only the target knows: nothing until it was asked, and never in capture alone.
  std::optional<std::int64_t> quarantined, skipped;
  std::int64_t reconnects = 0;
  std::int64_t refused = 0;  ///< clients with unknown keys, and messages that were not understood
  std::int64_t dropped = 0;  ///< messages of several frames
  std::vector<TableProgress> tables;
  std::optional<Awaited> awaited;
  std::optional<Verified> verified;
  std::optional<apply::GuardSeen> guard;  ///< nothing: the target was not asked
  std::optional<Verifying> verifying;
  /// Why the comparison that is under way gets no view of the source; nothing: none is wanted.
  std::optional<Awaited> barrier_waits;
  std::string writers = "sqlite";   ///< where the application writes: sqlite, postgres, nowhere
  std::int64_t refused_writes = 0;  ///< by SQLite's fence
  /// After a cutover: processes that have SQLite open, and what cannot go back into it.
  std::vector<std::string> open_in;
  std::vector<switchover::CannotGoBack> cannot_go_back;
  /// After a cutover: rounds of the reverse feed, and when SQLite had everything that was
  /// committed.
  std::int64_t reverse_number = 0, reverse_caught_up_us = 0;
  /// When the two workers last went through their loops; 0: there is no such worker here.
  std::int64_t source_seen_us = 0, target_seen_us = 0;
  bool operator==(const Status&) const = default;
};

/// True if `now` says no more than `before` did, but for when the workers were last seen.
[[nodiscard]] bool is_nothing_new(Status now, const Status& before);

/// The status as one JSON object of this type (README.md in this folder lists the members;
/// additive).
[[nodiscard]] std::string status_json(const Status& status, std::string_view type = "status");

}  // namespace lockstep::ops
