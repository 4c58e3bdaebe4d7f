// The way back: what is committed on PostgreSQL goes into SQLite, round by round, each of them one
// SQLite transaction that leads to a state PostgreSQL really had.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "link/postgres/connection.hpp"
#include "link/sqlite/database.hpp"
#include "model/shape.hpp"
#include "model/target_identity.hpp"
#include "switchover/going_back.hpp"
#include "switchover/reverse_position.hpp"
#include "switchover/sqlite_writer.hpp"

namespace lockstep::switchover {

struct ReverseRound {
  bool anything = false;  ///< false: nothing was logged, and nothing was written on either side
  std::int64_t keys = 0;  ///< touched keys that were looked up, rows of truncated tables included
  std::int64_t rows = 0;  ///< rows of SQLite that were inserted, updated or deleted
  ReversePosition position;  ///< at which both sides are equal now
  std::int64_t bytes = 0;    ///< read from PostgreSQL
};

/// One thread. Both connections outlive it and do nothing else while a round runs; `writing`
/// is made a replica's writer (link/sqlite/replica). Several feeds at once, in as many processes,
/// do no harm. A call that throws has written nothing, or all of its round: call it again, with new
/// connections if it says so (Retry).
///
/// Throws LS-X610 while roles are such that nothing goes back; LS-X611 if the two sides have
/// different histories and LS-X612 if the server is another than before, or was promoted since;
/// LS-X613 if a table's columns are no longer those of its plan, LS-X606 for rows that SQLite
/// cannot hold, see refused(): these four stay until a person acts. LS-X663 if a touched table was
/// altered since it was remembered: follow_moved_tables(). LS-X670 if a table without a key has to
/// be read anew and rows of it are in quarantine. LS-X615 if other feeds were quicker each
/// time; LS-X616 if a table is locked on PostgreSQL, LS-S309 if SQLite is.
class ReverseFeed {
 public:
  ReverseFeed(postgres::Connection& reading, sqlite::Database& writing, std::string migration,
              std::string schema, std::vector<TablePlan> plans);

  /// Everything committed on PostgreSQL before now is in SQLite, durably, when it returns; then
  /// exactly those log rows are taken out.
  ReverseRound round();

  /// Tables without a key whose rowids SQLite may have numbered anew, which the next round reads
  /// anew: whoever finds some calls it though nothing is logged. Cheap.
  [[nodiscard]] std::vector<std::string> renumbered();

  /// What the newest LS-X606 has counted.
  [[nodiscard]] const RefusedRows& refused() const { return refused_; }

  /// The same, but keeps the REPEATABLE READ transaction open, so that `reading` shows exactly what
  /// SQLite now holds; until end_view() it keeps ALTER TABLE and TRUNCATE of the followed tables
  /// waiting, and who comes after these. The log rows go with end_view(), which may throw like
  /// round(): what it did not do then, the next round does.
  ReverseRound round_and_keep_view();
  /// The same for these tables alone: others may be altered meanwhile. It does not wait for locks
  /// on tables that nobody has written to: LS-X616.
  ReverseRound round_and_keep_view(const std::vector<std::uint32_t>& tables);
  /// While a view is kept: what it shows, for other sessions (link/postgres/shared_snapshot), and
  /// the names of its tables for them.
  struct SharedView {
    std::string snapshot;
    std::vector<std::string> tables;
  };
  [[nodiscard]] SharedView share_view();
  void end_view();

  /// Somebody has decided, after LS-X611 or LS-X612, that PostgreSQL is right: SQLite takes up its
  /// position, and the next round reads every table anew. What only SQLite has goes then. Throws
  /// LS-X610 like round().
  void start_over();

 private:
  struct Touched {
    std::int64_t changes = 0;
    bool whole = false;  ///< truncated
  };
  struct Acknowledgement {
    ReversePosition from, to;
    std::string snapshot;
  };

  struct Kept {
    std::vector<std::uint32_t> tables;
    bool patient = true;  ///< waits for locks
  };
  ReverseRound run(const std::optional<Kept>& view);
  std::optional<ReverseRound> attempt(const std::optional<Kept>& view);
  void begin_reading(const std::optional<Kept>& view);
  [[nodiscard]] bool read_touched();
  [[nodiscard]] bool rowids_serve();
  void log_renumbered();
  [[nodiscard]] PostgresEnd postgres_end();
  [[nodiscard]] SqliteEnd sqlite_end();
  void check_server(const SqliteEnd& here);
  [[nodiscard]] bool write(const PostgresEnd& there, ReverseRound& round);
  void write_table(const TablePlan& plan, const Touched& touched, ReverseRound& round);
  [[nodiscard]] bool pass(SqliteWriter& writer, SqliteWriter::Pass pass, const TablePlan& plan,
                          const Touched& touched, ReverseRound& round);
  [[nodiscard]] bool move_position(const ReversePosition& from, const ReversePosition& to,
                                   const std::string& snapshot);
  void wait_for_flush();
  void check_tables();
  void acknowledge(const Acknowledgement& done);
  [[nodiscard]] const TablePlan& plan_of(std::uint32_t table) const;
  SqliteWriter& writer_of(const TablePlan& plan);

  postgres::Connection& reading_;
  sqlite::Database& writing_;
  std::string migration_, schema_;
  std::vector<TablePlan> plans_;
  std::map<std::uint32_t, SqliteWriter> writers_;
  std::map<std::uint32_t, std::string> touched_rows_sql_;
  std::map<std::uint32_t, Touched> touched_;
  std::optional<postgres::Connection> flushing_;
  std::optional<TargetIdentity> server_;
  int server_pid_ = 0;  ///< backend of `reading` that server_ is from
  std::set<std::uint32_t> locked_;
  std::vector<std::string> kept_;  ///< tables of the view, qualified
  bool view_open_ = false;
  bool left_logged_ = false;  ///< the log has rows of tables that left the migration
  std::int64_t schema_version_ = -1;
  std::string written_up_to_;  ///< WAL position that covers all that the view shows
  std::optional<Acknowledgement> due_;
  RefusedRows refused_;
  std::int64_t deleted_ = 0;  ///< log rows since the last VACUUM
};

}  // namespace lockstep::switchover
