// One run of the nemesis: a live application, lockstep, faults, healing, judgement.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tests/nemesis/history.hpp"
#include "tests/nemesis/target.hpp"

namespace lockstep::nemesis {

struct RunReport {
  std::uint64_t seed = 0;
  std::string shape;                ///< what was run: journal, processes, writers
  bool odd = false;                 ///< some values did not fit; lockstep kept them in quarantine
  std::vector<std::string> faults;  ///< as they came
  Verdict verdict;
  std::string
      trouble;  ///< what broke the run itself, or an end that no fault explains; empty if nothing
  std::map<std::string, int> hits;     ///< by failpoint: how often it was passed
  std::map<std::string, int> strikes;  ///< how often something was done there
  std::map<std::string, int> ends;     ///< of lockstep's processes before the healing, by reason
  int new_copies = 0;                  ///< that lockstep had asked for by name
  int behind = 0;                      ///< failovers to a standby that lacked what had been seen
  double heal_seconds = 0;             ///< from the last fault until both sides were equal
  [[nodiscard]] bool clean() const { return trouble.empty() && verdict.clean(); }
};

/// `seed` decides everything but the interleaving of processes. The target is healed afterwards.
/// Never throws.
[[nodiscard]] RunReport run_once(Target& target, std::uint64_t seed,
                                 const std::vector<std::string>& failpoints);

}  // namespace lockstep::nemesis
