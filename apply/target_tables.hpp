// Are the copied tables on the target still what lockstep made them, and who holds them?
#pragma once

#include <string>
#include <vector>

#include "apply/ledger.hpp"

namespace lockstep::apply {

/// A table as the target's catalog has it now.
struct TableSeen {
  struct ColumnSeen {
    std::string name, type;
    std::string collation;  ///< as SQL names it, where it is not the type's own
    bool not_null = false;
    bool generated = false;
    bool folds = false;  ///< its collation takes different texts for one, in a unique index
  };
  char kind = 0;  ///< pg_class.relkind; 0: there is none
  bool unlogged = false;
  bool has_children = false;
  bool row_security = false;  ///< it applies to us
  std::vector<ColumnSeen> columns;
  std::vector<std::string> key;  ///< of the primary key, in order
  struct TriggerSeen {
    std::string name;
    bool ordinary = true;  ///< does not fire while session_replication_role is replica
  };
  std::vector<TriggerSeen> triggers;  ///< enabled ones, and not those of foreign keys
  /// Its own, and those that reference it, if they change rows: CASCADE, SET NULL, SET DEFAULT.
  std::vector<std::string> foreign_keys;
  std::vector<std::string> folding_indexes{};  ///< beside another over the same columns
  std::vector<std::string> rules;
};

/// What would make the table hold something else than the source, or refuse it; each a sentence
/// that names the table. `indexed`: its primary key must be there. `silent`: our sessions set
/// session_replication_role. Pure.
[[nodiscard]] std::vector<std::string> differences(const TablePlan& plan, bool indexed,
                                                   const TableSeen& seen, bool silent);

/// Every difference of the ledger's tables. One round trip.
[[nodiscard]] std::vector<std::string> tables_differ(postgres::Connection& connection,
                                                     const std::string& migration,
                                                     const std::string& schema,
                                                     const std::vector<LedgerTable>& tables,
                                                     bool silent);

/// Throws LS-T214 (exit 7) naming every difference. One round trip, outside a transaction or in
/// one. `tables` are the ledger's.
void check_target_tables(postgres::Connection& connection, const std::string& migration,
                         const std::string& schema, const std::vector<LedgerTable>& tables,
                         bool silent);

/// LS-T213 (Retry::same_session) for a lock that was not granted in time: who holds the copied
/// tables or the ledger, prepared transactions included. A guess where nobody is found any more.
[[nodiscard]] Error locked_out(postgres::Connection& connection, const std::string& migration,
                               const std::string& schema, const Error& cause);

}  // namespace lockstep::apply
