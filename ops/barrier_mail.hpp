// Between apply's thread, which talks with capture, and the one that leads a comparison: requests
// one way, answers the other.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "link/wire/bell.hpp"
#include "link/wire/message.hpp"
#include "model/error.hpp"
#include "model/position.hpp"

namespace lockstep::ops {

/// Any thread may call any member. What was asked for in one session is not answered in another.
class BarrierMail {
 public:
  struct Request {
    wire::Kind kind = wire::Kind::barrier_wanted;
    std::string body;
  };
  struct Answer {
    std::uint64_t barrier = 0;
    wire::Kind kind = wire::Kind::digests;
    std::string body;
    Position position;  ///< of a barrier
    std::optional<ErrorFacts> failure;
  };

  void session_began();
  void session_lost();
  /// A message of capture. Throws Error LS-W504 if it cannot be read.
  void received(wire::Kind kind, std::string body);
  void answer(Answer answer);
  [[nodiscard]] std::vector<Request> take_requests();
  /// Readable when take_requests() has something.
  [[nodiscard]] int descriptor() const { return bell_.descriptor(); }

  /// The number of the open session, once there is one; nothing: stopped.
  [[nodiscard]] std::optional<std::uint64_t> wait_for_session(const std::stop_token& stop);
  void request(wire::Kind kind, std::string body);
  /// Throws the error that came instead, or LS-V506 once that session is over.
  [[nodiscard]] Answer await(std::uint64_t session, std::uint64_t barrier, wire::Kind kind,
                             const std::stop_token& stop);

 private:
  wire::Bell bell_;
  std::mutex mutex_;
  std::condition_variable_any came_;
  std::uint64_t session_ = 0;
  bool open_ = false;
  std::deque<Request> requests_;
  std::deque<Answer> answers_;
};

}  // namespace lockstep::ops
