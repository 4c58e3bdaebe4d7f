// Pairs of queries, one for each side, and what is made of their two answers: validators of the
// owner, and counts that lockstep asks for itself. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/position.hpp"
#include "model/shape.hpp"
#include "verify/relation.hpp"

namespace lockstep::verify {

struct QueryPair {
  enum class Kind {
    counts,    ///< how many rows a table has
    columns,   ///< the same, and of each column how many values, the smallest and the largest
    validator  ///< somebody else's SQL
  };
  Kind kind = Kind::validator;
  std::string name;                    ///< the validator's, or the table's on the source
  std::string source, target, expect;  ///< of a validator; expect as parse_relation() reads it
};

[[nodiscard]] std::string_view to_string(QueryPair::Kind kind);
[[nodiscard]] std::optional<QueryPair::Kind> parse_pair_kind(std::string_view text);

/// What both sides answered at one position.
struct Verdict {
  QueryPair::Kind kind = QueryPair::Kind::validator;
  std::string name;
  bool answered = false;       ///< by both
  bool holds = false;          ///< then
  std::string source, target;  ///< for people; nothing of columns with personal data
  std::string what;            ///< why it does not hold, or why there is no answer
  std::uint64_t rows = 0;      ///< of a table: by how many the sides are apart; else 1
  std::uint64_t quarantined = 0;
  std::optional<Position> position;
};

/// The two statements. `plan` is that of the table; nullptr for a validator.
[[nodiscard]] std::string source_sql(const QueryPair& pair, const TablePlan* plan);
[[nodiscard]] std::string target_sql(const QueryPair& pair, const TablePlan* plan,
                                     const std::string& schema, const std::string& migration);

[[nodiscard]] Verdict judge(const QueryPair& pair, const TablePlan* plan, const Answer& source,
                            const Answer& target);

}  // namespace lockstep::verify
