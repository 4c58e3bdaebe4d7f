// What the owner of the data decided for a column or a table in the configuration: a rule turns a
// cell as SQLite stores it into the cell that is carried. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/value.hpp"

namespace lockstep {

enum class ColumnType : std::uint8_t;

/// Into what the values of a column are converted (config/README.md has the table of what becomes
/// what).
enum class Cast : std::uint8_t {
  none,
  text,
  bigint,
  double_precision,
  numeric,
  boolean,
  date,
  timestamp,
  timestamptz,
  uuid,
  json,
  bytea,
  epoch_s,   ///< numbers are seconds since 1970, texts as for timestamptz
  epoch_ms,  ///< milliseconds
  epoch_us,  ///< microseconds
  literal    ///< every value as SQL literal of SQLite: 1, 1.5, 'text', x'00ff'. Exact for all
};

/// As the configuration spells it: "double precision", "epoch-ms".
[[nodiscard]] std::string_view to_string(Cast cast);
[[nodiscard]] std::optional<Cast> parse_cast(std::string_view text);
/// The type that the column gets on PostgreSQL. Not for none.
[[nodiscard]] ColumnType type_of(Cast cast);

enum class Nul : std::uint8_t { keep, strip, replace };

/// The order: NUL in text, default for NULL, cast.
struct ColumnRule {
  std::string rename{};  ///< the column's name on PostgreSQL; empty: the same
  Cast cast = Cast::none;
  Nul nul = Nul::keep;
  std::string nul_replacement{};
  std::optional<Value> default_if_null{};

  [[nodiscard]] bool changes_values() const {
    return cast != Cast::none || nul != Nul::keep || default_if_null.has_value();
  }
  /// True if two different values stay different: only then it may stand on a key.
  [[nodiscard]] bool is_injective() const {
    return !changes_values() ||
           (cast == Cast::literal && nul == Nul::keep && !default_if_null.has_value());
  }
  [[nodiscard]] bool empty() const { return rename.empty() && !changes_values(); }
  bool operator==(const ColumnRule& other) const;
};

/// As a person would write it: {"rename": "b", "type": "literal"}. For messages.
[[nodiscard]] std::string describe(const ColumnRule& rule);

/// A column that only PostgreSQL has, with one value for all rows.
struct AddedColumn {
  std::string name;
  ColumnType type;  ///< bigint, double precision, boolean or text
  Value value;      ///< of that type's class
  bool operator==(const AddedColumn& other) const;
};

struct TableRule {
  std::string rename{};  ///< the table's name on PostgreSQL; empty: the same
  std::vector<AddedColumn> added{};
};

/// All rules of a configuration, by names as SQLite stored them.
struct RuleSet {
  std::map<std::string, ColumnRule> columns{};  ///< by "table.column"
  std::map<std::string, TableRule> tables{};
  [[nodiscard]] bool empty() const { return columns.empty() && tables.empty(); }
};

/// Those of one table, as its plan keeps them.
struct TableRules {
  std::string rename{};
  std::vector<ColumnRule> columns{};  ///< one per column of the shape; empty: none at all
  std::vector<AddedColumn> added{};
};

struct TableShape;
[[nodiscard]] TableRules rules_of(const RuleSet& rules, const TableShape& shape);
/// What one set says otherwise than the other, a sentence each: column, rule before, rule now.
[[nodiscard]] std::vector<std::string> changed_rules(const TableRules& before,
                                                     const TableRules& now,
                                                     const TableShape& shape);

/// The cell that is carried. Total: what the rule cannot convert (a text 'abc' to bigint) comes
/// back as it is, does not fit the column's type and is refused by name like every such value. The
/// result is valid as long as `rule`, `value` and `scratch`.
[[nodiscard]] ValueView apply_rule(const ColumnRule& rule, const ValueView& value,
                                   std::string& scratch);

/// The same by column number, with a scratch of its own. One thread; `rules` and `key` (column
/// numbers) outlive it, and a result is valid until the next call. In a key -0.0 is 0.0, as for
/// SQLite.
class RuleReader {
 public:
  RuleReader(const TableRules& rules, const std::vector<std::size_t>& key)
      : rules_(rules), key_(key) {}
  [[nodiscard]] ValueView operator()(std::size_t column, const ValueView& value) {
    if (column >= rules_.columns.size() || !rules_.columns[column].changes_values()) return value;
    return convert(column, value);
  }

 private:
  [[nodiscard]] ValueView convert(std::size_t column, ValueView value);

  const TableRules& rules_;
  const std::vector<std::size_t>& key_;
  std::string scratch_;
};

}  // namespace lockstep
