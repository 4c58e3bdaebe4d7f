// The application: writers on one SQLite file, each transaction noted with the state it made.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "tests/nemesis/history.hpp"

namespace lockstep::nemesis {

/// Makes the file with its tables and some rows. `journal` is "wal" or "delete".
void make_source(const std::string& file, const std::string& journal, std::uint64_t seed);

/// The state of the file now: n and hash of everything.
[[nodiscard]] std::pair<std::int64_t, std::uint64_t> source_state(const std::string& file);

/// Writers run in threads of their own until finish().
class Workload {
 public:
  /// With `odd` some values are of a class that their column does not hold on the target.
  Workload(std::string file, int writers, int rate, std::uint64_t seed, bool odd);
  ~Workload();
  Workload(const Workload&) = delete;
  Workload& operator=(const Workload&) = delete;
  /// Ends the writers; what they did, in no particular order. Throws what a writer met that no
  /// application may meet.
  [[nodiscard]] std::vector<Transaction> finish();

 private:
  void write(int writer, std::uint64_t seed);

  std::string file_;
  int rate_;
  bool odd_;
  std::atomic<bool> end_{false};
  std::mutex mutex_;
  std::vector<Transaction> transactions_;
  std::string trouble_;
  std::vector<std::thread> threads_;
};

}  // namespace lockstep::nemesis
