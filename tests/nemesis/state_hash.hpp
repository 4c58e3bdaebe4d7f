// One number for all rows of all tables, the same from SQLite and from PostgreSQL.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace lockstep::nemesis {

/// Feed each row's fields in column order, then end_row(). The order of rows and tables does not
/// matter.
class StateHash {
 public:
  void begin_row(std::string_view table);
  /// `text` is the value as both engines print it; null is a value of its own.
  void field(std::string_view text);
  void null();
  void end_row();
  [[nodiscard]] std::uint64_t value() const { return sum_; }

 private:
  std::string row_;
  std::uint64_t sum_ = 0;
};

/// The tables of the workload, and for each the select list that prints alike on both sides.
struct HashedTable {
  const char* name;
  const char* sqlite_columns;
  const char* postgres_columns;
};
inline constexpr HashedTable kHashedTables[] = {
    {"meta", "id, n", "id, n"},
    {"ops", "op, n", "op, n"},
    {"items", "id, label, v, note, hex(body)", "id, label, v, note, upper(encode(body, 'hex'))"},
    {"places", "zone, no, item, weight * 8", "zone, no, item, (weight * 8)::bigint"},
    {"lines", "id, item, qty", "id, item, qty"},
};

}  // namespace lockstep::nemesis
