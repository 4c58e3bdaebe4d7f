// Joins capture, wire and apply in one process; owns the threads and the one stop.
#pragma once

#include <memory>
#include <string>
#include <thread>

#include "ops/board.hpp"
#include "ops/prepare.hpp"
#include "ops/source_worker.hpp"
#include "ops/target_worker.hpp"

namespace lockstep::ops {

class Pipeline {
 public:
  /// Starts the workers `capture-0` and `apply-0`, which talk over inproc. `board` must outlive the
  /// pipeline.
  Pipeline(Prepared prepared, Board& board, capture::PruneLimits prune = {});
  /// Asks both to stop and waits for them. What was not applied waits in the change table.
  ~Pipeline();
  Pipeline(const Pipeline&) = delete;
  Pipeline& operator=(const Pipeline&) = delete;

 private:
  wire::Context context_;  // outlives every socket
  std::unique_ptr<SourceWorker> source_;
  std::unique_ptr<TargetWorker> target_;
  std::jthread source_thread_, target_thread_;
};

}  // namespace lockstep::ops
