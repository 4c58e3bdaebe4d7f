// Runs a worker in a thread of its own.
#pragma once

#include <exception>
#include <stop_token>

#include "ops/board.hpp"

namespace lockstep::ops {

/// A worker must not take the process down with an exception that nobody foresaw: the person gets
/// it as an error.
template <class Worker>
void run_worker(Worker& worker, const std::stop_token& stop, Board& board) {
  try {
    worker.run(stop);
  } catch (const Error& error) {
    board.fail(error);
  } catch (const std::exception& exception) {
    board.fail(Error({.code = "LS-R799",
                      .exit = ExitCode::bug,
                      .what = "a worker ended unexpectedly",
                      .why = exception.what(),
                      .data = "safe: rows and position are one transaction",
                      .todo = "run lockstep again; please report this"}));
  }
}

}  // namespace lockstep::ops
