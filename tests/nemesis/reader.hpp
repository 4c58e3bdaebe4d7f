// A reader of the target: what it sees in one snapshot, again and again.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "tests/nemesis/history.hpp"

namespace lockstep::nemesis {

/// Reads from a thread of its own until finish(). While the server is gone it tries again.
class Reader {
 public:
  Reader(std::string dsn, std::chrono::milliseconds pause);
  ~Reader();
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;
  [[nodiscard]] std::vector<Sighting> finish();

 private:
  void work();
  std::string dsn_;
  std::chrono::milliseconds pause_;
  std::atomic<bool> end_{false};
  std::vector<Sighting> sightings_;
  std::thread thread_;
};

/// One look now; nothing if the ledger does not call the state consistent yet. Throws if the server
/// does not answer.
[[nodiscard]] std::optional<Sighting> look_at(const std::string& dsn);
/// Table `ops` of the target: op -> n.
[[nodiscard]] std::map<std::int64_t, std::int64_t> ops_of(const std::string& dsn);

}  // namespace lockstep::nemesis
