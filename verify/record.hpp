// Passes of verification as rows on the target: what was asked for, how far it is, what was found.
// Formats in verify/README.md.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "link/postgres/connection.hpp"
#include "model/clock.hpp"
#include "model/flow.hpp"
#include "model/position.hpp"
#include "verify/digest.hpp"

namespace lockstep::verify {

enum class PassState : std::uint8_t { requested, running, equal, different, failed };
[[nodiscard]] std::string_view to_string(PassState state);
[[nodiscard]] std::optional<PassState> parse_pass_state(std::string_view text);
[[nodiscard]] inline bool is_over(PassState state) {
  return state != PassState::requested && state != PassState::running;
}

struct PassRequest {
  std::vector<std::string> tables{};  ///< names or globs; empty: all
  std::uint64_t sample = 0;           ///< at most so many rows of each table; 0: all
  /// One of those that follow each other for ever: at the pace of lockstep's configuration, and
  /// behind every other one.
  bool continuous = false;
  /// Only rows that were written behind this position; nothing: all.
  std::optional<Position> since{};
};

struct Pass {
  std::int64_t id = 0;
  PassState state = PassState::requested;
  PassRequest request;
  std::string problem;  ///< why it failed
  /// Failed because more was written since than is remembered: since when it would have gone.
  std::optional<Position> since_from{};
  Flow flow = Flow::forward;  ///< of the lockstep that took it up last
};

/// What a pass has proven of one table so far. The source is the side that changes come from: after
/// a cutover PostgreSQL.
struct TableRecord {
  std::uint32_t id = 0;
  std::string name;
  bool done = false;
  std::optional<Key> cursor;         ///< everything up to this key has been compared
  std::optional<Key> source_cursor;  ///< the same key in SQLite's own spelling
  std::uint64_t source_rows = 0, target_rows = 0;
  std::uint64_t source_digest = 0, target_digest = 0;
  std::uint64_t missing = 0, extra = 0, differ = 0;
  std::uint64_t quarantined = 0;  ///< in SQLite, and absent from PostgreSQL as they should be
  std::uint64_t barriers = 0;
  /// Of rows written since a position: every row was compared all the same.
  bool whole = false;
  std::string problem;                     ///< why it could not be compared; empty: it could
  std::optional<Position> oldest, newest;  ///< positions at which ranges were compared
  /// Of a table that the application writes on both sides: rows that differed at the barrier of
  /// their range and were equal at a later one, and the newest of these.
  std::uint64_t converged = 0;
  std::optional<Position> converged_at{};
  std::int64_t ms = 0;  ///< spent on its ranges
  /// PostgreSQL's table as it was before any of its rows was read: a mark of
  /// switchover/reverse_watch; empty: not known. Kept with the table's first range.
  std::string seen{};

  [[nodiscard]] std::uint64_t different() const { return missing + extra + differ; }
};

struct DifferenceRecord {
  std::uint32_t table = 0;
  Difference kind = Difference::differ;
  std::string key;    ///< canonical bytes
  std::string shown;  ///< for people: key, column, both values
};

[[nodiscard]] bool records_exist(postgres::Connection& connection);
/// Makes the tables if they are not there yet; the ledger is. For the role that follows.
void create_records(postgres::Connection& connection);

/// Asks the lockstep that follows this migration for a pass. Returns its id. The tables are there;
/// a role that may only read otherwise may do this.
[[nodiscard]] std::int64_t request_pass(postgres::Connection& connection,
                                        const std::string& migration, const PassRequest& request);

/// A pass of all rows of all tables was asked for and has not begun, `first_pass` or a later one.
[[nodiscard]] bool waits_for_all(postgres::Connection& connection, const std::string& migration,
                                 std::int64_t first_pass);

/// Keeps the last 20, and the ranges of the last three.
void forget_old_passes(postgres::Connection& connection, const std::string& migration);

/// The pass that is running or, if none is, the oldest one that was asked for; a continuous one
/// only if there is no other. The records are there.
[[nodiscard]] std::optional<Pass> next_pass(postgres::Connection& connection,
                                            const std::string& migration);
[[nodiscard]] std::optional<Pass> read_pass(postgres::Connection& connection, std::int64_t id);
void move_pass(postgres::Connection& connection, std::int64_t id, PassState state,
               const std::string& problem);
/// Who follows this way goes on with the pass. What it found while changes went the other way is
/// forgotten: it begins anew.
void take_over(postgres::Connection& connection, std::int64_t id, Flow flow);
/// The pass cannot go back so far: it will fail.
void refuse_since(postgres::Connection& connection, std::int64_t id, const Position& from);
/// True: nobody had taken it up, and nobody will.
[[nodiscard]] bool withdraw_pass(postgres::Connection& connection, std::int64_t id);

/// What the newest pass that is over came to; samples and passes since a position do not count.
struct PassResult {
  std::int64_t id = 0;
  PassState state = PassState::failed;
  bool all = true;  ///< of all tables that are followed
  std::int64_t tables = 0, rows = 0, different = 0, quarantined = 0;
  std::int64_t ended_us = 0;  ///< by the server's clock
  Milliseconds age{0};        ///< since then
};
/// Which comparisons count.
struct History {
  Flow flow = Flow::forward;
  std::string era{};            ///< those at positions of this era; empty: of any
  std::int64_t first_pass = 0;  ///< of tables: of this pass, or later ones
};
/// Nothing in `history`: the newest of all.
[[nodiscard]] std::optional<PassResult> last_result(postgres::Connection& connection,
                                                    const std::string& migration,
                                                    const std::optional<History>& history = {});

[[nodiscard]] std::vector<TableRecord> read_records(postgres::Connection& connection,
                                                    std::int64_t pass);

/// What is known of a table from the pass that went through it and began there last, or from one
/// that found something behind that; samples and passes since a position do not count.
struct TableResult {
  std::uint32_t id = 0;
  std::int64_t rows = 0, different = 0;
  std::string problem;             ///< why it could not be compared; empty: it could
  std::int64_t compared_us = 0;    ///< by the server's clock
  std::optional<Position> newest;  ///< where
  std::int64_t converged = 0;      ///< as in TableRecord
  std::optional<Position> converged_at{};
  Milliseconds age{0};  ///< since the first of its rows was read
  std::string seen{};   ///< as in TableRecord
};
[[nodiscard]] std::vector<TableResult> table_results(postgres::Connection& connection,
                                                     const std::string& migration,
                                                     const History& history = {});
/// A range that was compared: behind `after` and up to `until`, both canonical bytes and nothing
/// where the table begins and ends.
struct RangeRecord {
  std::optional<Key> after, until;
  std::uint64_t rows = 0;  ///< of the source
  std::uint64_t different = 0;
  Position position;  ///< the state at which both sides were read
};
/// All in one transaction that need not wait for the disk: a crash costs a range, not its truth.
/// `range`: the one that `record` has come by; its number is that of the table's barriers.
void write_record(postgres::Connection& connection, std::int64_t pass, const TableRecord& record,
                  const std::vector<DifferenceRecord>& found,
                  const std::optional<RangeRecord>& range = {});
[[nodiscard]] std::vector<DifferenceRecord> read_differences(postgres::Connection& connection,
                                                             std::int64_t pass,
                                                             std::uint32_t table);

}  // namespace lockstep::verify
