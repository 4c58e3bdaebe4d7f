#include "switchover/answer_limit.hpp"

#include <condition_variable>
#include <mutex>
#include <stop_token>

namespace lockstep::switchover {

AnswerLimit::AnswerLimit(postgres::Connection& connection, Milliseconds patience)
    : watching_([this, &connection, patience](const std::stop_token& lifted) {
        std::mutex mutex;
        std::condition_variable_any waiting;
        std::unique_lock lock(mutex);
        waiting.wait_for(lock, lifted, patience, [] { return false; });
        if (lifted.stop_requested()) return;
        passed_ = true;
        connection.interrupt();
      }) {}

void AnswerLimit::lift() {
  watching_.request_stop();
  if (watching_.joinable()) watching_.join();
}

}  // namespace lockstep::switchover
