// A table that is on the target before lockstep comes, as an ORM made it: what the catalog says of
// it, and what a plan keeps of that.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "model/target_type.hpp"

namespace lockstep {

/// One column of it.
struct ExistingColumn {
  std::string name;
  std::string type;  ///< as format_type() has it
  bool not_null = false;
  TargetType holds{};  ///< `type` parsed; meaningless for columns that lockstep does not write
  std::vector<std::string> labels{};  ///< of an enum type, in their order

  /// What it takes; nothing if lockstep cannot fill it exactly.
  [[nodiscard]] std::optional<TargetType> target_type() const {
    if (labels.empty()) return parse_target_type(type);
    return TargetType{TargetKind::enumeration, 0, 0, labels};
  }
};

/// What a plan keeps of the table that its rows go into. Lockstep neither creates nor alters it.
struct ExistingTarget {
  std::vector<ExistingColumn> columns;  ///< one per column of the plan, in its order
  std::vector<std::string> extra;       ///< columns that the source has not
  std::vector<ExistingColumn> added{};  ///< one per column that the plan's rules add
  std::vector<std::string> key;         ///< its primary key
  bool upserts = false;  ///< a unique index is over just the key of the plan: rows are upserted
  bool partitioned = false;
  bool replaces_rows = false;  ///< rows that are there before the copy give way to the source's
};

/// The table as the catalog has it.
struct CatalogTable {
  struct CatalogColumn : ExistingColumn {
    bool generated = false;    ///< GENERATED ALWAYS AS (expression)
    bool has_default = false;  ///< or an identity
    bool folds = false;        ///< its collation takes different texts for one
  };
  std::string name;
  char kind = 'r';  ///< pg_class.relkind
  bool unlogged = false, has_children = false, row_security = false;
  bool owned = false;     ///< our role may alter it
  bool writable = false;  ///< our role may read and write its rows
  std::vector<CatalogColumn> columns;
  std::vector<std::string> key;  ///< of the primary key, in order
  std::vector<std::vector<std::string>>
      unique_keys;  ///< whole, immediate ones; the primary key too
  /// Of DEFERRABLE constraints, which session_replication_role switches off.
  std::vector<std::vector<std::string>> deferrable_keys;
  std::vector<std::string> partition_key;
  std::vector<std::string> triggers;         ///< enabled, and silent under session_replication_role
  std::vector<std::string> firing_triggers;  ///< ALWAYS or REPLICA
  std::vector<std::string> rules;
  std::vector<std::string> foreign_keys;  ///< of it and into it: "table.constraint"
  bool foreign_keys_owned = true;         ///< our role may drop them
};

}  // namespace lockstep
