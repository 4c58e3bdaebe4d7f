#include "verify/held_rows.hpp"

#include <set>
#include <string>
#include <utility>

#include "verify/shown_key.hpp"

namespace lockstep::verify {

std::uint64_t take_held(std::vector<RowDifference>& found, const std::vector<Key>& held,
                        Difference absent) {
  if (held.empty()) return 0;
  std::set<std::string> waiting;
  for (const Key& key : held) waiting.insert(held_key_bytes(key));
  std::set<std::string> there;
  std::uint64_t taken = 0;
  std::erase_if(found, [&](const RowDifference& one) {
    std::string key = held_key_bytes(parse_key_bytes(one.key));
    const bool waits = one.kind == absent && waiting.erase(key) > 0;
    if (!waits) there.insert(std::move(key));
    return waits && ++taken > 0;
  });
  if (absent != Difference::missing) return taken;
  for (const Key& key : held)
    if (const std::string bytes = held_key_bytes(key);
        waiting.contains(bytes) && !there.contains(bytes))
      found.push_back({Difference::differ, key_bytes(key)});
  return taken;
}

}  // namespace lockstep::verify
