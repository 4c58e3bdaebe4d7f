// Builds keys and indexes of the copied tables, in two sessions, the largest first.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "apply/ledger.hpp"
#include "apply/target_schema.hpp"
#include "link/postgres/connection.hpp"
#include "ops/board.hpp"

namespace lockstep::ops {

/// One sort keeps one core busy: two sessions build two indexes side by side, of one table or of
/// two. An index of a large table is a step of its own; a small table is one step with everything.
/// A table is marked in the ledger in the transaction that gives it its constraints.
class KeyBuilder {
 public:
  KeyBuilder(std::string migration, std::string schema, Board& board);

  /// Everything that tables which are not marked still miss; they are marked in `tables` too. Must
  /// not be in a transaction. Returns early if `stop` is requested. Throws the first Error of
  /// either session; what was committed stays, and the next call goes on from there.
  void build(postgres::Connection& connection, std::vector<apply::LedgerTable>& tables,
             const std::stop_token& stop);

  /// From another thread: ends the second session's statement.
  void cancel();

 private:
  struct Table {
    apply::LedgerTable* ledger = nullptr;
    apply::KeyStatements keys;
    std::vector<std::string> missing;  // CREATE INDEX
    std::size_t left = 0;              // index steps that are not done
  };
  struct Step {
    Table* table = nullptr;
    std::size_t index = 0;  // of table->missing; of a small table all
    bool whole = false;
    double weight = 0;
  };

  void look(postgres::Connection& connection, Table& table,
            const std::vector<TablePlan>& plans) const;
  void plan_steps();
  void work(postgres::Connection& session, const std::stop_token& stop);
  void run(postgres::Connection& session, const Step& step);
  void finish(postgres::Connection& session, Table& table, bool with_indexes);
  [[nodiscard]] std::optional<Step> next_step();

  std::string migration_;
  std::string schema_;
  Board& board_;
  std::mutex mutex_;
  std::vector<Table> tables_;
  std::vector<Step> steps_;  // the next one last
  std::optional<postgres::Connection> second_;
};

}  // namespace lockstep::ops
