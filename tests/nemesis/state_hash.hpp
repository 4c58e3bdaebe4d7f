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

/// The tables of the workload as they should be on the target, in words that print alike on both
/// sides. Of `items` those rows are absent whose v is a text: they wait in quarantine.
struct HashedTable {
  const char* name;
  const char* sqlite_query;
  const char* postgres_query;
};
inline constexpr HashedTable kHashedTables[] = {
    {"meta", "SELECT id, n FROM meta", "SELECT id, n FROM public.meta"},
    {"ops", "SELECT op, n FROM ops", "SELECT op, n FROM public.ops"},
    {"items",
     "SELECT id, label, v, note, hex(body) FROM items WHERE v IS NULL OR typeof(v) = 'integer'",
     "SELECT id, label, v, note, upper(encode(body, 'hex')) FROM public.items"},
    {"places", "SELECT zone, no, item, weight * 8 FROM places",
     "SELECT zone, no, item, (weight * 8)::bigint FROM public.places"},
    {"lines", "SELECT id, item, qty FROM lines", "SELECT id, item, qty FROM public.lines"},
    {"held", "SELECT id, 'items', 'v', substr(v, 4) FROM items WHERE typeof(v) = 'text'",
     R"(SELECT regexp_replace(key, '\D', '', 'g'), name, column_name, regexp_replace(value, '\D',
        '', 'g') FROM lockstep.quarantine WHERE state = 'held' AND NOT stale)"},
};

}  // namespace lockstep::nemesis
