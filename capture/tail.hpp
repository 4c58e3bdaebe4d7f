// The batch after a position: every key logged since, with the rows as they are now, from one read
// transaction.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "link/sqlite/database.hpp"
#include "link/sqlite/durability.hpp"
#include "link/sqlite/statement.hpp"
#include "model/position.hpp"
#include "model/row_stream.hpp"
#include "model/shape.hpp"

namespace lockstep::capture {

/// A batch being read. It holds a read transaction until it is destroyed, so finish it soon. Never
/// cut: all keys of (from, to] with values as of `to` are a state the source had; half of them are
/// not.
class BatchReader {
 public:
  [[nodiscard]] const Position& from() const { return from_; }
  [[nodiscard]] const Position& to() const { return to_; }
  [[nodiscard]] std::uint64_t changes() const {
    return static_cast<std::uint64_t>(to_.seq - from_.seq);
  }
  [[nodiscard]] std::uint64_t entries() const { return entries_; }

  /// Appends entries to `out` until it holds `bytes_target` bytes or more. False: that was the last
  /// of them. Throws LS-D412 if a row has a NULL in its key.
  [[nodiscard]] bool next(std::string& out, std::size_t bytes_target);

 private:
  friend class Tail;
  BatchReader(std::unique_ptr<sqlite::Transaction> view, sqlite::Database& database,
              std::vector<TablePlan>& tables, Position from, Position to, std::size_t key_columns);
  void append_entry(std::string& out);
  [[nodiscard]] bool is_void(const TablePlan& plan);
  sqlite::Statement& lookup(std::size_t table);

  std::unique_ptr<sqlite::Transaction> view_;  // outlives the statements below
  sqlite::Database& database_;
  std::vector<TablePlan>& tables_;
  Position from_, to_;
  sqlite::Statement keys_;
  std::vector<std::unique_ptr<sqlite::Statement>> lookups_;
  std::uint64_t entries_ = 0;
};

/// Reads changes in order. One thread; the Database is read-only and belongs to the tail alone.
class Tail {
 public:
  Tail(sqlite::Database database, Era era, std::vector<TablePlan> tables);

  /// The newest position, without any check of what lies before it. Cheap (1 us): this is the poll.
  [[nodiscard]] Position newest();

  /// The batch (after, newest]; nothing if there is no change after `after`. In one read
  /// transaction it proves that `after` is a row of this change table with that identity (LS-S310:
  /// the source went back in time, or is another file), that no seq is missing (LS-S311), that
  /// triggers and shapes are as installed whenever schema_version moved (LS-S306), and makes what
  /// it saw durable. The reader must be destroyed before the next call.
  [[nodiscard]] std::optional<BatchReader> next(const Position& after);

  /// Only the proof: throws as next() does if `position` is not in the change table.
  void prove(const Position& position);

  [[nodiscard]] const std::vector<TablePlan>& tables() const { return tables_; }
  [[nodiscard]] const Era& era() const { return era_; }

 private:
  friend class BatchReader;
  void prove_in_transaction(const Position& position);
  void check_drift();
  void check_gapless(const Position& after, const Position& to);

  sqlite::Database database_;
  sqlite::Durability durability_;
  Era era_;
  std::vector<TablePlan> tables_;
  std::size_t key_columns_ = 1;
  std::int64_t schema_version_ = -1;
  std::unique_ptr<sqlite::Statement> newest_, row_, count_;
};

}  // namespace lockstep::capture
