// Whether the source's schema moved further than what was seen of it explains, and which tables may
// have got other rows by it: neither fires a trigger.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "capture/emptied.hpp"
#include "link/sqlite/database.hpp"

namespace lockstep::capture {

/// What SQLite's own list had at one moment.
struct SchemaLook {
  struct Object {
    std::string table;       ///< that it belongs to; a table: itself
    std::uint64_t text = 0;  ///< of its SQL, hashed; 0: SQLite makes it by itself
    std::int64_t rootpage = 0, columns = 0, rowid = 0;
    bool operator==(const Object&) const = default;
  };
  std::int64_t version = -1;  ///< schema_version; -1: nobody has looked yet
  std::map<std::pair<std::string, std::string>, Object> objects{};  ///< by type and name
};

/// In the caller's transaction.
[[nodiscard]] SchemaLook look_at(sqlite::Database& database);

/// How many statements lead from one look to the other in the usual way; each is one step of
/// schema_version. VACUUM counts as nothing. Pure.
[[nodiscard]] std::int64_t statements_explained(const SchemaLook& before, const SchemaLook& now);

/// True if an index or the like can have come and gone between the two: that takes two statements
/// (VACUUM and its like are one). A UNIQUE index whose probes never were in place may have made
/// REPLACE take rows away without a change logged; a column may have gone and come again. Pure.
[[nodiscard]] bool may_have_missed(const SchemaLook& before, const SchemaLook& now);

/// True if triggers, views, indexes and tables of lockstep's own came and not one statement more
/// was run: no VACUUM, so every rowid is as it was. Pure.
[[nodiscard]] bool nothing_but_created(const SchemaLook& before, const SchemaLook& now);

/// Tables of `before` whose rows may be others than the changes logged since say: they were made
/// anew, or have lost a column, or have another text than ADD COLUMN and one statement elsewhere
/// give them, or are gone. Pure.
[[nodiscard]] std::set<std::string> possibly_rewritten(const SchemaLook& before,
                                                       const SchemaLook& now);

/// Keeps the last look, and what is open since. Copies are independent.
class SchemaWatch {
 public:
  SchemaWatch() = default;
  /// Goes on from a look of a lockstep before this one. Nobody saw what came between: where that is
  /// in doubt, every table is in question.
  explicit SchemaWatch(SchemaLook recorded) : last_(std::move(recorded)), recorded_(true) {}

  /// In a transaction. Cheap if schema_version is still the same.
  void look(sqlite::Database& database);
  /// What was done since look(), in the same transaction, was lockstep's own doing.
  void done_by_us(sqlite::Database& database) { last_ = look_at(database); }
  [[nodiscard]] const SchemaLook& last() const { return last_; }

  /// Tables that have to be read anew, followed or not, until a mark for them is in the change
  /// table.
  [[nodiscard]] const std::set<std::string>& in_question() const { return in_question_; }
  void answered(const std::string& table) { in_question_.erase(table); }
  /// At this change the schema was still that of last().
  void unmoved_at(std::int64_t seq) { unmoved_at_ = seq; }
  /// Something came and went behind this change, and it may have been a table's last column: rows
  /// tell (possibly_emptied()), and that is told here.
  [[nodiscard]] std::optional<std::int64_t> unseen_since() const { return unseen_since_; }
  /// Of large tables only the first few times: where schemas move all the while, no reading would
  /// come to its end; the comparison that a doubt asks for finds the rest.
  void weighed(const Emptied& tables);

  /// All tables are in question, for nobody saw what happened; until somebody has said so.
  [[nodiscard]] bool lost_track() const { return lost_track_; }
  void said_so() { lost_track_ = false; }

  /// Something may have been missed, until somebody takes that up.
  [[nodiscard]] bool in_doubt() const { return doubt_ == Doubt::seen; }
  void taken_up() { doubt_ = Doubt::taken_up; }
  /// Apply knows.
  void told() {
    if (doubt_ == Doubt::taken_up) doubt_ = Doubt::none;
  }
  /// Nobody has to be told of a doubt: a lockstep after this one may go on from last().
  [[nodiscard]] bool sees_clearly() const {
    return last_.version >= 0 && doubt_ == Doubt::none && !unseen_since_;
  }

 private:
  enum class Doubt : std::uint8_t { none, seen, taken_up };
  SchemaLook last_;
  bool recorded_ = false;  // last_ is nobody's of this process
  bool lost_track_ = false;
  Doubt doubt_ = Doubt::none;
  std::set<std::string> in_question_;
  std::int64_t unmoved_at_ = -1;
  std::optional<std::int64_t> unseen_since_;
  std::map<std::string, int> weighed_large_;  // how often
};

}  // namespace lockstep::capture
