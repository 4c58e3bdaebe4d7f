#include "tests/nemesis/state_hash.hpp"

#include <xxhash.h>

namespace lockstep::nemesis {

void StateHash::begin_row(std::string_view table) {
  row_.assign(table);
  row_.push_back('\n');
}

void StateHash::field(std::string_view text) {
  row_.append(std::to_string(text.size()));
  row_.push_back(':');
  row_.append(text);
}

void StateHash::null() {
  row_.append("-");
}

// A sum, so that rows may come in any order; two equal rows cannot hide each other as with XOR.
void StateHash::end_row() {
  sum_ += XXH3_64bits(row_.data(), row_.size());
}

}  // namespace lockstep::nemesis
