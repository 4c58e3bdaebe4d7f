// The SQL that logs keys: change table, triggers, look-ups, for one table shape. Pure.
//
// Trigger bodies run inside the application's SQLite, which may be older or newer than ours: plain
// old SQL, no function but coalesce and those of the application's own unique indexes, key columns
// and columns of unique indexes only.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "capture/probes.hpp"
#include "model/shape.hpp"

namespace lockstep::capture {

inline constexpr char kChangeTable[] = "_lockstep_changes";
inline constexpr char kMetaTable[] = "_lockstep_meta";
inline constexpr char kTablesTable[] = "_lockstep_tables";

struct Trigger {
  std::string name;
  std::string sql;
};

/// Why changes of such a table cannot be captured exactly yet, one sentence each; none: they can.
[[nodiscard]] std::vector<std::string> capture_problems(const TableShape& shape);

/// CREATE TABLE for the change table with `key_columns` columns k1..kn. No constraint of any kind
/// besides the key: an outer OR IGNORE or OR REPLACE of the application is inherited by the
/// statements inside triggers.
[[nodiscard]] std::string change_table_sql(std::size_t key_columns);

/// AFTER INSERT, AFTER DELETE, AFTER UPDATE, and BEFORE probes that log the victims of REPLACE.
/// Keys with a column of TEXT or no affinity are logged where SQLite cannot misread them: BEFORE
/// DELETE, BEFORE UPDATE, and from the row itself after it was written. In the order in which they
/// are to be created.
[[nodiscard]] std::vector<Trigger> triggers_for(std::uint32_t table_id, const TableShape& shape);

/// SELECT of every column of the row with key ?1..?n. The caller compares the key it gets with the
/// key it asked for: the index may be looser than bytes (NOCASE), and then at most one row comes
/// back, in its present spelling.
[[nodiscard]] std::string lookup_sql(const TableShape& shape);

/// What a probe asks, outside of its trigger: NEW and OLD are rows of the table itself there, so
/// that affinities, collations and the plan are the trigger's own.
struct ProbeQuery {
  std::string sql;
  Probe probe;
};
[[nodiscard]] std::vector<ProbeQuery> probe_queries(const TableShape& shape);

/// The changes after ?1 in order, at most ?2: seq, identity, table id, k1..kn.
[[nodiscard]] std::string changes_sql(std::size_t key_columns);

}  // namespace lockstep::capture
