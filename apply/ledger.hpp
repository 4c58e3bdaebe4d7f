// The ledger: small tables kept with the data on the target, saying what is done. Format in
// apply/README.md.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "link/postgres/connection.hpp"
#include "model/position.hpp"
#include "model/shape.hpp"

namespace lockstep::apply {

inline constexpr int kLedgerFormat = 2;

/// How far a migration is. Stored in the ledger by name; each step is entered in the transaction
/// that makes it true.
enum class Phase {
  installing,  ///< the source may or may not have its triggers yet
  snapshot,    ///< P0 is recorded, target tables exist, chunks are being loaded
  catchup,     ///< every chunk is in; the batch (P0,S] makes it consistent
  indexing,    ///< consistent; keys and indexes are being built, apply waits
  streaming,   ///< following
};
[[nodiscard]] std::string_view to_string(Phase phase);
[[nodiscard]] std::optional<Phase> parse_phase(std::string_view text);

struct LedgerRow {
  std::string migration;
  std::string source_id;
  std::string source;  ///< absolute path on the source's host, so that TARGET alone finds it
  std::string target_schema;
  Phase phase = Phase::installing;
  bool consistent = false;           ///< true: the tables are a state the source really had (I1)
  std::optional<Position> position;  ///< applied and, since commits are synchronous, durable
  std::int64_t batches = 0;
  std::int64_t changes = 0;         ///< changes applied since the first position
  std::int64_t source_wall_us = 0;  ///< when the source's reader saw the last batch's end
};

/// A table is copied in parts, side by side; most have one.
struct LedgerPart {
  std::uint32_t number = 0;           ///< from 0
  std::optional<std::int64_t> after;  ///< rowid behind which it begins; nothing: from the start
  std::optional<std::int64_t> until;  ///< its last rowid; nothing: to the end
  std::string cursor;  ///< wire::encode_key of the last chunk's cursor; empty: none yet
  bool copied = false;
  std::optional<Position> as_of = {};  ///< of its last chunk (wire::ChunkEnd)
};

struct LedgerTable {
  TablePlan plan;
  std::int64_t rows = 0;
  bool copied = false;  ///< every part is
  bool indexed = false;
  std::vector<LedgerPart> parts;
};

/// A table to be copied, and the rowids at which its copy is cut into parts (ascending).
struct TableToCopy {
  TablePlan plan;
  std::vector<std::int64_t> split_points;
};

/// Makes schema and tables if they are missing, and columns that an older lockstep did not have.
void create_ledger(postgres::Connection& connection);
[[nodiscard]] bool ledger_exists(postgres::Connection& connection);

enum class RowLock { none, for_update };
/// `for_update` settles a commit in doubt: it waits for the old backend to end; a plain read can
/// still show the old position. Call it outside a transaction: the lock goes with the statement.
[[nodiscard]] std::optional<LedgerRow> read_ledger(postgres::Connection& connection,
                                                   const std::string& migration, RowLock lock);
[[nodiscard]] std::vector<TablePlan> plans_of(const std::vector<LedgerTable>& tables);
/// The newest change that chunks were read after; nothing before the first chunk.
[[nodiscard]] std::optional<Position> newest_seen(const std::vector<LedgerTable>& tables);
/// Every migration this database is the target of, by name; for status and for refusals.
[[nodiscard]] std::vector<LedgerRow> all_ledgers(postgres::Connection& connection);
[[nodiscard]] std::vector<LedgerTable> read_tables(postgres::Connection& connection,
                                                   const std::string& migration);

/// A new row in phase `installing`, without position.
void enter_ledger(postgres::Connection& connection, const std::string& migration,
                  const std::string& source_id, const std::string& source,
                  const std::string& target_schema);
/// Makes the target tables and records P0, plans and parts, in one transaction; phase `snapshot`.
void begin_snapshot(postgres::Connection& connection, const LedgerRow& row, const Position& p0,
                    const std::vector<TableToCopy>& tables);
/// Phase `from` to `to` by compare-and-set; LS-R704 if somebody else moved it. `consistent` is set,
/// never taken back. `also` is done in the same transaction.
void move_phase(postgres::Connection& connection, const std::string& migration, Phase from,
                Phase to, bool consistent, const std::function<void()>& also = {});
/// The caller's transaction: marks keys and indexes of a table as built.
void mark_indexed(postgres::Connection& connection, const std::string& migration,
                  std::uint32_t table);
/// Takes the migration's rows out, and schema `lockstep` if nothing is left in it. The copied
/// tables stay.
void remove_ledger(postgres::Connection& connection, const std::string& migration);

/// The statement that moves the position, for a pipeline: 1 row or an error (division by zero), so
/// the transaction can not commit. Binary parameters: to era, to seq, to identity, changes,
/// source_wall_us, from era, from seq, from identity. `migration` becomes a literal.
/// `keeps_dual`: what lockstep.dual_rows say is of the position that it moves to (dual_write.hpp).
[[nodiscard]] std::string advance_sql(const std::string& migration, bool becomes_consistent,
                                      bool keeps_dual = false);
inline constexpr std::string_view kAdvanceRefused = "22012";  // division_by_zero

}  // namespace lockstep::apply
