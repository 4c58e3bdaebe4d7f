// A server that says nothing must not hold up those who wait for its answer.
#pragma once

#include <atomic>
#include <thread>

#include "link/postgres/connection.hpp"
#include "model/clock.hpp"

namespace lockstep::switchover {

/// After `patience` the connection is ended, and whoever waits on it gets the error of a lost
/// connection. The connection outlives this object.
class AnswerLimit {
 public:
  AnswerLimit(postgres::Connection& connection, Milliseconds patience);
  AnswerLimit(const AnswerLimit&) = delete;
  AnswerLimit& operator=(const AnswerLimit&) = delete;
  /// From here on the server may take its time. Repeatable.
  void lift();
  /// It did not answer in time; true or false for good behind lift().
  [[nodiscard]] bool passed() const { return passed_; }

 private:
  std::atomic<bool> passed_ = false;
  std::jthread watching_;
};

}  // namespace lockstep::switchover
