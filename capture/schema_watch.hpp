// Whether the source's schema moved further than what was seen of it explains: then something came
// and went in between.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "link/sqlite/database.hpp"

namespace lockstep::capture {

/// What SQLite's own list had at one moment, without what is lockstep's.
struct SchemaLook {
  struct Object {
    std::string table;  ///< that it belongs to; a table: itself
    std::string sql;    ///< empty: SQLite makes it by itself
    std::int64_t rootpage = 0, columns = 0;
  };
  std::int64_t version = -1;  ///< schema_version; -1: nobody has looked yet
  std::map<std::pair<std::string, std::string>, Object> objects{};  ///< by type and name
};

/// In the caller's transaction.
[[nodiscard]] SchemaLook look_at(sqlite::Database& database);

/// How many statements lead from one look to the other in the usual way; each is one step of
/// schema_version. Pure.
[[nodiscard]] std::int64_t statements_explained(const SchemaLook& before, const SchemaLook& now);

/// True if an index or the like can have come and gone between the two: that takes two statements
/// (VACUUM and its like are one). A UNIQUE index whose probes never were in place may have made
/// REPLACE take rows away without a change logged. Pure.
[[nodiscard]] bool may_have_missed(const SchemaLook& before, const SchemaLook& now);

/// Keeps the last look. Copies are independent.
class SchemaWatch {
 public:
  /// In a transaction. Cheap if schema_version is still the same.
  void look(sqlite::Database& database);
  /// What was done since look(), in the same transaction, was lockstep's own doing.
  void done_by_us(sqlite::Database& database) { last_ = look_at(database); }
  /// Something may have been missed, until somebody takes that up.
  [[nodiscard]] bool in_doubt() const { return in_doubt_; }
  void taken_up() { in_doubt_ = false; }

 private:
  SchemaLook last_;
  bool in_doubt_ = false;
};

}  // namespace lockstep::capture
