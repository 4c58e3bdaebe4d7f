// Columns without values: what the rest of the database, its framework and their declarations say.
// Pure, but for SQLite's answer to what a DEFAULT gives.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "model/promise.hpp"
#include "model/shape.hpp"

namespace lockstep::snapshot {

/// How the framework that made the file stores what a declaration alone does not say.
struct Customs {
  bool milliseconds = false;  ///< instants are milliseconds since 1970 (Prisma)
  bool plain_uuids = false;   ///< CHAR(32) is a UUID without dashes (Django)
  bool six_digits = false;    ///< instants have six digits, always (Rails, SQLAlchemy)
};

/// What was decided of a column without values, and by what.
struct Settled {
  std::size_t column = 0;
  std::string reason;  ///< "as all DATETIME columns with values"
};

/// The columns that have values, and what those without get.
class Elsewhere {
 public:
  explicit Elsewhere(Customs customs) : customs_(customs) {}

  /// `undecided` are the columns of `plan` without values: these show nothing.
  void add(const TablePlan& plan, const std::vector<std::size_t>& undecided);

  /// Gives each undecided column the type that all columns with values and the same declaration
  /// have (a JSON column first what its own DEFAULT gives, if that is no JSON text; JSON columns of
  /// numbers show nothing); where there are none, DATETIME has that of DATETIME(6), then all that
  /// promise the same; then what the framework stores, then what its own DEFAULT gives, then what
  /// its declaration says. Where columns of the same declaration do not agree it keeps the type of
  /// its class, and so does a CHAR(32) that nothing tells from other texts.
  std::vector<Settled> settle(TablePlan& plan, const std::vector<std::size_t>& undecided) const;

 private:
  struct Seen {
    std::set<ColumnType> types;
    std::uint64_t spellings = 0;
  };
  /// Of one type for sure; `found` is what the promise's values are like.
  struct Guess {
    PromiseCensus found{};
    std::string reason{};
  };

  /// Of the same declaration, as it is written before without its digits.
  [[nodiscard]] const Seen* seen_of(const Column& column) const;
  bool settle_as_seen(TablePlan& plan, std::size_t column, const Seen& seen) const;
  void show(const TablePlan& plan, const std::vector<std::size_t>& undecided);
  std::vector<Settled> settle_all(TablePlan& plan, const std::vector<std::size_t>& undecided) const;
  void settle_there(TablePlan& plan, std::size_t column) const;
  [[nodiscard]] Guess guess(const Column& column) const;

  Customs customs_;
  std::map<std::string, Seen> declared_;
  std::map<Promise, Seen> promised_;
};

}  // namespace lockstep::snapshot
