// The columns and keys of a table, and how they will look on PostgreSQL.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/existing_target.hpp"
#include "model/rule.hpp"

namespace lockstep {

/// SQLite's column affinities (https://www.sqlite.org/datatype3.html, 3.1).
enum class Affinity { integer, real, numeric, text, blob };

/// The affinity of a declared type, by SQLite's own five rules.
[[nodiscard]] Affinity affinity_of(std::string_view declared_type);

enum class Generated { no, virtual_column, stored };

struct Column {
  std::string name;
  std::string declared_type;
  Affinity affinity = Affinity::blob;
  bool not_null = false;
  Generated generated = Generated::no;
  std::string default_sql;  ///< as written in CREATE TABLE; empty: none
  std::string collation = "BINARY";
  /// A CHECK lets nothing in but JSON, which is how Django says JSON. Known where SQLite is read.
  bool json_checked = false;
  /// Of a generated column that PostgreSQL computes as well: the expression, as in CREATE TABLE.
  /// Empty: PostgreSQL holds its values like any other's.
  std::string computed_as{};
  /// Not declared: the rowid of a table without a key. Always the last column. In SQL on the SQLite
  /// side sqlite::source_name() spells it.
  bool is_rowid = false;
};

/// One term of an index: a column, or (no column) an expression.
struct IndexTerm {
  std::optional<std::size_t> column;
  std::string collation = "BINARY";
  bool descending = false;
  std::string expression{};  ///< as in CREATE INDEX, without ASC or DESC; empty if unreadable
};

enum class IndexOrigin { created, unique_constraint, primary_key };

struct Index {
  std::string name;
  IndexOrigin origin = IndexOrigin::created;
  bool unique = false;
  bool partial = false;
  std::vector<IndexTerm> terms;
  std::string where_sql{};  ///< predicate of a partial index, as in CREATE INDEX
};

struct ForeignKey {
  std::vector<std::string> columns;         ///< of the child, as declared
  std::string parent;                       ///< a table's name, as declared; it may not exist
  std::vector<std::string> parent_columns;  ///< empty: the parent's primary key
  std::string on_update, on_delete;         ///< in SQL: NO ACTION, CASCADE, ...
  bool deferred = false;                    ///< DEFERRABLE INITIALLY DEFERRED
};

struct TableShape {
  std::string name;
  std::vector<Column> columns;
  std::vector<std::size_t> key;  ///< key columns in key order; empty: rows have no address
  std::optional<std::size_t> rowid_alias;  ///< the INTEGER PRIMARY KEY column, if there is one
  bool without_rowid = false;
  bool keyed_by_rowid = false;  ///< nothing else tells rows apart: the last column, the rowid, does
  bool autoincrement = false;
  std::string
      rowid_name;  ///< a name that reaches the rowid; empty: none (WITHOUT ROWID, all shadowed)
  std::vector<Index> indexes;
  std::size_t foreign_keys = 0;          ///< how many are declared; counted to be reported
  std::vector<ForeignKey> references{};  ///< these, in order; empty in plans that 0.4 made
  std::size_t checks = 0;                ///< likewise CHECK constraints
  std::string sql;                       ///< CREATE TABLE text

  [[nodiscard]] std::optional<std::size_t> column_named(std::string_view column) const;
  /// That of the primary key, or the unique one that stands in for it; null where a rowid is the
  /// key.
  [[nodiscard]] const Index* key_index() const;
  /// It has no primary key, and a unique index stands in for it.
  [[nodiscard]] bool keyed_by_index() const;
};

/// 16 hex digits that change when columns, types, keys or indexes do.
[[nodiscard]] std::string fingerprint(const TableShape& shape);

/// What a column becomes on PostgreSQL: one type per storage class; numeric for integers and reals
/// side by side, as SQLite's NUMERIC affinity keeps them; and what the application needs there,
/// where every value means the same in it: boolean for 0 and 1, the others for texts
/// (model/spelling). timestamp is the one without, timestamptz the one with time zone; timestamp_ms
/// has three digits, no zone, and holds what SQLite has as integers: milliseconds since 1970 (UTC).
enum class ColumnType : std::uint8_t {
  bigint = 1,
  double_precision = 2,
  text = 3,
  bytea = 4,
  numeric = 5,
  boolean = 6,
  date = 7,
  timestamp = 8,
  timestamptz = 9,
  uuid = 10,
  json = 11,
  timestamp_ms = 12
};

/// How the texts of a column are spelled whose type keeps only what they mean.
struct ColumnSpelling {
  std::uint64_t found = 0;  ///< a bit for each spelling that the census found (model/spelling)
  bool bound = false;       ///< of a key or unique column: others would be taken for the same value
  bool operator==(const ColumnSpelling&) const = default;
};

/// What is done with a row whose value does not fit (model/bad_value).
enum class OnBadValue : std::uint8_t {
  stop,        ///< nothing more is applied until the value is mended
  quarantine,  ///< the row waits in lockstep.quarantine and is absent from the target
  text         ///< a column of our own tables that gets such values becomes text, not in a key
};

/// As PostgreSQL's format_type() has it.
[[nodiscard]] std::string_view to_string(ColumnType type);
[[nodiscard]] std::optional<ColumnType> parse_column_type(std::string_view text);

/// A table as it will be carried over: decided once, kept in the ledger, the same on both ends of
/// the wire.
struct TablePlan {
  std::uint32_t id = 0;  ///< its number in the change table; never reused within an era
  TableShape shape;
  std::vector<ColumnType> types;           ///< one per column
  std::vector<ColumnSpelling> spellings;   ///< one per column; shorter: unknown, not bound
  std::vector<OnBadValue> on_bad_value{};  ///< one per column; shorter: stop
  std::vector<bool> personal{};  ///< one per column; shorter: no. Values that nobody is shown
  std::int64_t sequence = 0;     ///< sqlite_sequence when planned; 0: none
  std::vector<std::string> carried_indexes;  ///< names of shape.indexes that PostgreSQL gets too
  std::vector<std::string> left_out;  ///< what it does not get, one sentence each; told to the user
  TableRules rules{};                 ///< of the configuration; entries hold values after them
  /// The table was there: `types` say how its values travel, this what they become. Nothing: it is
  /// lockstep's own.
  std::optional<ExistingTarget> existing{};

  [[nodiscard]] const std::string& name() const { return shape.name; }
  /// The names on PostgreSQL.
  [[nodiscard]] const std::string& target_name() const {
    return rules.rename.empty() ? shape.name : rules.rename;
  }
  [[nodiscard]] const std::string& target_column(std::size_t column) const;
  /// A rule changes its values: what the schema says of them is about others.
  [[nodiscard]] bool is_converted(std::size_t column) const;
  [[nodiscard]] bool is_key(std::size_t column) const;
  [[nodiscard]] ColumnSpelling spelling(std::size_t column) const;
  [[nodiscard]] OnBadValue on_bad_value_of(std::size_t column) const;
  /// By that choice, and not by a rule of the configuration; it stays so.
  [[nodiscard]] bool became_text(std::size_t column) const;
  [[nodiscard]] bool is_personal(std::size_t column) const;
};

}  // namespace lockstep
