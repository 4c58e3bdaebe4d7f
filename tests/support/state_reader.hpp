// A reader of the target beside the writer of the source: every state it finds must be one that the
// source can have had.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>

namespace lockstep::test {

/// Reads from a thread of its own until finish(). Each look is one statement, so one snapshot: the
/// ledger's position and, once the ledger says `consistent`, what is wrong with the state.
class StateReader {
 public:
  struct Report {
    std::uint64_t looks = 0;   ///< at consistent states
    std::uint64_t states = 0;  ///< positions among them
    std::uint64_t errors = 0;  ///< of the server, while it was consistent; each is looked up again
    std::uint64_t violations = 0;
    std::string first_violation = {};
    std::string last_error = {};
  };

  /// `complaint`: an SQL expression, '' for a right state, else a text that says what is wrong; its
  /// tables need not be there yet. Between looks it pauses, so that a costly complaint leaves the
  /// server to others.
  StateReader(std::string dsn, std::string complaint,
              std::chrono::milliseconds pause = std::chrono::milliseconds{2});
  ~StateReader();
  StateReader(const StateReader&) = delete;
  StateReader& operator=(const StateReader&) = delete;

  /// Any thread, any time.
  [[nodiscard]] Report so_far() const;
  /// One last look, so that what is there now has been seen; then no more.
  Report finish();

 private:
  void work();

  std::string dsn_, sql_;
  std::chrono::milliseconds pause_;
  std::atomic<bool> end_{false};
  mutable std::mutex mutex_;
  Report report_;
  std::thread thread_;  // last: it uses the others
};

}  // namespace lockstep::test
