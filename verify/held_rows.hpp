// Which differences of a range are rows that wait in quarantine. Pure.
#pragma once

#include <cstdint>
#include <vector>

#include "verify/digest.hpp"

namespace lockstep::verify {

/// Takes the rows out of `found` that are on the source only because they are `held`, and returns
/// how many there were. `held` are keys of the range, as both sides show them; `absent` is what a
/// row is called that only SQLite has. On the way there a held key that nobody finds is added: the
/// quarantine knows a row that the source does not have. After a cutover whoever writes to
/// PostgreSQL may bring such a row back.
[[nodiscard]] std::uint64_t take_held(std::vector<RowDifference>& found,
                                      const std::vector<Key>& held, Difference absent);

}  // namespace lockstep::verify
