// What is expected of the two answers to a pair of queries. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "link/wire/verification.hpp"

namespace lockstep::verify {

using Cell = wire::QueryCell;
using Answer = wire::QueryAnswer;

struct Relation {
  enum class Kind {
    equal,    ///< row by row, cell by cell
    at_most,  ///< source <= target, cell by cell
    within,   ///< of numbers: apart by at most `percent` of the source's
    no_rows   ///< neither side has a row
  };
  Kind kind = Kind::equal;
  double percent = 0;
};

/// "equal", "<=", "no-rows", "within 5%".
[[nodiscard]] std::optional<Relation> parse_relation(std::string_view text);
[[nodiscard]] std::string to_string(const Relation& relation);

/// Why it does not hold; empty: it does. Numbers are compared as numbers, whatever type they come
/// in (1 is 1.0 and 1.00), everything else byte by byte. NULL equals NULL and is not at most
/// anything. No value is in the text.
[[nodiscard]] std::string broken(const Relation& relation, const Answer& source,
                                 const Answer& target);

/// True if both are the same number, digit by digit and whatever its spelling.
[[nodiscard]] bool same_number(std::string_view a, std::string_view b);

}  // namespace lockstep::verify
