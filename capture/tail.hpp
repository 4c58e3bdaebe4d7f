// Follows the change table: where it is, whether it is whole, and the batch after a position.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "capture/batch.hpp"
#include "capture/schema_watch.hpp"
#include "link/sqlite/database.hpp"
#include "link/sqlite/durability.hpp"
#include "link/sqlite/statement.hpp"
#include "model/position.hpp"
#include "model/shape.hpp"

namespace lockstep::capture {

struct Drift;

/// A connection of the tail with what is prepared on it.
struct Reading {
  Reading(sqlite::Database opened, std::size_t key_columns);

  sqlite::Database database;
  sqlite::Durability durability;
  sqlite::Statement newest, row, changes;
  std::map<std::uint32_t, std::unique_ptr<sqlite::Statement>> lookups{};
};

/// A read transaction at a position: a barrier's view of the source. Whoever holds it may use its
/// database on one thread; the application's WAL cannot restart meanwhile, and in rollback-journal
/// mode its writers wait.
class View {
 public:
  View() = default;
  /// Where no tail follows, after a cutover: a transaction of `database` that has been read in, and
  /// the position found there.
  View(std::unique_ptr<sqlite::Database> database, std::unique_ptr<sqlite::Transaction> transaction,
       const Position& position)
      : own_(std::move(database)), transaction_(std::move(transaction)), position_(position) {}
  View(View&&) = default;
  View& operator=(View&&) = delete;  // its members would end in the wrong order
  ~View() = default;

  [[nodiscard]] sqlite::Database& database() { return own_ ? *own_ : reading_->database; }
  [[nodiscard]] const Position& position() const { return position_; }
  /// Ends a view that is no tail's, and gives its connection back.
  [[nodiscard]] std::unique_ptr<sqlite::Database> end() {
    transaction_.reset();
    return std::move(own_);
  }

 private:
  friend class Tail;
  friend class BatchReader;
  std::unique_ptr<Reading> reading_;
  std::unique_ptr<sqlite::Database> own_;             // or this
  std::unique_ptr<sqlite::Transaction> transaction_;  // ends before either does
  Position position_;
};

/// Reads changes in order. One thread; the Database is read-only and belongs to the tail alone.
class Tail {
 public:
  Tail(sqlite::Database database, Era era, std::vector<TablePlan> tables, BatchLimits limits = {});

  /// The newest position, without any check of what lies before it. Cheap (1 us): this is the poll.
  [[nodiscard]] Position newest();

  /// The batch that starts at `after`; nothing if there is no change after it and no table to be
  /// read anew. Proofs are made in each of its slices. The reader must be destroyed before the next
  /// call. `seen`, if it is newer than `after`, is proven as well: a copy has read rows as of it.
  [[nodiscard]] std::unique_ptr<BatchReader> next(const Position& after,
                                                  const std::optional<Position>& seen = {});

  /// A view of the source at `position`, if that is the newest change and nothing is to be read
  /// anew. The tail goes on with another connection. For the view at a batch's end:
  /// BatchReader::take_view().
  [[nodiscard]] std::optional<View> hand_over(const Position& position);

  /// Ends the view; its connection serves the next one. On the tail's thread.
  void take_back(View view);

  /// In a read transaction of its own: `position` is a row of this change table with that identity
  /// (LS-S310: the source went back in time, or is another file), and triggers and shapes are as
  /// installed (LS-S306).
  void prove(const Position& position);

  /// In a read transaction of its own: LS-S306 if triggers and shapes are not as installed.
  void check_schema();

  [[nodiscard]] const std::vector<TablePlan>& tables() const { return tables_; }
  [[nodiscard]] const Era& era() const { return era_; }
  [[nodiscard]] bool in_wal_mode() { return reading_->database.in_wal_mode(); }
  /// True if the schema was changed since it was checked last. Cheap.
  [[nodiscard]] bool schema_moved();
  /// A migration was accepted (capture::SchemaHold), and nobody has followed it yet.
  [[nodiscard]] bool schema_accepted();
  [[nodiscard]] std::int64_t schema_version();
  /// The one at which triggers and shapes were seen in place last; -1: not yet.
  [[nodiscard]] std::int64_t seen_in_place() const {
    return schema_version_ >= 0 ? schema_version_ : version_before_;
  }
  /// The tail before this one on the same source saw it.
  void was_seen(std::int64_t version) { version_before_ = version; }
  /// What was seen of the schema; another tail on the same source goes on with it, before it reads:
  /// so nothing falls between the two.
  [[nodiscard]] const SchemaWatch& schema_watch() const { return schema_watch_; }
  void go_on_watching(SchemaWatch watch) { schema_watch_ = std::move(watch); }
  /// Apply knows of the doubt that was taken up.
  void doubt_was_told() { schema_watch_.told(); }

  /// Tables that were made since this object was, each told once: nobody follows them.
  [[nodiscard]] std::vector<std::string> take_new_tables() {
    return std::exchange(new_tables_, {});
  }

  /// Tables without a key are followed by rowid, and VACUUM may renumber rowids: the target knows
  /// them as of this schema_version (-1: not known). Call when a session begins; what was read anew
  /// for a session that is over is forgotten.
  void rowids_known(std::int64_t schema_version) { rowids_version_ = schema_version; }
  /// The copy under way went by rowids of another file: what goes by them is read anew in the next
  /// batch, which ends the copy, also where another key tells rows apart. Call when a session
  /// begins.
  void copied_elsewhere(bool it_was) { copied_elsewhere_ = it_was; }
  /// To be told to rowids_known() once the last batch is durable; nothing if no table is followed
  /// by rowid.
  [[nodiscard]] std::optional<std::int64_t> rowids_version() const;

 private:
  friend class BatchReader;
  // Inside a read transaction.
  void prove_here(const Position& position);
  void check_drift();
  /// Behind it, for a batch: tables whose rowids may mean other rows than the target has. The batch
  /// reads them anew.
  [[nodiscard]] std::vector<std::uint32_t> take_stale();
  [[nodiscard]] bool has_stale() const;
  void look_for_new_tables();
  [[nodiscard]] const TablePlan& plan(std::uint32_t id) const;
  [[nodiscard]] const TablePlan* find_plan(std::uint32_t id) const;
  /// The statement that finds the row of a key; reset.
  [[nodiscard]] sqlite::Statement& lookup(const TablePlan& plan);
  [[nodiscard]] bool has_row_with_nulls(const TablePlan& plan, const std::vector<ValueView>& key);

  [[nodiscard]] std::unique_ptr<Reading> exchange_reading();

  std::string path_;
  std::size_t key_columns_ = 1;  ///< of the table that has most
  std::unique_ptr<Reading> reading_, spare_;
  Era era_;
  std::vector<TablePlan> tables_;
  BatchLimits limits_;
  std::int64_t schema_version_ = -1;  ///< checked last
  std::int64_t version_before_ = -1;  ///< checked last by the tail before this one
  bool copied_elsewhere_ = false;
  std::int64_t rowids_version_ = -1;  ///< rowids were read anew in a batch since this version
  std::optional<std::set<std::string>> known_tables_;  ///< when the schema was first looked at
  std::vector<std::string> new_tables_;
  SchemaWatch schema_watch_;
};

/// The newest change, on any connection to the source. In the same view `seen`, if given, is proven
/// to be there still: LS-S310.
[[nodiscard]] Position newest_after(sqlite::Database& database, const Era& era,
                                    const std::optional<Position>& seen);

}  // namespace lockstep::capture
