#include "tests/nemesis/faults.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace lockstep::nemesis {

std::string_view to_string(Fault fault) {
  constexpr std::array<std::string_view, kFaults> kNames{"kill",
                                                         "stop",
                                                         "terminate",
                                                         "duplicate",
                                                         "backend_terminate",
                                                         "backend_cancel",
                                                         "server_immediate",
                                                         "server_kill",
                                                         "server_read_only",
                                                         "server_timeouts",
                                                         "server_lock",
                                                         "source_lock",
                                                         "source_exclusive",
                                                         "source_checkpoint",
                                                         "source_vacuum",
                                                         "wire_reset",
                                                         "wire_flip",
                                                         "wire_frozen",
                                                         "wire_cable",
                                                         "wire_slow",
                                                         "answer_lost",
                                                         "server_unheard",
                                                         "foreign_write",
                                                         "server_disk_full",
                                                         "source_disk_low",
                                                         "server_failover"};
  return kNames.at(static_cast<std::size_t>(fault));
}

std::vector<Fault> draw_faults(std::mt19937_64& random) {
  std::vector<Fault> kinds;
  for (int kind = 0; kind < kCommonFaults; ++kind) kinds.push_back(static_cast<Fault>(kind));
  std::shuffle(kinds.begin(), kinds.end(), random);
  kinds.resize(kCommonFaults / 2);
  std::vector<Fault> faults;
  for (std::uint64_t count = 3 + random() % 4; count > 0; --count)
    faults.push_back(kinds[random() % kinds.size()]);
  for (int kind = kCommonFaults; kind < kFaults; ++kind)
    if (random() % 12 == 0)
      faults.insert(faults.begin() + static_cast<std::ptrdiff_t>(random() % (faults.size() + 1)),
                    static_cast<Fault>(kind));
  return faults;
}

std::string draw_failpoint(std::mt19937_64& random, const std::vector<std::string>& names) {
  if (names.empty() || random() % 10 < 3) return "";
  constexpr std::array kActions{"kill", "kill", "kill", "error", "error", "delay:60", "stop"};
  return fmt::format("{}={}@{}", names[random() % names.size()],
                     kActions.at(random() % kActions.size()),
                     random() % 3 == 0 ? 1 + random() % 20 : 1 + random() % 2);
}

}  // namespace lockstep::nemesis
