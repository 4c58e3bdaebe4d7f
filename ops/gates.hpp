// What must hold before the writers move: each gate with what was found and what is wanted, so that
// a person sees what is missing, and what to do for it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "config/settings.hpp"
#include "model/clock.hpp"
#include "switchover/coordinator.hpp"

namespace lockstep::ops {

struct Gate {
  std::string name;
  bool open = false;
  std::string found;    ///< "38 ms"
  std::string wanted;   ///< "at most 500 ms"; may be empty
  std::string todo;     ///< for one that is shut
  bool waived = false;  ///< shut, and somebody has said that it does not matter
};

/// A check of the user's own: a command whose exit code 0 opens it, or a SELECT on one side.
struct UserGate {
  std::string name;
  std::vector<std::string> command{};      ///< a program and its arguments
  std::string source_sql{}, target_sql{};  ///< only read
  bool no_rows = false;  ///< of a SELECT: no row opens it; else one row whose first column is true
};

/// Whether SQLite's file is read as a whole.
enum class LookIntoFile { no, if_small, yes };
/// Whether rows are sent the way back, and orphans counted: seconds for hundreds of tables.
enum class TryWayBack { no, if_all_open, yes };

struct GateLimits {
  Milliseconds max_pause{800};
  Milliseconds max_lag{500};
  std::int64_t max_backlog = 1'000;
  Milliseconds verify_max_age{3'600'000};  ///< 0: no comparison is asked for
  std::int64_t connections = 5;            ///< that must be free for the application
  bool accept_async_standby = false;
  bool accept_orphans = false;        ///< `orphans` is waived
  bool accept_unsafe_server = false;  ///< `durability` is waived
  LookIntoFile look_into_file = LookIntoFile::no;
  std::vector<config::Waiver> waivers{};  ///< for what comparisons found
  bool unproven = false;                  ///< of a rollback: `compared` is waived
  bool accept_left_out = false;           ///< of a rollback: `left out` is waived
  TryWayBack try_way_back = TryWayBack::if_all_open;
  std::vector<UserGate> own{};
};

/// Looks, and changes nothing. In the order in which they are printed.
[[nodiscard]] std::vector<Gate> look_at_gates(switchover::Coordinator& coordinator,
                                              switchover::Direction direction,
                                              const GateLimits& limits);
[[nodiscard]] bool passes(const Gate& gate);
[[nodiscard]] bool all_open(const std::vector<Gate>& gates);
/// "ok        lag 38 ms (at most 500 ms)"
[[nodiscard]] std::string gate_line(const Gate& gate);

}  // namespace lockstep::ops
